"""What users bring: a module that is no GAN, data and networks without an image_shape, a callback that stops."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from small_disk import fill
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class OwnModule(LightningModule):
    """Automatic optimisation, on the flat pixels of the digits."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(64, width)

    def forward(self, batch: Any) -> Tensor:
        return self.layer((batch if isinstance(batch, Tensor) else batch[0]).flatten(1))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._logged("train", batch)

    def validation_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._logged("val", batch)

    def test_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._logged("test", batch)

    def _logged(self, split: str, batch: Any) -> Tensor:
        loss = self(batch).square().mean()
        self.log(f"{split}/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class OwnData(LightningDataModule):
    """Neither a seed nor any fact about its images."""

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(TensorDataset(torch.rand(40, 1, 8, 8)), batch_size=10)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(TensorDataset(torch.rand(10, 1, 8, 8)), batch_size=10)

    test_dataloader = val_dataloader
    predict_dataloader = val_dataloader


class AnyBatches(LightningDataModule):
    """Twice the same batch, whatever it is; for training and for validation."""

    image_shape = (1, 8, 8)
    num_classes = 10
    batch: Any = None
    declared: tuple[float, float] | None = None

    def __init__(self, batch_size: int = 4) -> None:
        super().__init__()
        if self.declared is not None:
            self.value_range = self.declared

    def train_dataloader(self) -> "_Twice":
        return _Twice(self.batch)

    val_dataloader = train_dataloader


class _Twice:
    """No list: Lightning takes one for loaders."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Any]:
        return iter((self.batch, self.batch))


class OwnGenerator(nn.Module):
    """Knows its image shape by itself."""

    def __init__(self, latent_size: int = 4) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.layer = nn.Linear(latent_size, 64)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z).view(-1, 1, 8, 8)


class OwnDiscriminator(nn.Module):
    """As OwnGenerator, without any argument."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


class ShapedGenerator(OwnGenerator):
    """Takes nothing but what the data say."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.image_shape = image_shape


class StopOnce(Callback):
    """Ctrl-C, or a failure, after some rounds; not again while the file `stopped` is there.

    Args:
        rounds: After how many.
        failure: Whether it is a failure.
    """

    def __init__(self, rounds: int, failure: bool = False) -> None:
        self.rounds = rounds
        self.failure = failure

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if trainer.global_step == self.rounds and not Path("stopped").exists():
            Path("stopped").touch()
            raise RuntimeError("a failure of the test's own") if self.failure else KeyboardInterrupt


class Paced(Callback):
    """Waits before each round as many seconds as the variable `PACE` says, none without it."""

    def on_train_batch_start(self, *arguments: Any) -> None:
        time.sleep(float(os.environ.get("PACE", "0")))


class StopsTraining(Callback):
    """What a user's callback does to end training, after some rounds."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        trainer.should_stop = trainer.global_step >= self.rounds


class Slow(Callback):
    """Each round takes some time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        time.sleep(self.seconds)


class SignalAt(Callback):
    """A signal to this process after some rounds; the training must not outlive it by many.

    Args:
        name: Which, such as ``SIGTERM``.
        rounds: After how many.
    """

    def __init__(self, name: str, rounds: int) -> None:
        self.number, self.rounds = signal.Signals[name], rounds

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if trainer.global_step == self.rounds:
            os.kill(os.getpid(), self.number)
        assert trainer.global_step < self.rounds + 4, "nobody heeds the signal"


class Preempted(Callback):
    """SIGUSR1 in the midst of an evaluation, as Slurm sends it; not again while the file `preempted` is there."""

    def on_validation_batch_end(self, *arguments: Any) -> None:
        if not Path("preempted").exists():
            Path("preempted").touch()
            os.kill(os.getpid(), signal.SIGUSR1)


class UsesWandb(Callback):
    """Logs by W&B's run itself, from an epoch on; at the end the file `imported` says whether W&B is imported.

    Args:
        from_epoch: Which.
    """

    def __init__(self, from_epoch: int) -> None:
        self.from_epoch = from_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and trainer.current_epoch >= self.from_epoch:
                logger.experiment.log({"mine": trainer.current_epoch})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Path("imported").write_text(str("wandb" in sys.modules))


class Witness(Callback):
    """Keeps the module that was trained last, for the test to look at."""

    module: LightningModule | None = None
    rounds = 0

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Witness.module = pl_module
        Witness.rounds = trainer.global_step


class FillOnce(Callback):
    """Fills a disk to its last byte after some rounds; not again while the file `filled` is there.

    Args:
        rounds: After how many.
        disk: A folder on it.
    """

    def __init__(self, rounds: int, disk: str) -> None:
        self.rounds = rounds
        self.disk = disk

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if trainer.global_step == self.rounds and not Path("filled").exists():
            Path("filled").touch()
            fill(Path(self.disk), leave=0)


class FailOnRankOne(Callback):
    """A failure of one rank alone.

    Args:
        rounds: After how many rounds.
    """

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if trainer.global_rank == 1 and trainer.global_step == self.rounds:
            self.rounds = self.rounds // 0


class HashOfEachRank(Callback):
    """Writes, on each rank, the hash of what it has trained, to `rank-RANK.txt` in the working directory."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        digest = hashlib.sha256()
        for name, parameter in pl_module.named_parameters():
            digest.update(name.encode() + parameter.detach().numpy().tobytes())
        Path(f"rank-{trainer.global_rank}.txt").write_text(digest.hexdigest())
