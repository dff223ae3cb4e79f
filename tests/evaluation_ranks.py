"""What every rank of the distributed evaluation test does; a module that spawned processes can import."""

import os
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.states import TrainerFn
from tiny_gan import trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from lit_gan.callbacks import GenerativeEvaluation, ParzenEvaluation, SampleGrid
from lit_gan.data import DigitsDataModule
from lit_gan.errors import RunError, UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.metrics import SampleClasses
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator

NUM_SAMPLES = 1500  # a batch of samples and a half: ranks share out batches, too


class Features(nn.Module):
    """A feature network for KID: the middle of the picture."""

    num_features = 8

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, 24:32].double()


class Counting(ConditionalGAN):
    """Counts the examples that D was shown."""

    rows_judged = 0

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        self.rows_judged += len(x) // 2  # the other half are samples
        return super().discriminate(x, condition)


class ForeignData(LightningDataModule):
    """As anyone writes it, with torch's loaders, which Lightning shares out and pads; no size divides by 2 or 3."""

    value_range = (0.0, 1.0)

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(9)
        self.rows = TensorDataset(
            torch.rand(100, 1, 8, 8, generator=generator), torch.randint(10, (100,), generator=generator)
        )

    def val_dataloader(self) -> Any:
        parts = [torch.utils.data.Subset(self.rows, range(start, stop)) for start, stop in ((0, 31), (31, 48))]
        return [DataLoader(part, batch_size=7) for part in parts]

    def test_dataloader(self) -> Any:
        return DataLoader(torch.utils.data.Subset(self.rows, range(48, 95)), batch_size=7)


def conditional_gan() -> Counting:
    torch.manual_seed(5)
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(32,), weight_init=0.3, condition_size=10)
    discriminator = MaxoutDiscriminator((1, 8, 8), hidden=(16,), pieces=2, weight_init=0.1, condition_size=10)
    return Counting(generator, discriminator, num_classes=10)


def evaluate(world: int, data: LightningDataModule, verb: str, **kwargs: Any) -> dict[str, Any]:
    """All that an evaluation logs, how many examples were judged, and the scores of the reported images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps all features
        kid = KernelInceptionDistance(feature=Features(), subset_size=10, normalize=True)
    fid = FrechetInceptionDistance(feature=Features(), normalize=True)
    parzen, model = ParzenEvaluation(num_samples=NUM_SAMPLES, metrics=[kid]), conditional_gan()
    # Trained by the first rank alone; once is enough.
    classes = [SampleClasses()] if verb == "validate" and isinstance(data, DigitsDataModule) and not kwargs else []
    run = several(world, callbacks=[parzen, GenerativeEvaluation([fid, *classes], NUM_SAMPLES, "val")], **kwargs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PossibleUserWarning)
        getattr(run, verb)(model, data, verbose=False)
    return {
        "logged": {name: float(value) for name, value in run.callback_metrics.items()},
        "judged": model.rows_judged,
        "reported": [len(images.reported) for images in parzen.images("test")],
        "scores": parzen.score.rows[0],
        "advice": [str(warning.message) for warning in caught if "sync_dist" in str(warning.message)],
    }


def several(world: int, **kwargs: Any) -> Trainer:
    if world > 1:
        kwargs |= {"devices": world, "strategy": DDPStrategy(process_group_backend="gloo")}
    return trainer(**{"precision": "32-true", **kwargs})


CASES: dict[str, dict[str, Any]] = {
    "own": {"data": lambda: DigitsDataModule(eval_batch_size=64)},
    "own in float64": {"data": lambda: DigitsDataModule(eval_batch_size=64), "precision": "64-true"},
    "own in mixed precision": {"data": lambda: DigitsDataModule(eval_batch_size=64), "precision": "bf16-mixed"},
    "foreign": {"data": ForeignData},
    "whole on every rank": {"data": ForeignData, "use_distributed_sampler": False},
}


def all_cases(world: int) -> dict[Any, Any]:
    return {
        (name, verb): evaluate(world, case["data"](), verb, **{key: case[key] for key in case if key != "data"})
        for name, case in CASES.items()
        for verb in ("validate", "test")
    }


def stopped(rank: int, world: int, state: TrainerFn) -> str:
    """The error where the samples of one rank alone are not finite, in training or outside of it."""

    class Broken(Counting):
        def sample_data(self, *args: Any, **kwargs: Any) -> Tensor:
            samples = super().sample_data(*args, **kwargs)
            return samples / 0 if rank == 1 else samples

    class During(ParzenEvaluation):
        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.state.fn = state
            super().on_validation_epoch_end(trainer, pl_module)

    model = conditional_gan()
    model.__class__ = Broken
    try:
        several(world, callbacks=[During(num_samples=20)]).validate(model, DigitsDataModule(), verbose=False)
    except (RunError, UserError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def sample_grid(world: int, folder: Path) -> list[bytes]:
    """The grids that this rank writes."""
    run, model, folder = several(world), conditional_gan(), folder / "grids"
    run.validate(model, DigitsDataModule(), verbose=False)
    SampleGrid(num_samples=20, every_n_rounds=0, folder=str(folder)).on_train_end(run, model)
    return [path.read_bytes() for path in folder.iterdir()] if folder.exists() else []


def run(rank: int, world: int, port: int, folder: str) -> None:
    # As torchrun starts them.
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": 0, "LOCAL_RANK": rank, "WORLD_SIZE": world}
    os.environ |= {name: str(value) for name, value in here.items()}
    torch.set_num_threads(1)
    own = Path(folder) / str(rank)
    own.mkdir()
    results: dict[Any, Any] = all_cases(world)
    results["grids"] = sample_grid(world, own)
    results["stopped"] = [stopped(rank, world, state) for state in (TrainerFn.FITTING, TrainerFn.VALIDATING)]
    torch.save(results, own / "results.pt")
    dist.barrier()
    dist.destroy_process_group()
