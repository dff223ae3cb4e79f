"""What a Trainer is given to make a run of what it trains: loggers, callbacks, plugins, the strategy."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelSummary, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import CheckpointIO

from lit_gan.callbacks.diagnosis import Diagnosis
from lit_gan.callbacks.graceful_stop import GracefulStop, StopBetweenRounds
from lit_gan.callbacks.last_round import LastRound
from lit_gan.callbacks.metrics_rows import RowsAfterCheckpoint
from lit_gan.callbacks.numeric_guard import NumericGuard
from lit_gan.callbacks.pictures import PictureCallback
from lit_gan.callbacks.player_monitor import PlayerMonitor
from lit_gan.callbacks.progress import LossProgressBar, PlayerSummary
from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.callbacks.stop_signals import StopSignals
from lit_gan.callbacks.throughput import Throughput
from lit_gan.callbacks.training_film import TrainingFilm
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.tensorboard import tensorboard_logger
from lit_gan.loggers.wandb.choice import with_wandb, without_wandb
from lit_gan.loggers.wandb.mode import WandbMode
from lit_gan.runs.checkpoint_io import AtomicCheckpointIO
from lit_gan.session.devices import allocated_devices, chosen_strategy
from lit_gan.session.ending import time_limit
from lit_gan.strategies.lightning_seam import has_own_checkpoint_io

_WATCHING_TRAINING = (PlayerMonitor, Throughput, NumericGuard, LastRound, Diagnosis)


def trainer_arguments(
    given: Mapping[str, Any],
    folder: Path | None,
    loggers: Sequence[Logger],
    watching: Sequence[Callback] = (),
    *,
    checkpoint: RunCheckpoint | None = None,
    signals: StopSignals | None = None,
) -> dict[str, Any]:
    """The arguments of a Trainer, with what makes a run of it beside what is asked for."""
    given = {**given, **allocated_devices(given, os.environ)}
    callbacks = callback_list(given)
    has_bar = given.get("enable_progress_bar") is False or _has(callbacks, ProgressBar)
    has_table = given.get("enable_model_summary") is False or _has(callbacks, ModelSummary)
    own: list[Callback] = [*([] if has_bar else [LossProgressBar()]), *([] if has_table else [PlayerSummary()])]
    own += [RowsAfterCheckpoint(), *watching]
    if signals is not None:
        limit, callbacks = time_limit(given.get("max_time"), callbacks)
        keeps = given.get("enable_checkpointing") is not False
        own += [each() for each in _WATCHING_TRAINING if not _has(callbacks, each)]
        own += [checkpoint] if keeps and checkpoint is not None else []
        own += [] if _has(callbacks, StopBetweenRounds) else [GracefulStop() if keeps else StopBetweenRounds()]
        for stop in (each for each in (*callbacks, *own) if isinstance(each, StopBetweenRounds)):
            stop.serve(signals, limit)
    if folder is not None:
        place([*own, *(each for each in callbacks if isinstance(each, TrainingFilm))], folder)
        given["default_root_dir"] = str(folder)
    given |= _without_time(given)
    given |= {"logger": list(loggers) or False, "callbacks": [*callbacks, *own]}
    return {**given, "strategy": chosen_strategy(given), "plugins": _plugins(given)}


def place(callbacks: Sequence[Callback], folder: Path) -> None:
    """Gives what writes files, and was not told where, its place in the run folder, which goes on from the last."""
    for callback in callbacks:
        if isinstance(callback, PictureCallback) and callback.folder is None:
            callback.folder = str(folder / "samples")
        if isinstance(callback, TrainingFilm) and callback.folder is None:
            callback.folder = str(folder / "film")
        if isinstance(callback, Diagnosis) and callback.folder is None:
            callback.folder = str(folder)
        if isinstance(callback, RunCheckpoint) and callback.dirpath is None:
            callback.dirpath = str(folder / "checkpoints")
            callback.save_last = True if callback.save_last is None else callback.save_last


def run_loggers(
    given: Any,
    folder: Path,
    config: Mapping[str, Any],
    signals: StopSignals,
    *,
    wandb: WandbMode | None,
    tensorboard: bool = False,
    wandb_checkpoints: bool = False,
) -> list[Logger]:
    """The loggers of a run: ``metrics.csv``, W&B's unless it is off, the user's own, TensorBoard's where wanted."""
    csv, stop = CSVMetrics(folder), signals.stop_by_tracker
    own = with_wandb(_loggers(given), folder, wandb, config, stop, csv=csv, checkpoints=wandb_checkpoints)
    return [csv, *own, *([tensorboard_logger(folder)] if tensorboard else [])]


def folder_loggers(given: Any, folder: Path) -> list[Logger]:
    """The loggers of an evaluation in a run folder: W&B's would begin a run of its own, beside the one there is."""
    return [CSVMetrics(folder), *without_wandb(_loggers(given))]


def callback_list(given: Mapping[str, Any]) -> list[Callback]:
    """The callbacks that a Trainer is asked to have, of which one may come without a list."""
    callbacks = given.get("callbacks") or []
    return callbacks if isinstance(callbacks, list) else [callbacks]


def _loggers(given: Any) -> list[Logger]:
    if given is None or isinstance(given, bool):
        return []
    return given if isinstance(given, list) else [given]


def _has(callbacks: Sequence[Callback], kind: type) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)


def _without_time(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the Trainer is told in place of its ``max_time``, which is ours: see `time_limit`."""
    if given.get("max_time") is None:
        return {}
    endless = given.get("max_epochs") is None and given.get("max_steps", -1) == -1  # as Lightning then has it
    return {"max_time": None, **({"max_epochs": -1} if endless else {})}


def _plugins(given: Mapping[str, Any]) -> list[Any]:
    """The user's plugins, and ours that writes checkpoints where they bring none."""
    plugins = given.get("plugins") or []
    plugins = plugins if isinstance(plugins, list) else [plugins]
    brought = any(isinstance(plugin, CheckpointIO) for plugin in plugins)
    brought = brought or has_own_checkpoint_io(given.get("strategy"))
    return plugins if brought else [*plugins, AtomicCheckpointIO()]
