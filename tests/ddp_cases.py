"""What each rank of the tests of `ddp_gan` trains; a module that spawned processes can import."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import DDPStrategy
from tiny_gan import sgd, trainer
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lit_gan.augmentation import AdaptiveAugment, Augmentation
from lit_gan.callbacks.ema import GeneratorEMA
from lit_gan.callbacks.lookahead import Lookahead
from lit_gan.coordination import AccuracyBand, FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.objectives import RelativisticPairing, Wasserstein
from lit_gan.optimizers import OptimisticAdam
from lit_gan.penalties import R1, R2, GradientPenalty, LeCam
from lit_gan.randomness import stream
from lit_gan.schedules import CosineSchedule, LinearSchedule, OptimizerSetting, Schedule
from lit_gan.strategies import DDPGANStrategy

ROUNDS = 20
ROWS = 6  # per rank and minibatch
SHAPE = (1, 8, 8)
CASES = [(k, network, precision) for k in (1, 3) for network in ("mlp", "conv") for precision in ("32", "64")]


class ConvGenerator(nn.Module):
    latent_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Unflatten(1, (4, 1, 1)),
            nn.ConvTranspose2d(4, 8, 4),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def conv_discriminator() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 8, 3, 2, 1), nn.Flatten(), nn.Linear(32, 1)
    )


class FedGAN(GAN):
    """Latents of two ranks: each its own, or one process both."""

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        ranks = range(2) if self.trainer.world_size == 1 else [self.global_rank]
        parts = [
            self.latent.sample(num // len(ranks), generator=stream(0, purpose, *position, rank), dtype=torch.float64)
            for rank in ranks
        ]
        return torch.cat(parts).to(self.dtype)


def gan(network: str, k: int, cls: type[GAN] = FedGAN, **kwargs: Any) -> GAN:
    torch.manual_seed(0)
    if network == "mlp":
        # Dropout off: its draws differ by rank.
        discriminator = MaxoutDiscriminator(SHAPE, hidden=(8,), weight_init=0.3, input_keep=1, hidden_keep=1)
        players: tuple[nn.Module, nn.Module] = MLPGenerator(SHAPE, 4, hidden=(16,)), discriminator
    else:
        players = ConvGenerator(), conv_discriminator()
    options = {"optimizer_g": sgd(0.1, 0.5), "optimizer_d": sgd(0.1, 0.5), "coordination": FixedSteps(k)}
    return cls(*players, **{**options, **kwargs})


class Batches:
    """The global minibatches, or one rank's share of each."""

    def __init__(self, k: int, rank: int | None) -> None:
        self.k = k
        self.rows = slice(None) if rank is None else slice(rank * ROWS, (rank + 1) * ROWS)

    def __len__(self) -> int:
        return ROUNDS

    def __iter__(self) -> Iterator[Tensor]:
        for index in range(ROUNDS):
            draw = stream(1, "examples", index)
            minibatches = torch.rand(self.k, 2 * ROWS, *SHAPE, generator=draw, dtype=torch.float64)
            yield minibatches[:, self.rows].flatten(0, 1)


class Sent:
    """Counts the bytes of gradients that leave this rank."""

    def __init__(self) -> None:
        self.bytes = 0

    def hook(self, state: object, bucket: torch.distributed.GradBucket) -> torch.futures.Future[Tensor]:
        gradients = bucket.buffer().div_(torch.distributed.get_world_size())
        self.bytes += gradients.numel() * gradients.element_size()
        future = torch.distributed.all_reduce(gradients, async_op=True).get_future()
        return future.then(lambda done: done.value()[0])


def train(
    module: LightningModule, data: Any, strategy: Any = "auto", precision: str = "32", val: Any = None, **kwargs: Any
) -> Any:
    kwargs = {"max_epochs": 1, "use_distributed_sampler": False, **kwargs}
    fit = trainer(precision=f"{precision}-true", strategy=strategy, **kwargs)
    fit.fit(module, data, val)
    return fit


def equality(rank: int | None) -> dict[str, Any]:
    """The weights, and the bytes sent, of every case."""
    results: dict[str, Any] = {}
    for k, network, precision in CASES:
        module, sent = gan(network, k), Sent()
        kwargs = {} if rank is None else {"strategy": DDPGANStrategy(ddp_comm_hook=sent.hook), "devices": 2}
        train(module, _typed(Batches(k, rank), precision), precision=precision, **kwargs)
        results[f"{k} {network} {precision}"] = {"weights": dict(module.state_dict()), "sent": sent.bytes}
    return results


class RowScale(Augmentation):
    """Different for each row, and the same on whatever rank the row is."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images * (1 + images.detach().mean((1, 2, 3), keepdim=True))


class FedTurn(Turn):
    """Draws of two ranks: each its own, or one process both."""

    def uniform(self) -> Tensor:
        alone = not torch.distributed.is_initialized()
        ranks = range(2) if alone else [torch.distributed.get_rank()]
        num = len(self.x) // len(ranks)
        drawn = [torch.rand(num, 1, 1, 1, generator=stream(2, "mix", rank), dtype=self.x.dtype) for rank in ranks]
        return torch.cat(drawn)


class FedPenalty(GradientPenalty):
    def __call__(self, turn: Turn) -> Tensor:
        fields = {field.name: getattr(turn, field.name) for field in dataclasses.fields(turn)}
        return super().__call__(FedTurn(**fields))


class AsStrong(AdaptiveAugment):
    """Changes images as much as its probability says, without a draw."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images * (1 + self.probability_now)


def adaptive() -> dict[str, Any]:
    """Parts that watch the game, and numbers that go by the images of all ranks."""
    return {
        "augment": AsStrong(target=-0.99, images=40, every=2),
        "penalties": [LeCam(LinearSchedule(2.0, 1.0, images=24), decay=0.5, start=1)],
        "schedule_d": [Schedule(partial(OptimizerSetting, name="lr", value=CosineSchedule(0.1, 0.05, images=24)))],
    }


class Kernel(nn.Module):
    """A critic whose rows see each other, through no statistic that differs by rank."""

    sees_whole_batch = True

    def __init__(self) -> None:
        super().__init__()
        self.layers = conv_discriminator()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def seams_gan(case: str) -> GAN:
    """A game with all that came after Algorithm 1."""
    options: dict[str, Any] = {
        "r1 and r2": {"penalties": [R1(0.5), R2(0.5, every=2)]},
        "gradient penalty": {"penalties": [FedPenalty(1.0)], "objective": Wasserstein()},
        "pairing": {"objective": RelativisticPairing(), "penalties": [R1(0.1), R2(0.1)]},
        "augmentation": {"augment": RowScale(), "penalties": [R1(0.1)]},
        "micro-batches": {"penalties": [R1(0.5), R2(0.5)], "coordination": FixedSteps(1, micro_batches=2)},
        "lookahead": dict.fromkeys(("optimizer_g", "optimizer_d"), partial(OptimisticAdam, lr=0.01, eps=0.01)),
        "what adapts": adaptive() if case == "what adapts" else {},
        "accuracy band": {"coordination": AccuracyBand(0.49, 0.51, max_steps=3, window=2), "penalties": [R1(0.1)]},
    }.get(case, {"penalties": [R1(0.5), R2(0.5)]})
    module = gan("conv", 1, **options)
    if case == "spectral norm":
        for index in (0, 2, 4):
            spectral_norm(module.discriminator[index])
    if case == "apart":
        torch.manual_seed(0)
        module = FedGAN(ConvGenerator(), Kernel(), optimizer_g=sgd(0.1), optimizer_d=sgd(0.1), **options)
    return module


SEAMS = (
    *("r1 and r2", "gradient penalty", "pairing", "augmentation", "micro-batches", "accuracy band"),
    *("spectral norm", "apart", "lookahead", "what adapts"),
)


def seams(rank: int | None) -> dict[str, Any]:
    """The weights of every case, and what its coordination has become."""
    results = {}
    for case in SEAMS:
        module = seams_gan(case)
        kwargs = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
        kwargs |= {"callbacks": [Lookahead(k=3)]} if case == "lookahead" else {}
        train(module, Batches(module.minibatches_per_round, rank), precision="64", **kwargs)
        weights = {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
        results[case] = {"weights": weights, "adapted": what_has_adapted(module)}
    return results


def what_has_adapted(module: GAN) -> dict[str, float]:
    """In plain numbers."""
    found = dict(module.coordination.state_dict())
    if module.augment is not None:
        found |= {f"augment {name}": value for name, value in module.augment.state_dict().items()}
    for penalty in module.penalties:
        found |= {f"mean {name}": float(value) for name, value in penalty.state_dict().get("means", {}).items()}
    return found


def _typed(batches: Batches, precision: str) -> Any:
    return batches if precision == "64" else _Converted(batches)


class _Converted:
    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        return (batch.float() for batch in self.batches)


def accumulation(rank: int) -> dict[str, Any]:
    """Two micro-batches against one, and what is sent for each."""
    found = {}
    for pieces in (1, 2):
        module, sent = gan("mlp", 1, coordination=FixedSteps(1, micro_batches=pieces)), Sent()
        strategy = DDPGANStrategy(ddp_comm_hook=sent.hook)
        train(module, Batches(1, rank), strategy, precision="64", devices=2)
        found[pieces] = {"weights": dict(module.state_dict()), "sent": sent.bytes}
    return found


def randomness(rank: int) -> dict[str, Any]:
    """Latents, and the mask of a dropout, in the first rounds."""
    seen: dict[str, list[Tensor]] = {"latents": [], "dropout": []}

    class Watched(GAN):
        def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
            seen["latents"].append(z.detach().clone())
            seen["dropout"].append(nn.functional.dropout(torch.ones(50)))
            return super().generate(z, condition)

    train(gan("mlp", 1, cls=Watched), _typed(Batches(1, rank), "32"), "ddp_gan", devices=2, max_steps=3)
    return {name: torch.stack(values) for name, values in seen.items()}


def buffers(rank: int) -> dict[str, Any]:
    """Batch statistics while training, in validation, and in a checkpoint."""
    seen: dict[str, Any] = {}

    class Normalised(GAN):
        def on_validation_epoch_start(self) -> None:
            seen["validation"] = self.discriminator[1].running_mean.clone()

        def on_train_batch_end(self, *arguments: Any) -> None:
            seen["training"] = self.discriminator[1].running_mean.clone()

    torch.manual_seed(0)
    discriminator = nn.Sequential(nn.Conv2d(1, 4, 4), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(100, 1))
    module = Normalised(ConvGenerator(), discriminator)
    data = _typed(Batches(1, rank), "32")
    train(module, data, "ddp_gan", devices=2, limit_train_batches=3, val=data)
    seen["weights"] = dict(module.state_dict())
    seen["calibration"] = module.calibration
    return seen


def averages(rank: int | None) -> dict[str, Any]:
    """What a GeneratorEMA keeps of a generator, and the statistics of batch norms that it takes for it."""
    kwargs: dict[str, Any] = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
    plain = gan("mlp", 3)
    torch.manual_seed(0)
    normalised = GAN(MLPGenerator(SHAPE, 4, hidden=(16,), batch_norm=True), plain.discriminator, optimizer_g=sgd(0.1))
    for module in (plain, normalised):
        train(module, Batches(3, rank), precision="64", callbacks=[GeneratorEMA(half_life=50)], **kwargs)
    samples = normalised.sample(5, rng=0)
    return {
        "average": plain.generator_average,
        "normalised": {**(normalised.generator_average or {}), **normalised.average_statistics, "samples": samples},
    }


class Tied(GAN):
    """Both players hold one layer."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.discriminator.shared = self.generator.shared = nn.Linear(1, 1)


class Orphan(GAN):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.extra = nn.Linear(1, 1)


class AroundD(GAN):
    """Calls a part of D, so that D's own reducer never hears of it."""

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.discriminator[1:](self.discriminator[0](x))


def errors(rank: int) -> dict[str, str]:
    found = {}
    for cls, strategy in ((Tied, "ddp_gan"), (Orphan, "ddp_gan"), (AroundD, "ddp_gan"), (GAN, "ddp")):
        module = cls(ConvGenerator(), conv_discriminator())
        try:
            train(module, _typed(Batches(1, rank), "32"), strategy, devices=2)
        except UserError as error:
            found[cls.__name__] = str(error)
    return found


class TwoOptimizers(LightningModule):
    """A GAN as Lightning's own examples write one: toggled optimisers, three forward passes of D, noise by randn."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        torch.manual_seed(0)
        self.generator, self.discriminator = ConvGenerator(), conv_discriminator()
        self.noise: list[Tensor] = []
        self.after_backward: dict[str, float] = {}

    def forward(self, z: Tensor) -> Tensor:
        return self.generator(z)

    def training_step(self, batch: Tensor) -> None:
        optimizer_g, optimizer_d = self.optimizers()
        z = torch.randn(len(batch), 4)
        self.noise.append(z)
        loss = nn.functional.binary_cross_entropy_with_logits
        ones, zeros = torch.ones(len(batch), 1), torch.zeros(len(batch), 1)

        self.toggle_optimizer(optimizer_g)
        self.shown = self(z)
        optimizer_g.zero_grad()
        self.manual_backward(loss(self.discriminator(self(z)), ones))
        optimizer_g.step()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real = loss(self.discriminator(batch), ones)
        fake = loss(self.discriminator(self(z).detach()), zeros)
        optimizer_d.zero_grad()
        self.manual_backward((real + fake) / 2)
        optimizer_d.step()
        self.untoggle_optimizer(optimizer_d)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(player.parameters(), lr=1e-3) for player in (self.generator, self.discriminator)]


def foreign(rank: int) -> dict[str, Any]:
    """Another module than ours: under `ddp_gan`, under plain DDP, and under DDP that looks for unused parameters."""
    sent = Sent()
    strategies = {
        "ddp_gan": DDPGANStrategy(ddp_comm_hook=sent.hook),
        "ddp": DDPStrategy(),
        "unused": DDPStrategy(find_unused_parameters=True),
    }
    return {name: _trained_elsewhere(rank, strategy) for name, strategy in strategies.items()} | {"sent": sent.bytes}


def _trained_elsewhere(rank: int, strategy: DDPStrategy) -> dict[str, Any]:
    module = TwoOptimizers()
    try:
        train(module, _typed(Batches(1, rank), "32"), strategy, devices=2)
    except RuntimeError as error:
        return {"error": str(error)}
    return {"weights": dict(module.state_dict()), "noise": torch.stack(module.noise)}


class WithClosures(TwoOptimizers):
    """Hands its backward passes to the optimisers."""

    def training_step(self, batch: Tensor) -> None:
        for optimizer, player in zip(self.optimizers(), (self.generator, self.discriminator), strict=True):
            self.toggle_optimizer(optimizer)
            optimizer.step(closure=partial(self.descend, optimizer, player, batch))
            self.untoggle_optimizer(optimizer)

    def descend(self, optimizer: Any, player: nn.Module, batch: Tensor) -> None:
        optimizer.zero_grad()
        fake = self.generator(torch.randn(len(batch), 4))
        self.manual_backward(
            nn.functional.softplus(-self.discriminator(fake if player is self.generator else batch)).mean()
        )


def closures(rank: int) -> dict[str, Tensor]:
    module = WithClosures()
    train(module, _typed(Batches(1, rank), "32"), "ddp_gan", devices=2)
    return dict(module.state_dict())


def everything(rank: int) -> dict[str, Any]:
    cases = (equality, seams, accumulation, randomness, buffers, averages, errors, foreign, closures)
    return {case.__name__: case(rank) for case in cases}
