"""TensorBoard: the same numbers and pictures, in the run folder."""

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.errors import UserError


class RunBoard(TensorBoardLogger):
    """Lightning's TensorBoardLogger for a run that is gone on with: each round is shown once."""

    @rank_zero_only
    def goes_on_after(self, rounds: int) -> None:
        """Hides what is logged of later rounds, which are about to be logged again."""
        if rounds:
            from tensorboard.compat.proto.event_pb2 import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- optional
                Event,
                SessionLog,
            )

            # What torch's writer does with a `purge_step`, which is to be known before it is made.
            start = Event(step=rounds, session_log=SessionLog(status=SessionLog.START))
            self.experiment.file_writer.add_event(start)  # the axis has the index of a round


def tensorboard_logger(folder: Path) -> RunBoard:
    """The logger of a run, whose files go to ``tensorboard/`` in its folder."""
    try:
        # Without a hyper-parameter metric, which would be a number that no run has logged.
        return RunBoard(folder / "tensorboard", name="", version="", default_hp_metric=False)
    except ModuleNotFoundError as error:
        raise UserError(
            "--tensorboard true: TensorBoard is not installed: `pip install tensorboard`, or leave the flag out."
        ) from error
