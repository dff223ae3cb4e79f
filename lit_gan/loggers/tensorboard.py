"""TensorBoard: the same numbers and pictures, in the run folder."""

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from lit_gan.errors import UserError


class RunBoard(TensorBoardLogger):
    """Lightning's TensorBoardLogger for a run that is gone on with: each round is shown once."""

    def goes_on_after(self, rounds: int) -> None:
        """Hides what is logged of later rounds, which are about to be logged again.

        Args:
            rounds: How many there were at the checkpoint; nothing must have been logged by this logger yet.
        """
        self._kwargs["purge_step"] = rounds  # the axis has the index of a round


def tensorboard_logger(folder: Path) -> RunBoard:
    """The logger of a run, whose files go to ``tensorboard/`` in its folder.

    Args:
        folder: The run folder.

    Raises:
        UserError: If TensorBoard is not installed.
    """
    try:
        # Without a hyper-parameter metric, which would be a number that no run has logged.
        return RunBoard(folder / "tensorboard", name="", version="", default_hp_metric=False)
    except ModuleNotFoundError as error:
        raise UserError(
            "--tensorboard true: TensorBoard is not installed: `pip install tensorboard`, or leave the flag out."
        ) from error
