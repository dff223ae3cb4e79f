"""The course of a training and of an evaluation in a run folder, from the command line and from Python alike."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

from lightning.pytorch import LightningModule, Trainer

from lit_gan.callbacks.stop_signals import StopSignals, stopped_at_once
from lit_gan.engine.lightning_seam import evaluate_as_after
from lit_gan.engine.rounds import RoundModule, planned_rounds
from lit_gan.errors import RunError
from lit_gan.loggers.lightnings import tell_configuration
from lit_gan.loggers.wandb.choice import finished_wandb
from lit_gan.reporting.report import Shipped
from lit_gan.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from lit_gan.runs.heartbeat import Heartbeat
from lit_gan.session.ending import Ending
from lit_gan.session.errors import user_errors
from lit_gan.session.recording import Recording
from lit_gan.session.report import write_report_of
from lit_gan.session.scores import keep_scores
from lit_gan.strategies import DDPGANStrategy
from lit_gan.strategies.ddp_gan import check_moves_players_apart

_Result = TypeVar("_Result")


def train(
    trainer: Trainer,
    module: LightningModule,
    recording: Recording,
    signals: StopSignals,
    fit: Callable[[str | None], None],
    *,
    checkpoint: Path | str | None = None,
    begin: Callable[[], None] | None = None,
    kept: Path | None = None,
    report: Shipped | None = None,
    started: float | None = None,
) -> None:
    """Trains in the run folder, from its newest checkpoint on, and leaves it marked with how the run ended.

    What real images score is kept in a folder for other runs, if there is one for it; a report is written where it is
    known which configurations are shipped.
    """
    started = time.monotonic() if started is None else started
    run, strategy = recording.run, trainer.strategy
    signals.listen()
    if isinstance(strategy, DDPGANStrategy):
        strategy.on_loss = lambda reason: run.mark("failed", reason)
    try:
        newest = newest_checkpoint(run.checkpoints) if recording.resumed else None
        start = newest if newest is not None else checkpoint
        if start is None and begin is not None:
            begin()
        with Heartbeat(run), finished_wandb(trainer.loggers), user_errors(start):
            if isinstance(module, RoundModule):  # it says so itself, but by then there is a rank on each device
                check_moves_players_apart(strategy, trainer.world_size, module.players)
            recording.begin(start)
            recording.say_that_it_goes_on()
            tell_configuration(trainer.loggers, recording.config)
            fit(None if start is None else str(start))
            end = Ending.of(trainer, recording.first_round)
            score = keep_scores(trainer, run, "val", folder=kept) if trainer.is_global_zero else None
            if report is not None and trainer.is_global_zero:
                write_report_of(run, end, report, module, getattr(trainer, "datamodule", None))
    except BaseException as error:
        lost = getattr(strategy, "lost", None)  # another rank: not the broken connection that it left is the reason
        ending = error if lost is None else RunError(lost)
        recording.end_by(ending, trainer.global_step, planned_rounds(trainer))
        if ending is error:
            raise
        raise ending from error
    recording.finish("" if end.as_planned else end.reason)
    recording.say_where_everything_is(end, time.monotonic() - started, score)


def evaluate(
    trainer: Trainer, evaluation: Callable[[], _Result], checkpoint: Path | str | None, recording: Recording | None
) -> _Result:
    """Evaluates where the numbers belong: at the round of the checkpoint."""
    recorded = nullcontext() if recording is None else recording.of_an_evaluation()
    with recorded, finished_wandb(trainer.loggers), stopped_at_once(), user_errors(checkpoint):
        content = {"global_step": trainer.global_step, "epoch": trainer.current_epoch}
        if checkpoint is not None:
            content = load_checkpoint(checkpoint)
        evaluate_as_after(trainer, int(content.get("global_step", 0)), int(content.get("epoch", 0)))
        return evaluation()
