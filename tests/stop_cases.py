"""A small GAN that is stopped after a given round and goes on, and everything that it leaves."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from tiny_gan import trainer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lit_gan.callbacks import Diagnosis, GeneratorEMA, GracefulStop, NumericGuard, ParzenEvaluation, RunCheckpoint
from lit_gan.coordination import FixedSteps
from lit_gan.data.base import InMemoryDataModule
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import RunStopped
from lit_gan.gan import GAN
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.randomness import stream
from lit_gan.schedules import Schedule

#: Three rounds an epoch, twelve in all; and what Lightning counts otherwise in each.
WAYS: dict[str, dict[str, Any]] = {
    "epochs": {"max_epochs": 4},
    "rounds": {"max_steps": 11},
    "rare validation": {"max_epochs": 4, "check_val_every_n_epoch": 2},
    "validation in the middle": {"max_epochs": 4, "val_check_interval": 2},
    "validation by rounds": {"max_steps": 11, "check_val_every_n_epoch": None, "val_check_interval": 2},
    "no validation": {"max_epochs": 4, "limit_val_batches": 0},
}


class Noise(InMemoryDataModule):
    image_shape, num_classes, value_range = (1, 2, 2), 0, (0.0, 1.0)

    def load(self) -> dict[str, ImageDataset]:
        levels = torch.randint(256, (26, 1, 2, 2), dtype=torch.uint8, generator=stream(5, "noise"))
        rows = ImageDataset(levels, None, LinearScaling(255))
        return {"train": rows, "val": rows, "test": rows}


class DeathError(Exception):
    """The process is gone, and has saved nothing."""


class AskAfter(Callback):
    """Raises the flag when a round begins, as a signal in its middle would."""

    def __init__(self, signals: Any, rounds: int, *, dies: bool = False) -> None:
        self.signals, self.rounds, self.dies = signals, rounds, dies

    def on_train_batch_start(self, trainer: Any, *arguments: Any) -> None:
        if trainer.global_step + 1 == self.rounds:
            self.signals.flag = 2
            if self.dies:
                raise DeathError


def small_gan(k: int = 2) -> GAN:
    torch.manual_seed(0)
    plateau = Schedule(lambda optimizer: ReduceLROnPlateau(optimizer, patience=0, factor=0.9), "epoch", "train/loss_d")
    return GAN(
        MLPGenerator((1, 2, 2), 2, hidden=(4,), weight_init=0.5),
        MaxoutDiscriminator((1, 2, 2), hidden=(3,), weight_init=0.5),
        coordination=FixedSteps(k),
        optimizer_g=lambda parameters: torch.optim.Adam(parameters, lr=0.02),
        schedule_g=(Schedule(lambda optimizer: StepLR(optimizer, 2, 0.8)),),
        schedule_d=(Schedule(lambda optimizer: StepLR(optimizer, 1, 0.9), "epoch"), plateau),
    )


def run(
    folder: Path,
    way: str,
    *,
    stop_after: int | None = None,
    dies: bool = False,
    resume: bool = False,
    **checkpoint: Any,
) -> GAN:
    """Trains in a folder; goes on from its last checkpoint where ``resume``."""
    settings = {"every_n_epochs": 1, "monitor": "val/parzen_nll", "save_last": True, "enable_version_counter": False}
    keeper = RunCheckpoint(folder / "checkpoints", **{**settings, **checkpoint})
    stop = GracefulStop()
    log = CSVMetrics(folder)
    watching = [ParzenEvaluation(0.3, num_samples=5), NumericGuard(), Diagnosis()]
    callbacks = [GeneratorEMA(0.5), *watching, keeper, stop]
    callbacks += [] if stop_after is None else [AskAfter(stop.signals, stop_after, dies=dies)]
    gan, last = small_gan(), folder / "checkpoints" / "last.ckpt"
    if resume:
        log.goes_on_after(int(torch.load(last, weights_only=True)["global_step"]))
    fit = trainer(callbacks=callbacks, logger=log, enable_checkpointing=True, **WAYS[way])
    try:
        fit.fit(gan, Noise(batch_size=4), ckpt_path=last if resume else None, weights_only=True)
    except (RunStopped, DeathError):
        assert stop_after is not None
    return gan


def left(folder: Path) -> dict[str, Any]:
    """Everything of a run but the place that it lies in."""
    found = {path.name: torch.load(path, weights_only=True) for path in (folder / "checkpoints").glob("*.ckpt")}
    for checkpoint in found.values():
        # Where the last validation stood, which nothing reads again: Lightning forgets it on resume.
        del checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
        checkpoint["callbacks"] = {
            name: {
                key: value
                for key, value in state.items()
                if "path" not in key and "dir" not in key and "k_models" not in key
            }
            for name, state in checkpoint["callbacks"].items()
        }
    return {**found, "metrics": (folder / "metrics.csv").read_text()}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two nested values differ, to the last bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [path]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [
            found
            for key in keys
            for found in (
                differences(one[key], other[key], f"{path}.{key}") if key in one and key in other else [f"{path}.{key}"]
            )
        ]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        return [
            found
            for index, (a, b) in enumerate(zip(one, other, strict=True))
            for found in differences(a, b, f"{path}[{index}]")
        ]
    return [] if one == other else [f"{path}: {one!r} != {other!r}"]
