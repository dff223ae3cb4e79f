"""The checkpoints of a run: the last one, which it goes on from, and the best ones."""

import os
import re
import shutil
import time
import warnings
import weakref
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.callbacks.numeric_guard import check_numbers
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.callbacks.rank_agreement import RankAgreement
from lit_gan.engine.lightning_seam import (
    callbacks_of,
    ends_within_epoch,
    epoch_ends,
    is_trial_run,
    log_round,
    round_is_settled,
    validation_is_due,
)
from lit_gan.errors import UserError
from lit_gan.evaluation.scores import BestScore, ParzenScore

USUAL_MONITOR = "val/parzen_nll"
_SUFFIX = ".ckpt"


class RunCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` when one is due and at the end of training, and the best ones after validations.

    Lightning's ``ModelCheckpoint`` with manual optimisation reads ``train_time_interval`` not at all, writes
    ``last.ckpt`` only beside one of the best, and looks for a better one only when one is due. And a run goes on
    exactly from a round that nothing but another round follows, or from the end of an epoch: one that is due in a round
    with a validation behind it is written after that. Where ``max_steps`` ends training within an epoch, ``last.ckpt``
    is written before that epoch is taken for ended, so that a longer run goes on in it.

    By the Parzen score the one best checkpoint is replaced only by one that is better by more than the paired error of
    the difference on the same held-out images; where no two checkpoints can be told apart, the end of training says so.

    Args:
        dirpath: The folder; ``checkpoints`` in that of the first logger, else in the Trainer's, if ``None``.
        filename: Of the best ones, with logged names in braces, as in ``{epoch}-{val/loss_d:.3f}``; if ``None``,
            ``best-ROUND``, without a monitor ``{epoch}-{step}``.
        monitor: The logged name by which the best are chosen; ``None``: each that is due is kept under ``filename``,
            as far as ``save_top_k`` lets it. Where it is not logged, nothing is best; told, unless it is
            ``val/parzen_nll``, which can be switched off.
        verbose: Whether each checkpoint is told of.
        save_last: Whether ``last.ckpt`` is written; ``"link"``: as a link, where one of the best is of that round.
        save_top_k: How many of the best are kept; -1: all; 0: none.
        save_on_exception: Whether one is written when training ends by an error, in whatever round that is.
        save_weights_only: Whether optimisers, schedules and callbacks are left out, and no run can go on from it.
        mode: ``min`` or ``max``: which values of the monitor are best.
        auto_insert_metric_name: Whether names are written before values in the names of files.
        every_n_train_steps: One is due after so many rounds.
        train_time_interval: One is due after so much time.
        every_n_epochs: One is due after so many epochs; 1 where nothing else is asked for.
        save_on_train_epoch_end: Of no effect, and taken for the sake of what was written for ``ModelCheckpoint``.
        enable_version_counter: Whether a file of the same name stays, and the new one gets ``-v1``, ``-v2``, ...

    Raises:
        UserError: If the arguments contradict each other, or the monitor is not logged.

    Example:
        >>> every_thousand = RunCheckpoint(every_n_train_steps=1000, save_top_k=-1)  # and all of them stay
        >>> best = RunCheckpoint(monitor="val/parzen_nll", save_last=True)
    """

    CHECKPOINT_NAME_LAST = "last"

    def __init__(
        self,
        dirpath: str | Path | None = None,
        filename: str | None = None,
        monitor: str | None = None,
        verbose: bool = False,
        save_last: bool | Literal["link"] | None = None,
        save_top_k: int = 1,
        save_on_exception: bool = False,
        save_weights_only: bool = False,
        mode: str = "min",
        auto_insert_metric_name: bool = True,
        every_n_train_steps: int | None = None,
        train_time_interval: timedelta | None = None,
        every_n_epochs: int | None = None,
        save_on_train_epoch_end: bool | None = None,
        enable_version_counter: bool = True,
    ) -> None:
        super().__init__()
        if filename is None and monitor is not None:
            filename, auto_insert_metric_name = "best-{step:06d}", False
        self.dirpath = _absolute(dirpath)
        self.filename = filename or "{epoch}-{step}"
        self.monitor = monitor
        self.verbose = verbose
        self.save_last = save_last
        self.save_top_k = save_top_k
        self.save_on_exception = save_on_exception
        self.save_weights_only = save_weights_only
        self.mode = mode
        self.auto_insert_metric_name = auto_insert_metric_name
        self.every_n_train_steps = every_n_train_steps or 0
        self.train_time_interval = train_time_interval
        nothing_asked = every_n_train_steps is None and every_n_epochs is None and train_time_interval is None
        self.every_n_epochs = 1 if nothing_asked else every_n_epochs or 0
        self.enable_version_counter = enable_version_counter
        self._check_arguments()
        #: The values of the monitor, by the checkpoints that are kept for them.
        self.best_k_models: dict[str, Tensor] = {}
        self.best_model_path = ""
        self.best_model_score: Tensor | None = None
        self.current_score: Tensor | None = None
        self.last_model_path = ""
        self._newest: tuple[int, str] | None = None  # the last one that was written, and after which round
        self._last_written_after: int | None = None
        self._due = False
        self._validated = False
        self._best_score = BestScore()
        self._agreement = RankAgreement()
        self._written_at = time.monotonic()

    def _check_arguments(self) -> None:
        if self.mode not in ("min", "max"):
            raise UserError(f"checkpoint.mode = {self.mode!r}: expected 'min' or 'max'.")
        numbers = {name: getattr(self, name) for name in ("every_n_train_steps", "every_n_epochs")}
        for name, least in (("save_top_k", -1), *((name, 0) for name in numbers)):
            if getattr(self, name) < least:
                raise UserError(f"checkpoint.{name} = {getattr(self, name)}: expected at least {least}.")
        asked = [name for name, number in numbers.items() if number]
        asked += ["train_time_interval"] if self.train_time_interval is not None else []
        if len(asked) > 1:
            raise UserError(
                f"checkpoint.{' and checkpoint.'.join(asked)}: expected one of them; set the others to null."
            )
        if self.monitor is None and self.save_top_k > 1:
            raise UserError(
                f"checkpoint.save_top_k = {self.save_top_k} and checkpoint.monitor = null: expected a monitor, which "
                "says which are the best, or save_top_k -1 (all), 0 (none) or 1 (the newest)."
            )

    @property
    def state_key(self) -> str:
        """As ModelCheckpoint's, so that the state in older checkpoints is found."""
        names = ("monitor", "mode", "every_n_train_steps", "every_n_epochs", "train_time_interval")
        return f"{type(self).__qualname__}{ {name: getattr(self, name) for name in names}!r}"

    # -- When -------------------------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """All ranks have the folder of rank 0."""
        self.dirpath = trainer.strategy.broadcast(self.dirpath or _usual_folder(trainer))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first interval begins."""
        if not self.best_model_path:
            self._best_score = BestScore()  # an earlier training's, of which no best one is left
        self._agreement, self._written_at = RankAgreement(), time.monotonic()
        self._due = self._validated = False
        self._newest = self._last_written_after = None  # an earlier training's, whose rounds are not these

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One is due every so many rounds, or after so much time."""
        if is_trial_run(trainer):
            return
        every, interval = self.every_n_train_steps, self.train_time_interval
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
                self._save_last(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """In the middle of an epoch the best one is kept here, at its end with the epoch."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        self._validated = True
        if not epoch_ends(trainer):
            self._save_best(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One is due every so many epochs; the best one is looked for where there was a validation."""
        if is_trial_run(trainer):
            return
        self._save_best(trainer)
        every = self.every_n_epochs
        if self._due or (every > 0 and (trainer.current_epoch + 1) % every == 0):
            self._save_due(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the weights that training ended with."""
        if not is_trial_run(trainer):
            self._save_last(trainer)
            if self._best_score.undecided:
                pl_module.print(f"lit-gan: {self._best_score.why_undecided}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what there is, where that was asked for."""
        written = self._newest is not None and self._newest[0] == trainer.global_step
        if self.save_on_exception and not is_trial_run(trainer) and not trainer.sanity_checking and not written:
            self._save(trainer, self._new_path(trainer, self.filename))
            self._save_last(trainer)

    def save_now(self, trainer: Trainer) -> None:
        """Writes ``last.ckpt`` after a settled round or at the end of an epoch, though none is due.

        Args:
            trainer: In one of its hooks there, on every rank.
        """
        if round_is_settled(trainer):
            log_round(trainer)
        self._save_last(trainer)

    # -- What goes on with the run ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Which checkpoints there are, and the log-likelihoods under the best one, where it is chosen by them."""
        names = ("monitor", "dirpath", "best_model_path", "best_model_score", "current_score", "last_model_path")
        state = {**{name: getattr(self, name) for name in names}, "best_k_models": dict(self.best_k_models)}
        best = self._best_score.state_dict()
        return {**state, "best_parzen_score": best} if best else state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes it back, in a run folder that has been moved, too; in another folder there are no best ones yet."""
        state = _moved(state_dict, Path(str(self.dirpath)))
        if str(state.get("dirpath")) != str(self.dirpath):
            warnings.warn(
                f"The dirpath has changed from {state.get('dirpath')} to {self.dirpath}: the best checkpoints there "
                "are none of this folder.",
                stacklevel=2,
            )
            return
        self.best_model_path = state["best_model_path"]
        self.best_model_score = state["best_model_score"]
        self.best_k_models = dict(state.get("best_k_models", {}))
        self.current_score = state["current_score"]
        self.last_model_path = state.get("last_model_path", "")
        self._best_score.load_state_dict(state.get("best_parzen_score"))

    # -- Which ------------------------------------------------------------------------------------------------------

    def _save_due(self, trainer: Trainer) -> None:
        self._due = False
        self._written_at = time.monotonic()
        if self.monitor is None and self.save_top_k != 0:
            previous, self.best_model_path = (
                self.best_model_path,
                self._new_path(trainer, self.filename, replaces=self.best_model_path),
            )
            self._save(trainer, self.best_model_path)
            if self.save_top_k == 1:
                self._remove(trainer, previous, self.best_model_path)
        self._save_last(trainer)

    def _save_last(self, trainer: Trainer) -> None:
        if not self.save_last or self._last_written_after == trainer.global_step:
            return
        previous = self.last_model_path
        # Before it is written, for its own state says where it is.
        self.last_model_path = self._new_path(trainer, self.CHECKPOINT_NAME_LAST, replaces=previous)
        if self.save_last == "link" and self._newest is not None and self._newest[0] == trainer.global_step:
            _link(trainer, self._newest[1], self.last_model_path)
        else:
            self._save(trainer, self.last_model_path)
        self._remove(trainer, previous, self.last_model_path)
        self._last_written_after = trainer.global_step

    def _save_best(self, trainer: Trainer) -> None:
        if not self._validated or self.monitor is None or self.save_top_k == 0:
            return
        self._validated = False
        evaluations = [each for each in callbacks_of(trainer) if isinstance(each, GenerativeEvaluation)]
        if any(evaluation.leaves_out(self.monitor, trainer) for evaluation in evaluations):
            return  # a number of an earlier round, or none yet
        value = self._logged(trainer).get(self.monitor)
        if value is not None:
            score = self._parzen_score(trainer)
            # By all ranks together: the look at the value is, too.
            if score is None or trainer.strategy.reduce_boolean_decision(self._best_score.is_beaten_by(score)):
                self._keep_if_among_best(trainer, value)
        elif self.monitor != USUAL_MONITOR:
            raise UserError(
                f"checkpoint.monitor = {self.monitor!r} is not logged: expected one of "
                f"{', '.join(sorted(map(str, trainer.callback_metrics)))}, or null to keep no best checkpoint."
            )

    def _parzen_score(self, trainer: Trainer) -> ParzenScore | None:
        """The score with its rows, where the one best checkpoint is chosen by it."""
        if self.monitor != USUAL_MONITOR or self.save_top_k != 1 or self.mode != "min":
            return None
        scores = [each.score for each in callbacks_of(trainer) if isinstance(each, ParzenEvaluation)]
        return scores[0] if len(scores) == 1 else None

    def _keep_if_among_best(self, trainer: Trainer, value: Tensor) -> None:
        best, worst = (min, max) if self.mode == "min" else (max, min)
        beaten = ""
        if len(self.best_k_models) == self.save_top_k:
            beaten = worst(self.best_k_models, key=lambda path: float(self.best_k_models[path]))
            kept = self.best_k_models[beaten].to(value.device)
            better = bool(value < kept if self.mode == "min" else value > kept)
            if not trainer.strategy.reduce_boolean_decision(better):
                return
            del self.best_k_models[beaten]
        if value.isnan():
            value = torch.full_like(value, torch.inf if self.mode == "min" else -torch.inf)
        path = self._new_path(trainer, self.filename, replaces=beaten)
        self.current_score = self.best_k_models[path] = value
        self.best_model_path = best(self.best_k_models, key=lambda path: float(self.best_k_models[path]))
        self.best_model_score = self.best_k_models[self.best_model_path]
        self._save(trainer, path)
        self._remove(trainer, beaten, path)

    # -- Files ------------------------------------------------------------------------------------------------------

    def _save(self, trainer: Trainer, path: str) -> None:
        check_numbers(trainer)
        trainer.save_checkpoint(path, self.save_weights_only)
        self._newest = trainer.global_step, path
        if self.verbose and trainer.is_global_zero:
            print(f"lit-gan: round {trainer.global_step}: wrote {path}")  # noqa: T201 -- asked for
        for logger in trainer.loggers if trainer.is_global_zero else ():
            logger.after_save_checkpoint(weakref.proxy(self))

    def _remove(self, trainer: Trainer, path: str, successor: str) -> None:
        """Nothing that another run's folder holds, nor what this training goes on from."""
        resumed_from = None if trainer.ckpt_path is None else _absolute(trainer.ckpt_path)
        if path and path not in (successor, resumed_from) and _is_inside(path, str(self.dirpath)):
            trainer.strategy.remove_checkpoint(path)

    def _new_path(self, trainer: Trainer, name: str, replaces: str = "") -> str:
        """A file of this name; of the next version, where there is one that is not to be replaced."""
        stem = self._filled_in(name, self._logged(trainer))
        path, version = f"{self.dirpath}/{stem}{_SUFFIX}", 0
        while self.enable_version_counter and path != replaces and self._exists(trainer, path):
            version += 1
            path = f"{self.dirpath}/{stem}-v{version}{_SUFFIX}"
        return path

    def _exists(self, trainer: Trainer, path: str) -> bool:
        """Whether rank 0 has such a file, on every rank."""
        here = bool(trainer.is_global_zero and get_filesystem(path).exists(path))
        return trainer.strategy.reduce_boolean_decision(here, all=False)

    def _filled_in(self, name: str, logged: Mapping[str, Tensor]) -> str:
        """The name with numbers in the place of braces; a slash in what is logged makes no folder."""

        def number(group: re.Match[str]) -> str:
            shown = format(logged.get(group[1], torch.tensor(0)), group[2])
            return f"{group[1].replace('/', '_')}={shown}" if self.auto_insert_metric_name else shown

        return re.sub(r"\{([^:}]*):?([^}]*)\}", number, name)

    def _logged(self, trainer: Trainer) -> dict[str, Tensor]:
        position = {"epoch": torch.tensor(trainer.current_epoch), "step": torch.tensor(trainer.global_step)}
        return {**trainer.callback_metrics, **position}


def _absolute(path: Any) -> str | None:
    """As a whole path of this machine; an address stays as it is."""
    if path is None or "://" in str(path):
        return path if path is None else str(path)
    return os.path.realpath(Path(path).expanduser())


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(folder) if "://" in path else Path(folder).absolute() in Path(path).absolute().parents


def _usual_folder(trainer: Trainer) -> str:
    """Where ModelCheckpoint writes, too."""
    if not trainer.loggers:
        return os.path.join(trainer.default_root_dir, "checkpoints")
    logger = trainer.loggers[0]
    version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
    return os.path.join(logger.save_dir or trainer.default_root_dir, str(logger.name), version, "checkpoints")


def _link(trainer: Trainer, path: str, link: str) -> None:
    """A link to it in the same folder; a copy, where the file system knows no links."""
    if trainer.is_global_zero:
        Path(link).unlink(missing_ok=True)
        try:
            Path(link).symlink_to(os.path.relpath(path, Path(link).parent))
        except OSError:
            shutil.copy(path, link)
    trainer.strategy.barrier()


def _moved(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The state with its paths in ``folder``, where its best checkpoints, if there are any yet, lie there now."""
    best = {str(folder / Path(path).name): score for path, score in state["best_k_models"].items()}
    kept = [*best, state["best_model_path"]]  # without a monitor there is this one alone
    if not all((folder / Path(path).name).is_file() for path in kept if path):
        return state
    paths = {name: str(folder / Path(path).name) for name, path in state.items() if name.endswith("_path") and path}
    return {**state, **paths, "best_k_models": best, "dirpath": str(folder)}
