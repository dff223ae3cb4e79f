"""A run at Weights & Biases: the same rows and pictures as in its folder, each once, however often it was resumed."""

import math
import shlex
import sys
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat, cast

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.errors import PREEMPTED
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.wandb.checkpoints import forget_checkpoints, log_checkpoints
from lit_gan.loggers.wandb.history import picture_file, rows_of
from lit_gan.loggers.wandb.identity import keep_run_id
from lit_gan.loggers.wandb.pieces import STEP, Pieces
from lit_gan.loggers.wandb.session import begin_run, finish_run, run_settings, shut_down
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.relative_path import relative_to_cwd

if TYPE_CHECKING:
    from wandb import Run

_BEST = {"val/parzen_nll": min}  # what the summary has the best of, too, under best/...


class RunAtWandb(Logger):
    """What Lightning's ``WandbLogger`` is, for a run that has a folder, which is where everything of it is.

    What is logged for a round is one row, sent when the next one begins. W&B's own step is the index of the round. A
    run that is resumed begins with what the folder has and W&B lacks (a process that was killed has lost up to fifteen
    seconds of it) and leaves out what W&B has and training repeats. Where the server cannot be reached, or W&B's
    service is lost, the run goes on offline; nothing that W&B does ends the training.

    Offline nothing of W&B's is even imported while the run trains: its piece of the W&B run is written from the folder
    at the end. Only where something else is logged (by :attr:`experiment`, ``log_table``, ...), or by a module that has
    imported ``wandb``, does W&B's run begin at once.

    Args:
        csv: The logger of the same run folder, which knows what is in there.
        init: Arguments of ``wandb.init``.
        offline: Whether the server is left alone.
        live: Whether W&B's run begins at once offline, too.
        on_stop: Called, in a thread of W&B's, when the run is to be stopped from its page.
        checkpoints: Whether the last and the best checkpoint become versions of an artifact at the end.
        prefix: What stands before the names of numbers at W&B.
        **lightnings: How Lightning's logger uploads checkpoints.
    """

    LOGGER_JOIN_CHAR = WandbLogger.LOGGER_JOIN_CHAR

    def __init__(
        self,
        csv: CSVMetrics,
        init: Mapping[str, Any],
        *,
        offline: bool,
        live: bool = False,
        on_stop: Callable[[], None] | None = None,
        checkpoints: bool = False,
        prefix: str = "",
        **lightnings: Any,
    ) -> None:
        super().__init__()
        self.init, self.offline, self.prefix = dict(init), offline, prefix
        self._csv = csv
        self._folder = Path(csv.save_dir)
        self._live = live
        self._on_stop = on_stop
        self._log_checkpoints = checkpoints
        self._how_lightning_does = lightnings
        self._lightnings: WandbLogger | None = None  # of the present run
        self._pieces = Pieces(Path(self.init["dir"], "wandb"), self.init["id"])
        self._run: Run | None = None
        self._hyperparams: list[dict[str, Any] | Namespace] = []
        self._best_checkpoint, self._last_checkpoint = "", ""
        self._best: dict[str, float] = {}
        self._row: dict[str, Any] = {}
        self._row_step = -1
        self._held: dict[int, float] = {}  # when the rows were logged that are to be sent from the folder
        self._known = -1  # the last round that W&B had when this session began
        self._sent = -1
        self._is_up_to_date = False

    # -- What Lightning calls ---------------------------------------------------------------------------------------

    @property
    @rank_zero_experiment
    def experiment(self) -> "Run":
        """The run at W&B; Lightning itself fetches it, so where it waits, it begins with the first use of this."""
        return cast("Run", _FirstUse(self.begun)) if self._waits else self.begun()

    @property
    def name(self) -> str | None:
        """The project, as Lightning has it."""
        return self.init.get("project")

    @property
    def version(self) -> str:
        """The id of the run."""
        return str(self.init["id"])

    @property
    def save_dir(self) -> str:
        """Where the folder of W&B's files is."""
        return str(self.init["dir"])

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Puts values into the row of a round, by its index; what has none, or comes late, into the newest."""
        if step is not None and step > self._row_step:
            self._send_row()
            self._row_step = step
        self._row.update(metrics)

    @rank_zero_only
    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        """Puts images into the row of the last of so many rounds."""
        row = None if step is None else max(step - 1, 0)
        is_one = step is not None and len(images) == 1 and not kwargs
        file = picture_file(self._folder, key, step or 0) if is_one else None
        if file is None:
            self._lightning().log_image(key, images, row, **kwargs)
        else:
            self.log_metrics({key: file}, row)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Adds hyper-parameters to the run's configuration."""
        if self._waits:
            self._hyperparams.append(params)
        else:
            self._safely(lambda: self._lightning().log_hyperparams(params))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Remembers which is the last and which the best."""
        self._best_checkpoint = checkpoint_callback.best_model_path
        self._last_checkpoint = checkpoint_callback.last_model_path
        if not self._waits:
            self._safely(lambda: self._lightning().after_save_checkpoint(checkpoint_callback))

    @rank_zero_only
    def goes_on_after(self, rounds: int) -> None:
        """Sends what the folder has of so many rounds and W&B lacks; what W&B has of later ones is not sent again."""
        if not self._waits:
            self._safely(lambda: self._bring_up_to_date(rounds))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Sends the last row; not one that an error has left without its numbers."""
        if status == "success" or "epoch" in self._row:
            self._send_row()
        if not self._waits:
            self._safely(lambda: self._lightning().finalize(status))

    def __getattr__(self, name: str) -> Any:
        """What else Lightning's logger does, and begins the run by: ``watch``, ``log_table``, ``log_video``, ..."""
        if name.startswith("_") or not callable(getattr(WandbLogger, name, None)):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

        @rank_zero_only
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._lightning(), name)(*args, **kwargs)

        return call

    # -- The life of a run ------------------------------------------------------------------------------------------

    @rank_zero_only
    def begin(self) -> None:
        """Begins the run. Offline it waits, unless it is to be live, or an imported module may use W&B itself."""
        self._live |= "wandb" in sys.modules
        if not self._waits:
            self.begun()

    @property
    def _waits(self) -> bool:
        """Whether there is no run yet, and none is needed before the end."""
        return self._run is None and self.offline and not self._live

    def begun(self) -> "Run":
        """The run, which has begun."""
        if self._run is None:
            self._begin()
            while self._hyperparams:
                self.log_hyperparams(self._hyperparams.pop(0))
            if self._held:  # the folder first: W&B's step only grows
                self._safely(lambda: self._bring_up_to_date(self._sent + 1))
        return cast("Run", self._run)

    @rank_zero_only
    def close(self, *, exit_code: int) -> None:
        """Ends the run; afterwards everything is at the server, or told how it gets there."""
        if self._run is None and not self._held:  # nothing was logged
            return
        if self.begun().disabled:
            return
        # Offline one that goes on by itself will bring newer ones.
        if self._log_checkpoints and exit_code in ((0,) if self.offline else (0, PREEMPTED)):
            last, best = (Path(path) if path else None for path in (self._last_checkpoint, self._best_checkpoint))
            self._safely(lambda: log_checkpoints(self.begun(), self._pieces.folder, last, best))
        self._safely(self._bring_up_to_date)
        self._safely(self._log_report)
        run = self.begun()
        if exit_code == PREEMPTED and not run.offline:
            self._safely(run.mark_preempting)
        # A piece is uploaded when its run may long have gone on: what it ended with then is that it ended well.
        fault = finish_run(run, 0 if run.offline and exit_code == PREEMPTED else exit_code)
        self._run = None
        if not run.disabled:  # else lost, and not even begun again
            self._keep_piece(run, fault)

    def _log_report(self) -> None:
        """The page that a training leaves, as it is in the folder."""
        file = RunLayout(self._folder).report
        if file.is_file() and not self.begun().disabled:
            import wandb  # as in `_pictures`  # noqa: PLC0415

            page = wandb.Html(str(file), inject=False)
            self.begun().log({**self._prefixed({"report": page}), STEP: self._sent})

    def write_copy(self) -> bool:
        """Writes what the folder has and no piece of the run: of one that was killed. Says whether there was any."""
        whole = [step for step, row in rows_of(self._folder).items() if "epoch" in row]
        self._pieces.look()
        last = max(whole, default=-1)
        if last <= self._pieces.last_round():
            return False
        self._held, self._sent = {last: time.time()}, last
        self.close(exit_code=1)
        return True

    def _keep_piece(self, run: "Run", fault: str | None) -> None:
        piece = Path(run.settings.sync_dir)
        if run.offline and fault is not None:
            warnings.warn(
                f"W&B's copy of this run could not be written ({fault}); everything is in its folder, and is written "
                "for W&B when it goes on.",
                stacklevel=3,
            )
            return
        self._pieces.keep(piece, max(self._known, self._sent), delivered=fault is None)
        if fault is not None:
            warnings.warn(
                f"W&B has not got all of this run ({fault}); everything is in its folder, and is uploaded by: "
                f"wandb sync --include-online {shlex.quote(relative_to_cwd(piece))}",
                stacklevel=3,
            )
        elif not run.offline:
            forget_checkpoints(self._pieces.folder)

    def _begin(self) -> None:
        self._pieces.look()
        arguments = {**self.init, "settings": run_settings(self.init.get("settings"), self._on_stop)}
        self._run = run = begin_run(arguments, offline=self.offline, stage=self._pieces.stage)
        self._lightnings = None
        self.offline |= run.offline
        with suppress(OSError):  # a full disk: the run goes on all the same
            keep_run_id(self._folder, self.init["id"])
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        self._known = self._pieces.last_round() if run.offline else self._known_at_the_server(run)
        self._is_up_to_date = False

    def _lightning(self) -> WandbLogger:
        """Lightning's own logger, for all that is no row of numbers."""
        run = self.begun()
        if self._lightnings is None:
            self._lightnings = _LightningsOwn(self.log_metrics, experiment=run, **self._how_lightning_does)
        return self._lightnings

    def _known_at_the_server(self, run: "Run") -> int:
        """The last round that the server has of this folder's run; nothing that another one logged counts as ours."""
        known = _last_round(run)
        if known < 0 or self._pieces.earlier or rows_of(self._folder):
            return known
        warnings.warn(
            f"W&B has a run {run.id} already, and nothing of it is in {relative_to_cwd(self._folder)}: what is logged "
            "here is added to it.",
            stacklevel=2,
        )
        return -1

    def _bring_up_to_date(self, before: int | None = None) -> None:
        """Sends what the folder has and W&B lacks; once, and not before the folder has been put right."""
        run = self.begun()
        if self._is_up_to_date or run.disabled:
            return
        self._is_up_to_date = True
        if not run.offline:
            self._pieces.send_media_again(run)
        with suppress(OSError):  # a full disk, which is the other logger's to tell
            self._csv.save()
        since = next(iter(self._held.values()), None)
        for step, row in rows_of(self._folder, before).items():
            self._send(run, step, row, at=self._held.get(step, since))
        self._held = {}
        self._pieces.set_aside(online=not run.offline)

    def _send_row(self) -> None:
        step, row = self._row_step, self._row
        self._row = {}

        def send() -> None:
            self._bring_up_to_date(step)
            self._send(self.begun(), step, row)

        if row and self._waits and all(self._is_in_the_folder(name, value) for name, value in row.items()):
            self._held[step], self._sent = time.time(), step
        elif row:
            self._safely(send)

    def _is_in_the_folder(self, name: str, value: Any) -> bool:
        return isinstance(value, Path) or (isinstance(value, SupportsFloat) and self._csv.has(name))

    def _send(self, run: "Run", step: int, row: Mapping[str, Any], at: float | None = None) -> None:
        """Sends the row of a round, which was logged at some time (seconds since 1970), else now."""
        if run.disabled:
            return
        if step > self._known:
            # Pictures are made of their files only here: W&B moves each into the one run that it was sent to.
            values: dict[str, Any] = {
                name: _pictures(value) if isinstance(value, Path) else value for name, value in row.items()
            }
            when = {} if at is None else {"_timestamp": at}
            # Where somebody else has logged to the run, W&B's step is ahead of the rounds, and must not go back. The
            # public `run.step` asks W&B's service, which costs as much as the row itself.
            now = max(step, run._local_step)  # noqa: SLF001
            run.log({**self._prefixed(values), STEP: step, **when}, step=now, commit=True)
            self._sent = max(self._sent, step)
        else:
            self._complete_summary(run, self._prefixed(row))
        for name, better in _BEST.items():
            value = row.get(name)
            if isinstance(value, float) and math.isfinite(value):
                self._best[name] = better(value, self._best.get(name, value))
                run.summary.update(self._prefixed({f"best/{name}": self._best[name]}))

    def _prefixed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under their names at W&B: behind the prefix that the user's own logger was given."""
        before = f"{self.prefix}{self.LOGGER_JOIN_CHAR}" if self.prefix else ""
        return {f"{before}{name}": value for name, value in values.items()}

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
            self.offline, self._live, self._run = True, True, None
            try:
                action()
            except Exception as again:
                warnings.warn(f"W&B does not take what is logged ({again or type(again).__name__}).", stacklevel=2)


# Whoever looks for Lightning's logger among a trainer's finds ours: it does all that Lightning's does.
WandbLogger.register(RunAtWandb)


class _LightningsOwn(WandbLogger):
    """Lightning's logger of a run that has begun, for all but rows, which it gives to ours."""

    def __init__(self, log_metrics: Callable[[Mapping[str, Any], int | None], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._to_ours = log_metrics

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self._to_ours(metrics, step)


class _FirstUse:
    """Stands for a run that begins when something is asked of it."""

    def __init__(self, begun: Callable[[], "Run"]) -> None:
        object.__setattr__(self, "_begun", begun)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._begun(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._begun(), name, value)


def _last_round(run: "Run") -> int:
    """The last round that the server has of a run that was resumed; -1 of a new one."""
    known = run.summary.get(STEP) if run.resumed else None  # type: ignore[no-untyped-call]
    return int(known) if isinstance(known, (int, float)) else -1


def _pictures(file: Path) -> list[Any]:
    import wandb  # two seconds of imports that a run without W&B need not pay  # noqa: PLC0415

    return [wandb.Image(str(file))]
