"""A run at Weights & Biases: the same rows and pictures as in its folder, each once, however often it was resumed."""

import math
import shlex
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.fabric.utilities.logger import _add_prefix
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.errors import PREEMPTED
from lit_gan.loggers.wandb.checkpoints import forget_checkpoints, log_checkpoints
from lit_gan.loggers.wandb.history import picture_file, rows_of
from lit_gan.loggers.wandb.identity import keep_run_id
from lit_gan.loggers.wandb.pieces import STEP, delivered_round, mark_whole, pieces_of, send_media_again, set_aside
from lit_gan.loggers.wandb.session import begin_run, finish_run, session_settings, shut_down
from lit_gan.runs.shown_path import shown

if TYPE_CHECKING:
    from wandb import Run

_BEST = {"val/parzen_nll": min}  # what the summary has the best of, too, under best/...


class RunAtWandb(WandbLogger):
    """Lightning's WandbLogger for a run that has a folder, which is where everything of it is.

    What is logged for a round is one row, sent when the next one begins. W&B's own step is the index of the round. A
    run that is resumed begins with what the folder has and W&B lacks (a process that was killed has lost up to fifteen
    seconds of it) and leaves out what W&B has and training repeats. Where the server cannot be reached, or W&B's
    service is lost, the run goes on offline; nothing that W&B does ends the training.

    Args:
        folder: The run folder.
        on_stop: Called, in a thread of W&B's, when the run is to be stopped from its page.
        checkpoints: Whether the last and the best checkpoint become versions of an artifact at the end.
        **kwargs: As WandbLogger's.
    """

    def __init__(
        self,
        folder: Path,
        on_stop: Callable[[], None] | None = None,
        *,
        checkpoints: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Lightning 2.6 always passes it, and W&B warns of it in every run.
        self._wandb_init.pop("anonymous", None)
        self._wandb_init["settings"] = _settings(self._wandb_init.get("settings"), on_stop)
        self._folder = folder
        self._log_checkpoints = checkpoints
        self._best_checkpoint, self._last_checkpoint = "", ""
        self._best: dict[str, float] = {}
        self._row: dict[str, Any] = {}
        self._row_step = -1
        self._known = -1  # the last round that W&B had when this session began
        self._sent = -1
        self._earlier: list[Path] = []  # the pieces of earlier sessions
        self._is_up_to_date = False

    # -- What Lightning calls ---------------------------------------------------------------------------------------

    @property
    @rank_zero_experiment
    def experiment(self) -> "Run":
        """The run at W&B, begun with the first use."""
        if self._experiment is None:
            self._begin()
        return self._experiment  # type: ignore[return-value]

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Puts values into the row of a round.

        Args:
            metrics: Numbers or W&B's media, by name.
            step: The index of the round; None means the newest row. What comes late stands in the newest, too.
        """
        if step is not None and step > self._row_step:
            self._send_row()
            self._row_step = step
        self._row.update(metrics)

    @rank_zero_only
    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        """Puts images into the row of the last of some rounds.

        Args:
            key: Their name.
            images: Tensors, arrays, pictures or files.
            step: How many rounds there have been.
            **kwargs: As WandbLogger's.
        """
        row = None if step is None else max(step - 1, 0)
        is_one = step is not None and len(images) == 1 and not kwargs
        file = picture_file(self._folder, key, step or 0) if is_one else None
        if file is None:
            super().log_image(key, images, row, **kwargs)
        else:
            self.log_metrics({key: file}, row)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Adds hyper-parameters to the run's configuration.

        Args:
            params: As WandbLogger's.
        """
        log_hyperparams = super().log_hyperparams
        self._safely(lambda: log_hyperparams(params))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Remembers which is the last and which the best.

        Args:
            checkpoint_callback: Which has written one.
        """
        self._best_checkpoint = checkpoint_callback.best_model_path
        self._last_checkpoint = checkpoint_callback.last_model_path
        checkpoint_logged = super().after_save_checkpoint
        self._safely(lambda: checkpoint_logged(checkpoint_callback))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Sends the last row; not one that an error has left without its numbers.

        Args:
            status: How training ended.
        """
        if status == "success" or "epoch" in self._row:
            self._send_row()
        finalize = super().finalize
        self._safely(lambda: finalize(status))

    # -- The life of a run ------------------------------------------------------------------------------------------

    @rank_zero_only
    def begin(self) -> None:
        """Begins the run, at the server or in its folder.

        Raises:
            UserError: If the server is asked for, and does not accept the API key, or there is none.
        """
        _ = self.experiment

    @rank_zero_only
    def close(self, *, exit_code: int) -> None:
        """Ends the run; afterwards everything is at the server, or told how it gets there.

        Args:
            exit_code: 0 is well, ``PREEMPTED`` (75) that it will be gone on with (W&B gives a trial of a sweep to the
                next agent that asks), any other a failure.
        """
        if self._experiment is None or self._experiment.disabled:
            return
        if self._log_checkpoints and exit_code in (0, PREEMPTED):
            last, best = (Path(path) if path else None for path in (self._last_checkpoint, self._best_checkpoint))
            self._safely(lambda: log_checkpoints(self.experiment, self._wandb_folder, last, best))
        self._safely(self._bring_up_to_date)
        run = self.experiment
        if exit_code == PREEMPTED and not run.offline:
            self._safely(run.mark_preempting)
        # A piece is uploaded when its run may long have gone on: what it ended with then is that it ended well.
        fault = finish_run(run, 0 if run.offline and exit_code == PREEMPTED else exit_code)
        self._experiment = None
        if run.disabled:  # lost, and not even begun again
            return
        piece = Path(run.settings.sync_dir)
        if fault is None:
            mark_whole(piece, max(self._known, self._sent))
            if not run.offline:
                forget_checkpoints(self._wandb_folder)
        else:
            option = "" if run.offline else "--include-online "
            warnings.warn(
                f"W&B has not got all of this run ({fault}); everything is in its folder, and is uploaded by: "
                f"wandb sync {option}{shlex.quote(shown(piece))}",
                stacklevel=2,
            )

    def _begin(self) -> None:
        used = self._wandb_init["id"]
        self._earlier = pieces_of(self._wandb_folder, used)
        run = self._experiment = begin_run(self._wandb_init, offline=self._offline)
        with suppress(OSError):  # a full disk: the run goes on all the same
            keep_run_id(self._folder, used)
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        self._known = delivered_round(self._earlier) if run.offline else self._known_at_the_server(run)
        self._is_up_to_date = False

    def _known_at_the_server(self, run: "Run") -> int:
        """The last round that the server has of this folder's run; nothing that another one logged counts as ours."""
        known = _last_round(run)
        if known < 0 or self._earlier or rows_of(self._folder):
            return known
        warnings.warn(
            f"W&B has a run {run.id} already, and nothing of it is in {shown(self._folder)}: what is logged here is "
            "added to it.",
            stacklevel=2,
        )
        return -1

    def _bring_up_to_date(self, before: int | None = None) -> None:
        """Sends what the folder has and W&B lacks; once, and not before the folder has been put right."""
        run = self.experiment
        if self._is_up_to_date or run.disabled:
            return
        self._is_up_to_date = True
        if not run.offline:
            send_media_again(run, self._earlier)
        for step, row in rows_of(self._folder, before).items():
            self._send(run, step, row)
        set_aside(self._earlier)

    def _send_row(self) -> None:
        step, row = self._row_step, self._row
        self._row = {}

        def send() -> None:
            self._bring_up_to_date(step)
            self._send(self.experiment, step, row)

        if row:
            self._safely(send)

    def _send(self, run: "Run", step: int, row: Mapping[str, Any]) -> None:
        if run.disabled:
            return
        if step > self._known:
            # Pictures are made of their files only here: W&B moves each into the one run that it was sent to.
            shown: dict[str, Any] = {
                name: _pictures(value) if isinstance(value, Path) else value for name, value in row.items()
            }
            # Where somebody else has logged to the run, W&B's step is ahead of the rounds, and must not go back.
            run.log({**self._named(shown), STEP: step}, step=max(step, run._local_step), commit=True)  # noqa: SLF001
            self._sent = step
        else:
            self._complete_summary(run, self._named(row))
        for name, better in _BEST.items():
            value = row.get(name)
            if isinstance(value, float) and math.isfinite(value):
                self._best[name] = better(value, self._best.get(name, value))
                run.summary.update(self._named({f"best/{name}": self._best[name]}))

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under their names at W&B: behind the prefix that the user's own logger was given."""
        return dict(_add_prefix(values, self._prefix, self.LOGGER_JOIN_CHAR))

    @staticmethod
    def _complete_summary(run: "Run", row: Mapping[str, Any]) -> None:
        """Puts numbers of a round that W&B has into the summary: a piece's is uploaded in place of the whole run's."""
        known = run.summary.keys()  # type: ignore[no-untyped-call]
        numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
        run.summary.update({name: value for name, value in numbers.items() if run.offline or name not in known})

    def _safely(self, action: Callable[[], None]) -> None:
        """Does something with the run; where W&B's service is lost over it, in a run that begins again, offline."""
        try:
            action()
        except Exception as error:  # whatever goes wrong at W&B
            warnings.warn(f"W&B is lost ({error or type(error).__name__}): the run goes on offline.", stacklevel=2)
            shut_down()
            self._offline, self._experiment = True, None
            self._begin()
            try:
                action()
            except Exception as again:
                warnings.warn(f"W&B does not take what is logged ({again or type(again).__name__}).", stacklevel=2)

    @property
    def _wandb_folder(self) -> Path:
        return Path(self._wandb_init["dir"], "wandb")


def _settings(given: Any, on_stop: Callable[[], None] | None) -> Any:
    """Ours, with what the user has said himself."""
    import wandb  # two seconds of imports that a run without W&B need not pay  # noqa: PLC0415

    def stop() -> None:
        # W&B copies its settings deeply: a function is copied as it is, a method with all that its object holds.
        if on_stop is not None:
            on_stop()

    settings = wandb.Settings(**session_settings(), stop_fn=stop)
    if isinstance(given, wandb.Settings):
        settings.update_from_settings(given)
    elif given:
        settings.update_from_dict(dict(given))
    return settings


def _last_round(run: "Run") -> int:
    """The last round that the server has of a run that was resumed; -1 of a new one."""
    known = run.summary.get(STEP) if run.resumed else None  # type: ignore[no-untyped-call]
    return int(known) if isinstance(known, (int, float)) else -1


def _pictures(file: Path) -> list[Any]:
    import wandb  # as above  # noqa: PLC0415

    return [wandb.Image(str(file))]
