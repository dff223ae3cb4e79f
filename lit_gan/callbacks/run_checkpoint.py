"""The checkpoints of a run: the last one, which it goes on from, and the best one."""

import time
import warnings
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.callbacks.numeric_guard import check_numbers
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.callbacks.round_end import (
    RankAgreement,
    ends_within_epoch,
    epoch_ends,
    log_round,
    round_is_settled,
    validation_is_due,
)
from lit_gan.engine.resumption import name_files_not_folders
from lit_gan.errors import UserError
from lit_gan.evaluation.scores import BestScore, ParzenScore

USUAL_MONITOR = "val/parzen_nll"


class RunCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint for rounds: ``last.ckpt`` when one is due and at the end, the best after validations.

    Lightning 2.6 reads ``train_time_interval`` not at all under manual optimisation, writes ``last.ckpt`` only beside
    one of the best, and looks for a better one only when one is due. And a run goes on exactly from a round that
    nothing but another round follows, or from the end of an epoch: one that is due in a round with a validation behind
    it is written after that. Where ``max_steps`` ends training within an epoch, ``last.ckpt`` is written before that
    epoch is taken for ended, so that a longer run goes on in it.

    By the Parzen score the one best checkpoint is replaced only by one that is better by more than the paired error of
    the difference on the same held-out images; where no two checkpoints can be told apart, the end of training says so.

    Args:
        *args: As ModelCheckpoint's. ``every_n_train_steps`` counts rounds.
        **kwargs: As ModelCheckpoint's. Where ``monitor`` is not logged, nothing is best; told, unless it is
            ``val/parzen_nll``, which can be switched off.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name_files_not_folders(self)
        if self.filename is None and self.monitor is not None:
            self.filename, self.auto_insert_metric_name = "best-{step:06d}", False
        self._last_written_after: int | None = None
        self._due = False
        self._validated = False
        self._best_score = BestScore()
        self._agreement = RankAgreement()
        self._written_at = time.monotonic()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """As ModelCheckpoint's, but a folder that holds the checkpoints of the run that goes on is no surprise."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
            super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first interval begins."""
        super().on_train_start(trainer, pl_module)
        if not self.best_model_path:
            self._best_score = BestScore()  # an earlier training's, or of a checkpoint that is not of this folder
        self._agreement, self._written_at = RankAgreement(), time.monotonic()
        self._due = self._validated = False
        self._last_written_after = None  # an earlier training's, whose rounds are not these

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One is due every so many rounds, or after so much time."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]  # set where a type checker does not see it
            return
        every, interval = self._every_n_train_steps, self._train_time_interval
        self._due |= every > 0 and trainer.global_step % every == 0
        if interval is not None:
            overdue = time.monotonic() - self._written_at >= interval.total_seconds()
            self._due |= any(self._agreement.read(trainer, [overdue]) or [])
        cut_off = ends_within_epoch(trainer) and not validation_is_due(trainer)
        if cut_off or (self._due and round_is_settled(trainer)):
            log_round(trainer)
            if self._due:
                self._save_due(trainer)
            else:
                self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """In the middle of an epoch the best one is kept here, at its end with the epoch."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        self._validated = True
        if not epoch_ends(trainer):
            self._save_best(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One is due every so many epochs; the best one is looked for where there was a validation."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]  # as above
            return
        self._save_best(trainer)
        every = self._every_n_epochs
        if self._due or (every > 0 and (trainer.current_epoch + 1) % every == 0):
            self._save_due(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the weights that training ended with."""
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # as above
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
            if self._best_score.undecided:
                pl_module.print(f"lit-gan: {self._best_score.why_undecided}")

    def state_dict(self) -> dict[str, Any]:
        """As ModelCheckpoint's, with the log-likelihoods under the best checkpoint, where it is chosen by them."""
        state: dict[str, Any] = super().state_dict()
        best = self._best_score.state_dict()
        return {**state, "best_parzen_score": best} if best else state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As ModelCheckpoint's, with the score that it forgets, and in a run folder that has been moved, too."""
        super().load_state_dict(_moved(state_dict, Path(str(self.dirpath))))
        self.current_score = state_dict["current_score"]
        self._best_score.load_state_dict(state_dict.get("best_parzen_score"))

    def save_now(self, trainer: Trainer) -> None:
        """Writes ``last.ckpt`` after a settled round or at the end of an epoch, though none is due.

        Args:
            trainer: In one of its hooks there, on every rank.
        """
        if round_is_settled(trainer):
            log_round(trainer)
        self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def _save_best(self, trainer: Trainer) -> None:
        candidates = self._monitor_candidates(trainer)
        if not self._validated or self.monitor is None or self.save_top_k == 0:
            return
        self._validated = False
        evaluations = [each for each in _callbacks(trainer) if isinstance(each, GenerativeEvaluation)]
        if any(evaluation.leaves_out(self.monitor, trainer) for evaluation in evaluations):
            return  # a number of an earlier round, or none yet
        if self.monitor in candidates:
            score = self._parzen_score(trainer)
            # By all ranks together: Lightning's own look at the score is, too.
            if score is None or trainer.strategy.reduce_boolean_decision(self._best_score.is_beaten_by(score)):
                self._save_topk_checkpoint(trainer, candidates)
        elif self.monitor != USUAL_MONITOR:
            raise UserError(
                f"checkpoint.monitor = {self.monitor!r} is not logged: expected one of "
                f"{', '.join(sorted(map(str, trainer.callback_metrics)))}, or null to keep no best checkpoint."
            )

    def _parzen_score(self, trainer: Trainer) -> ParzenScore | None:
        """The score with its rows, where the one best checkpoint is chosen by it."""
        if self.monitor != USUAL_MONITOR or self.save_top_k != 1 or self.mode != "min":
            return None
        scores = [callback.score for callback in _callbacks(trainer) if isinstance(callback, ParzenEvaluation)]
        return scores[0] if len(scores) == 1 else None

    def _save_due(self, trainer: Trainer) -> None:
        candidates = self._monitor_candidates(trainer)
        self._due = False
        self._written_at = time.monotonic()
        if self.monitor is None:
            self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        if self._last_written_after != trainer.global_step:
            super()._save_last_checkpoint(trainer, monitor_candidates)
            self._last_written_after = trainer.global_step

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        check_numbers(trainer)
        super()._save_checkpoint(trainer, filepath)


def _callbacks(trainer: Trainer) -> list[Any]:
    return trainer.callbacks  # type: ignore[attr-defined, no-any-return]  # set where a type checker does not see it


def _moved(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The state with its paths in ``folder``, where its best checkpoints, if there are any yet, lie there now."""
    best = {str(folder / Path(path).name): score for path, score in state["best_k_models"].items()}
    if not all(Path(path).is_file() for path in best):
        return state
    paths = {name: str(folder / Path(path).name) for name, path in state.items() if name.endswith("_path") and path}
    return {**state, **paths, "best_k_models": best, "dirpath": str(folder)}
