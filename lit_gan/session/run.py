"""`Run`: what makes a training safe on the command line, from Python, for any LightningModule."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from lit_gan.callbacks.graceful_stop import StopBetweenRounds
from lit_gan.callbacks.run_checkpoint import USUAL_MONITOR, RunCheckpoint
from lit_gan.callbacks.stop_signals import StopSignals
from lit_gan.errors import DONE, RunStopped, UserError, in_short
from lit_gan.launch.ranks import is_rank_zero
from lit_gan.loggers.wandb.choice import without_wandb
from lit_gan.loggers.wandb.mode import WandbMode
from lit_gan.runs.checkpoint_files import best_checkpoints, newest_checkpoint, resolve_checkpoint
from lit_gan.runs.layout import RunLayout
from lit_gan.session.course import evaluate, train
from lit_gan.session.identity import python_configuration
from lit_gan.session.parts import callback_list, folder_loggers, place, run_loggers, trainer_arguments
from lit_gan.session.recording import Recording

# What the run folder says in the words of the command, in those of Python.
_IN_PYTHON = (
    (r"--run_dir (?=/)(\S+)", r'Run("\1")'),
    (r"--run_dir(?: PATH)?", "Run(PATH)"),
    (r" with --resume never", " in another Run(PATH)"),
)


class Run(RunLayout):
    """A run folder, and Trainers that train into it as ``lit-gan fit --run_dir`` does.

    The same script started again goes on where it stopped; one that asks for something else is refused. What it asks
    for is told by the seed of ``seed_everything``, the arguments of :meth:`trainer` and of the objects among them, the
    module's and the data's hyper-parameters and constructor arguments, the module's layers and its players'
    optimisers. Where a run is written and how it is tracked does not count, nor what only the code of a method says.

    Args:
        path: The folder; it need not exist.
        wandb: ``"online"``, ``"offline"`` or ``"off"``; ``None``: what WANDB_MODE says, else offline.
        tensorboard: Whether ``tensorboard/`` in the folder gets the same numbers and pictures.
        wandb_checkpoints: Whether the last and the best checkpoint go to W&B at the end.
        report: Whether figures are drawn at the end, and ``report.html``, all of the run on one page, is written.

    Example:
        >>> import tempfile
        >>> from lit_gan import GAN
        >>> from lit_gan.data import DigitsDataModule
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     quiet = {"enable_progress_bar": False, "enable_model_summary": False}
        ...     trainer = Run(folder, wandb="off").trainer(max_steps=2, accelerator="cpu", **quiet)
        ...     trainer.fit(gan, DigitsDataModule())  # doctest: +ELLIPSIS
        lit-gan: finished 2 rounds in ... min (max_steps=2):
        ...
    """

    def __init__(
        self,
        path: Path | str,
        *,
        wandb: WandbMode | None = None,
        tensorboard: bool = False,
        wandb_checkpoints: bool = False,
        report: bool = True,
    ) -> None:
        super().__init__(path)
        self.writes_report = report
        self.tracking: dict[str, Any] = {
            "wandb": wandb,
            "tensorboard": tensorboard,
            "wandb_checkpoints": wandb_checkpoints,
        }

    def trainer(self, **kwargs: Any) -> "RunTrainer":
        """A Trainer whose runs are this one.

        Beside the callbacks, loggers, plugins and strategy that are given it has what a run needs: ``metrics.csv``,
        checkpoints that are whole or not there (:class:`RunCheckpoint`: one a minute, the last, and the best by
        ``val/parzen_nll`` where that is logged), :class:`NumericGuard`, :class:`GracefulStop`. One of your own takes
        the place of ours, ``RunCheckpoint(every_n_train_steps=1000)``, say.

        Args:
            **kwargs: Of Lightning's Trainer. ``devices`` is 1 unless given; on several the strategy is ``ddp_gan``
                unless given; ``max_time`` is the time of one start of the script.

        Raises:
            UserError: If ``devices`` is no number of devices.
        """
        return RunTrainer(self, {"devices": 1, **kwargs})


class RunTrainer(Trainer):
    """Lightning's Trainer, whose training is that of a run folder; made by :meth:`Run.trainer`.

    Args:
        run: The folder.
        given: The arguments of a Trainer.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     type(Run(folder).trainer(max_steps=2, accelerator="cpu", enable_progress_bar=False)).__name__
        'RunTrainer'
    """

    def __init__(self, run: Run, given: Mapping[str, Any]) -> None:
        callbacks = callback_list(given)
        place(callbacks, run.path)
        stops = (callback.signals for callback in callbacks if isinstance(callback, StopBetweenRounds))
        kept = any(isinstance(callback, RunCheckpoint) for callback in callbacks)
        self._run_folder, self._given, self._stop_signals = run, dict(given), next(stops, StopSignals())
        arguments = trainer_arguments(
            given,
            run.path,
            folder_loggers(given.get("logger"), run.path),
            checkpoint=None if kept else _usual_checkpoint(),
            signals=self._stop_signals,
        )
        super().__init__(**arguments)

    def fit(
        self,
        model: LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | Path | None = None,
        weights_only: bool | None = None,
    ) -> None:
        """Trains as Lightning's, and as `lit-gan fit`: in the run folder, from its newest checkpoint on.

        A run that has finished is not trained further: the module has its weights, then.

        Args:
            model: What is trained.
            train_dataloaders: As Lightning's.
            val_dataloaders: As Lightning's.
            datamodule: As Lightning's.
            ckpt_path: A checkpoint, or a run folder, where a new run starts from.
            weights_only: As Lightning's.

        Raises:
            RunStopped: If Ctrl-C, SIGTERM, the scheduler, the tracker or ``max_time`` stopped it; the checkpoint is
                written. A script that does not catch it ends with the exit code of `lit-gan fit`; a notebook goes on.
            RunError: If it cannot go on: the numbers are no longer finite, the disk is full.
            UserError: If the folder is in use, or holds a run that asks for something else, or something does not fit.
        """
        fit = partial(super().fit, model, train_dataloaders, val_dataloaders, datamodule, weights_only=weights_only)
        if self._given.get("fast_dev_run"):  # a trial of the code, which is to leave nothing
            fit(ckpt_path=ckpt_path)
            return
        checkpoint = None if ckpt_path is None else resolve_checkpoint(ckpt_path)
        start = {} if ckpt_path is None else {"ckpt_path": str(ckpt_path)}
        data = {"train_dataloaders": train_dataloaders, "val_dataloaders": val_dataloaders, "datamodule": datamodule}
        with self._heeding_signals():
            recording = self._recording(model, data, start)
            train(
                self,
                model,
                recording,
                self._stop_signals,
                lambda each: fit(ckpt_path=each),
                checkpoint=checkpoint,
                report=_none_is_shipped if self._run_folder.writes_report else None,
            )

    def validate(
        self,
        model: LightningModule | None = None,
        dataloaders: Any = None,
        ckpt_path: str | Path | None = None,
        verbose: bool = True,
        datamodule: LightningDataModule | None = None,
        weights_only: bool | None = None,
    ) -> list[Mapping[str, float]]:
        """As :meth:`test`, on the validation data."""
        further = {"verbose": verbose, "weights_only": weights_only}
        return self._evaluate("validate", super().validate, model, dataloaders, ckpt_path, datamodule, further)

    def test(
        self,
        model: LightningModule | None = None,
        dataloaders: Any = None,
        ckpt_path: str | Path | None = None,
        verbose: bool = True,
        datamodule: LightningDataModule | None = None,
        weights_only: bool | None = None,
    ) -> list[Mapping[str, float]]:
        """As Lightning's; the numbers go to the run's metrics, at the round of the weights.

        In a folder without a run the evaluation is a run of its own, of the module as it is.

        Args:
            model: What is tested; what was trained, if ``None``.
            dataloaders: As Lightning's.
            ckpt_path: Whose weights: a checkpoint, a run folder, ``"last"`` or ``"best"`` of this run, the best by the
                monitor of its :class:`RunCheckpoint`. If ``None`` those that this Trainer has trained, or else the
                run's last.
            verbose: As Lightning's.
            datamodule: As Lightning's.
            weights_only: As Lightning's.

        Returns:
            The numbers, for each loader.

        Raises:
            UserError: If there is no such checkpoint, or nothing says which is the best, or it does not fit.
        """
        further = {"verbose": verbose, "weights_only": weights_only}
        return self._evaluate("test", super().test, model, dataloaders, ckpt_path, datamodule, further)

    def _evaluate(
        self,
        verb: str,
        method: Callable[..., list[Mapping[str, float]]],
        model: LightningModule | None,
        dataloaders: Any,
        ckpt_path: str | Path | None,
        datamodule: LightningDataModule | None,
        further: dict[str, Any],
    ) -> list[Mapping[str, float]]:
        model = self.lightning_module if model is None else model
        evaluation = partial(method, model, dataloaders, datamodule=datamodule, **further)
        if self._given.get("fast_dev_run"):
            return evaluation(ckpt_path=ckpt_path)
        checkpoint, recording = self._checkpoint(ckpt_path), None
        if self._run_folder.status.is_file():
            self.loggers = without_wandb(self.loggers)  # they would begin a run there, beside the one that is evaluated
        else:
            data = {"dataloaders": dataloaders, "datamodule": datamodule}
            recording = self._recording(model, data, {"verb": verb})
        with self._heeding_signals():
            return evaluate(self, lambda: evaluation(ckpt_path=checkpoint), checkpoint, recording)

    def _checkpoint(self, asked: str | Path | None) -> Path | None:
        """Whose weights are evaluated; ``None``: those that the module has."""
        folder = self._run_folder.path / "checkpoints"
        if asked == "best":
            return self._best_in(folder)
        if asked is None or asked == "last":
            return None if asked is None and self.global_step else newest_checkpoint(folder)
        return resolve_checkpoint(asked)

    def _best_in(self, folder: Path) -> Path:
        kept = [each for each in self.checkpoint_callbacks if isinstance(each, RunCheckpoint) and each.monitor]
        found = best_checkpoints(folder, [each.best_model_path for each in kept])
        if not found:
            raise UserError(f'ckpt_path="best": {folder} holds none: expected "last", or the path of a checkpoint.')
        if len(found) > 1:
            names = in_short(", ".join(path.name for path in found))
            raise UserError(
                f'ckpt_path="best": {folder} holds {names}, and no checkpoint there says which of them is the best: '
                "expected the path of one."
            )
        return found[0]

    def _recording(self, module: Any, data: Mapping[str, Any], further: Mapping[str, Any]) -> Recording:
        """Takes the folder, and only then begins to track: nothing is written for a run that is refused."""
        run = self._run_folder
        config = {**python_configuration(self._given, module, data), **further}
        seed = config["seed_everything"]
        if seed is None:
            seed = getattr(module, "seed", torch.initial_seed())
        with _errors_in_python_terms():
            recording = Recording(run.path.name, config, seed, run_dir=run.path, starter="script")
        try:
            given = self._given.get("logger")
            self.loggers = run_loggers(given, run.path, config, self._stop_signals, **run.tracking)
        except BaseException:
            recording.take_back()
            raise
        return recording

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        """The signals are the script's again afterwards, which ends as the command does if it was stopped."""
        try:
            yield
        except RunStopped as stop:
            if hasattr(sys, "ps1"):  # a notebook, or a prompt
                raise
            raise ScriptStopped(stop) from stop
        finally:
            self._stop_signals.restore()
            self._stop_signals.flag = 0


def _none_is_shipped(name: str) -> None:
    """What a script asks for comes from no configuration."""


class ScriptStopped(RunStopped, SystemExit):
    """What ends a script whose training was stopped, without a traceback and with the exit code of `lit-gan fit`."""

    def __init__(self, stop: RunStopped) -> None:
        super().__init__(stop.reason, requeue=stop.requeue)
        # One rank speaks for all: the first bad exit code makes srun and torchrun end the others at once.
        self.code = stop.exit_code if is_rank_zero(os.environ) else DONE


def _usual_checkpoint() -> RunCheckpoint:
    """One a minute: epochs may be too short to write one after each."""
    return RunCheckpoint(
        monitor=USUAL_MONITOR,
        save_last=True,
        enable_version_counter=False,
        train_time_interval=timedelta(minutes=1),
    )


@contextmanager
def _errors_in_python_terms() -> Iterator[None]:
    """Within this context what the run folder says of the command's options is told of Python's."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for pattern, words in _IN_PYTHON:
            text = re.sub(pattern, words, text)
        raise type(error)(text) from None
