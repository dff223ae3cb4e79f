"""What the terminal shows of a training: the players in a table, and one bar over the whole of it."""

import math
import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichModelSummary
from lightning.pytorch.trainer.states import TrainerFn
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table

from lit_gan.engine.rounds import RoundModule, planned_rounds

_PATIENCE = 1.0  # seconds without a sign of life, where rounds are slow


class LossProgressBar(ProgressBar):
    """One bar over a whole training, with both players' losses, redrawn every tenth round or every second.

    .. code-block:: text

        Training ━━━━━━━━╸━━━━━━━━━━ 2,470/6,000 84/s 0:00:42 left loss_d 0.683 loss_g 0.805
        Evaluating samples ━━━━━━━━━ 1/1

    The speed is that of the rounds of this command, without what was evaluated between them; the time that is left is
    that of the whole training, evaluations included, at the pace so far. Of a module that is no
    :class:`~lit_gan.RoundModule` batches are counted.

    Args:
        refresh_rate: Rounds between two redraws; there is one more at the end. 0 for no bar at all.
    """

    def __init__(self, refresh_rate: int = 10) -> None:
        super().__init__()
        self.refresh_rate = refresh_rate
        self._enabled = True
        self._progress: Progress | None = None
        self._training: TaskID | None = None
        self._evaluating: TaskID | None = None
        self._pace = _Pace()
        self._done = 0
        self._drawn_at = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """For a process of its own: what is drawn here is not drawn there."""
        return {**self.__dict__, "_progress": None, "_training": None, "_evaluating": None}

    @property
    def is_enabled(self) -> bool:
        """Whether anything is drawn."""
        return self._enabled and self.refresh_rate > 0

    def enable(self) -> None:
        """Draws again."""
        self._enabled = True

    def disable(self) -> None:
        """Draws nothing."""
        self._enabled = False

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Prints above the bar."""
        if self._progress is None:
            print(*args, **kwargs)  # noqa: T201 -- as Lightning's do
        else:
            self._progress.console.print(*args, markup=False, highlight=False)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar: the losses, without the logger's version, which is the run folder's name."""
        metrics: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        metrics.pop("v_num", None)
        return metrics

    # -- Training ---------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins the bar, where the run has got to."""
        progress = self._begun()
        if progress is not None:
            self._done, self._drawn_at = _done(trainer, pl_module, 0), time.monotonic()
            self._pace.begin(self._done)
            total = planned_rounds(trainer)
            after = _of(self._done, total)
            self._training = progress.add_task("Training", total=total, completed=self._done, after=after)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Redraws, where it is time to."""
        self._done = _done(trainer, pl_module, batch_idx + 1)
        if self.is_enabled:
            slow = time.monotonic() - self._drawn_at > _PATIENCE
            if slow or (batch_idx + 1) % self.refresh_rate == 0:
                self.draw_training(trainer, pl_module)

    def draw_training(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws how far the training has come."""
        if self._progress is None or self._training is None:
            return
        self._drawn_at = time.monotonic()
        done, total = self._done, planned_rounds(trainer)
        losses = " ".join(
            f"{name.rpartition('/')[2]} {float(value):.3f}"
            for name, value in self.get_metrics(trainer, pl_module).items()
        )
        after = " ".join(part for part in (self._pace.told(done, total), losses) if part)
        self._progress.update(self._training, completed=done, total=total, after=after, refresh=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The bar stays, and is full."""
        self.draw_training(trainer, pl_module)
        self._end()

    # -- Evaluation -------------------------------------------------------------------------------------------------

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows that the validation is tried."""
        self._evaluation("Trying validation", math.inf)

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes its bar away."""
        self._evaluation_is_over()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows that it validates; meanwhile no round is trained."""
        if not trainer.sanity_checking:
            self.draw_training(trainer, pl_module)
            self._pace.pause()
            self._evaluation("Validating", trainer.num_val_batches)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """A batch further."""
        self._advance()

    on_test_batch_end = on_predict_batch_end = on_validation_batch_end

    def show_evaluation(self, trainer: Trainer) -> None:
        """Says that samples are being evaluated, once the examples are."""
        if self._progress is not None and self._evaluating is not None:
            self._progress.update(self._evaluating, description="Evaluating samples", refresh=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the bar of the validation away."""
        if not trainer.sanity_checking:
            self._pace.go_on()
            self._evaluation_is_over()
        if trainer.state.fn != TrainerFn.FITTING:
            self._end()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins the bar of a test."""
        self._evaluation("Testing", trainer.num_test_batches)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The bar stays as it is."""
        self._end()

    on_predict_end = on_test_end

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins the bar of a prediction."""
        self._evaluation("Predicting", trainer.num_predict_batches)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves the terminal to what is said of it."""
        self._end()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leaves the terminal."""
        self._end()

    # -- Drawing ----------------------------------------------------------------------------------------------------

    def _begun(self) -> Progress | None:
        if self._progress is None and self.is_enabled:
            self._progress = Progress(
                TextColumn("{task.description}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
                TextColumn("{task.fields[after]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
                auto_refresh=False,
                expand=True,
            )
            self._progress.start()
        return self._progress

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._training = self._evaluating = None

    def _evaluation(self, what: str, batches: Any) -> None:
        progress = self._begun()
        if progress is not None:
            total = sum(batches) if isinstance(batches, list) else batches
            known = total if math.isfinite(total) else None
            self._evaluating = progress.add_task(what, total=known, after=_of(0, known))
            progress.refresh()

    def _advance(self) -> None:
        if self._progress is None or self._evaluating is None:
            return
        task = self._progress.tasks[self._progress.task_ids.index(self._evaluating)]
        done = int(task.completed) + 1
        self._progress.update(self._evaluating, completed=done, after=_of(done, task.total), refresh=True)

    def _evaluation_is_over(self) -> None:
        if self._progress is not None and self._evaluating is not None:
            self._progress.remove_task(self._evaluating)
            self._evaluating = None
            self._progress.refresh()


class _Pace:
    """How fast the rounds of this command are, and how long the rest of them takes."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, done: int) -> None:
        self._first, self._started = done, time.monotonic()
        self._paused, self._paused_at = 0.0, math.nan

    def pause(self) -> None:
        self._paused_at = time.monotonic()

    def go_on(self) -> None:
        self._paused += max(time.monotonic() - self._paused_at, 0.0) if math.isfinite(self._paused_at) else 0.0
        self._paused_at = math.nan

    def told(self, done: int, total: int | None) -> str:
        """As in ``2,470/6,000 84/s 0:00:42 left``."""
        elapsed, new = time.monotonic() - self._started, done - self._first
        words = [_of(done, total)]
        if new > 0 and elapsed > self._paused:
            words.append(f"{new / (elapsed - self._paused):.3g}/s")
            if total is not None and done < total:
                words.append(f"{timedelta(seconds=round(elapsed / new * (total - done)))} left")
        return " ".join(words)


def _of(done: int, total: float | None) -> str:
    return f"{done:,}" if total is None else f"{done:,}/{int(total):,}"


def _done(trainer: Trainer, module: LightningModule, batches: int) -> int:
    """How many rounds there have been; of another module, in whose steps nobody knows what is counted, batches."""
    if isinstance(module, RoundModule) or trainer.max_steps >= 0 or math.isinf(trainer.num_training_batches):
        return trainer.global_step
    return trainer.current_epoch * int(trainer.num_training_batches) + batches


class PlayerSummary(RichModelSummary):
    """What is trained, part by part, with its parameters: as Lightning's, without columns that say nothing of a GAN."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]],
        total_parameters: int,
        trainable_parameters: int,
        model_size: float,
        total_training_modes: dict[str, int],  # noqa: ARG004 -- Lightning gives them by name
        total_flops: int,  # noqa: ARG004
        **summarize_kwargs: Any,  # noqa: ARG004
    ) -> None:
        """Prints the table."""
        told = [(name.strip(), rows) for name, rows in summary_data if name.strip() and _tells(name, rows)]
        table = Table(*(Column(name, justify="right" if _is_number(name) else "left") for name, _ in told))
        for row in zip(*(rows for _, rows in told), strict=True):
            table.add_row(*row)
        frozen = total_parameters - trainable_parameters
        held = f", {frozen:,} of them frozen" if frozen else ""
        Console().print(table, f"{total_parameters:,} parameters{held}; {model_size:.3g} MB", sep="")


def _tells(name: str, rows: list[str]) -> bool:
    """FLOPs are counted on an example input, which most modules do not have; a mode that all are in is no news."""
    if name == "FLOPs":
        return any(row.strip() != "0" for row in rows)
    return name != "Mode" or len(set(rows)) > 1


def _is_number(name: str) -> bool:
    return name.startswith(("Params", "FLOPs"))
