"""TensorBoard: the same numbers and pictures, in the run folder."""

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from lit_gan.errors import UserError


def tensorboard_logger(folder: Path) -> TensorBoardLogger:
    """The logger of a run, whose files go to ``tensorboard/`` in its folder.

    Args:
        folder: The run folder.

    Raises:
        UserError: If TensorBoard is not installed.
    """
    try:
        # Without a hyper-parameter metric, which would be a number that no run has logged.
        return TensorBoardLogger(folder / "tensorboard", name="", version="", default_hp_metric=False)
    except ModuleNotFoundError as error:
        raise UserError(
            "--tensorboard true: TensorBoard is not installed: `pip install tensorboard`, or leave the flag out."
        ) from error
