"""The game without this package: a loop without Lightning, as well as one writes it; and the usual way with Lightning.

Both train the networks of a :class:`lit_gan.GAN`, by its objective, latent, optimisers and augmentation.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from PIL import Image
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lit_gan import GAN
from lit_gan.functional.torch_seam import BatchNorm
from lit_gan.penalties import R1, R2
from lit_gan.schedules import ends_of


class Loop:
    """Algorithm 1 in a plain loop: all data in memory as floats, D's two halves in one pass, fused optimisers.

    Args:
        gan: Whose networks move, by whose objective.
        images: The training examples, ``(N, C, H, W)``.
        batch_size: m.
        precision: ``32-true`` or ``bf16-mixed``.
    """

    def __init__(self, gan: GAN, images: Tensor, batch_size: int, precision: str) -> None:
        if gan.objective.matches_features or any(type(each) not in (R1, R2) for each in gan.penalties):
            raise SystemExit("benchmarks.handwritten: expected an objective of logits, and no penalties but R1 and R2.")
        self._gan, self._batch_size = gan, batch_size
        self._device = next(gan.parameters()).device
        self._images = images.to(self._device)
        on_gpu = self._device.type == "cuda"
        self._rng = torch.cuda.default_generators[0] if on_gpu else torch.default_generator
        self._bf16 = precision == "bf16-mixed"
        self._optimizers = {name: _fused(gan, name) for name in ("generator", "discriminator")}
        self._weights = {
            name: [each for each in gan.players[name].network.parameters() if each.requires_grad]
            for name in self._optimizers
        }
        self._apart = any(isinstance(module, BatchNorm) for module in gan.discriminator.modules())
        self._rounds = 0
        self._minibatches = self._endless_minibatches()
        gan.train()

    @property
    def cycle(self) -> int:
        """After how many rounds those with penalties and those without come again."""
        return math.lcm(*(each.every for each in self._gan.penalties))

    def round(self) -> None:
        """K updates of D and one of G."""
        gan = self._gan
        k = gan.coordination.discriminator_steps(self._rounds)
        if gan.augment is not None:
            gan.augment.begin_round(self._rounds)
        for _ in range(k):
            x = next(self._minibatches)
            with self._autocast(), torch.no_grad():
                generated = gan.generator(self._latents())
            self._move("discriminator", self._loss_d(x, generated))
        _let_learn(self._weights["discriminator"], False)
        with self._autocast():
            logits = gan.discriminator(self._seen(gan.generator(self._latents()))).float()
            real: Tensor | None = None
            if gan.objective.pairs_examples:
                with torch.no_grad():
                    real = gan.discriminator(self._seen(next(self._minibatches))).float()
        self._move("generator", gan.objective.loss_g(logits, real))
        _let_learn(self._weights["discriminator"], True)
        self._rounds += 1

    def _loss_d(self, x: Tensor, generated: Tensor) -> Tensor:
        """Half the sum of its two parts and of the penalties that are due, which are outside autocast."""
        objective, due = self._gan.objective, [each for each in self._gan.penalties if self._rounds % each.every == 0]
        if not due:
            with self._autocast():
                return objective.loss_d(*self._judged(self._seen(x), self._seen(generated)))
        images = {R1: x, R2: generated.float()}
        for each in due:
            images[type(each)].requires_grad_()
        real, fake = self._judged(self._seen(images[R1]), self._seen(images[R2]))
        paying = [images[type(each)] for each in due]
        slopes = torch.autograd.grad(real.sum() + fake.sum(), paying, create_graph=True)
        loss = objective.loss_d(real, fake)
        for each, slope in zip(due, slopes, strict=True):
            loss = loss + 0.25 * each.every * ends_of(each.weight)[0] * slope.square().sum((1, 2, 3)).mean()
        return loss

    def _judged(self, x: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
        judge = self._gan.discriminator
        if self._apart:
            return judge(x).float(), judge(generated).float()
        logits = judge(torch.cat([x, generated])).float()
        return logits[: len(x)], logits[len(x) :]

    def _seen(self, images: Tensor) -> Tensor:
        return images if self._gan.augment is None else self._gan.augment(images, self._rng)

    def _move(self, name: str, loss: Tensor) -> None:
        optimizer = self._optimizers[name]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        self._gan.players[name].constrain()
        for group in optimizer.param_groups:  # the paper's schedule, which costs as much as any
            group["lr"] /= 1.000004

    def _latents(self) -> Tensor:
        return self._gan.latent.sample(self._batch_size, generator=self._rng)

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16)

    def _endless_minibatches(self) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(len(self._images), device=self._device)
            for rows in torch.split(order, self._batch_size):
                if len(rows) == self._batch_size:
                    yield self._images[rows]


def _let_learn(weights: list[nn.Parameter], learns: bool) -> None:
    for each in weights:
        each.requires_grad_(learns)


def _fused(gan: GAN, player: str) -> Optimizer:
    """The player's optimiser with one kernel for all weights."""
    plain = gan.players[player].build_optimizer()
    return type(plain)(plain.param_groups[0]["params"], **{**plain.defaults, "fused": True})


class Pictures(Dataset[tuple[Tensor, int]]):
    """A data set as torchvision's are: a PIL image and its transforms for each example.

    Args:
        levels: ``(N, C, H, W)`` bytes.
    """

    def __init__(self, levels: Tensor) -> None:
        self._levels = levels.movedim(1, -1).squeeze(-1).contiguous()
        self._transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.0,), (1.0,))])

    def __len__(self) -> int:
        return len(self._levels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._levels[row].numpy())), 0


def pictures_loader(levels: Tensor, batch_size: int) -> DataLoader[tuple[Tensor, int]]:
    """Torch's own loader, in this process, so that its time is counted."""
    return DataLoader(Pictures(levels), batch_size, shuffle=True, drop_last=True)


class UsualGAN(LightningModule):
    """A GAN as Lightning's own example has it, G first: three passes of G a round, two of D apart, losses logged.

    The grid of samples that the example gives to TensorBoard in each step is left out.

    Args:
        gan: Whose networks move; the loss is binary cross-entropy on logits.

    Reference:
        The Lightning documentation, tutorial *PyTorch Lightning Basic GAN*.
    """

    def __init__(self, gan: GAN) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = gan.generator, gan.discriminator
        self._latent_size = gan.latent.size
        self._players = gan.players

    def forward(self, z: Tensor) -> Tensor:
        """Images of latents."""
        images: Tensor = self.generator(z)
        return images

    def training_step(self, batch: Any) -> None:
        """One update of G and one of D on the same latents."""
        images, _ = batch
        optimizers: Any = self.optimizers()
        optimizer_g, optimizer_d = optimizers
        z = torch.randn(images.shape[0], self._latent_size).type_as(images)

        self.toggle_optimizer(optimizer_g)
        self.generated = self(z)
        g_loss = self._adversarial_loss(self.discriminator(self(z)), 1.0)
        self.log("g_loss", g_loss, prog_bar=True)
        self.manual_backward(g_loss)
        optimizer_g.step()
        optimizer_g.zero_grad()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real_loss = self._adversarial_loss(self.discriminator(images), 1.0)
        fake_loss = self._adversarial_loss(self.discriminator(self(z).detach()), 0.0)
        d_loss = (real_loss + fake_loss) / 2
        self.log("d_loss", d_loss, prog_bar=True)
        self.manual_backward(d_loss)
        optimizer_d.step()
        optimizer_d.zero_grad()
        self.untoggle_optimizer(optimizer_d)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        """The same kinds as the GAN's."""
        return [player.build_optimizer() for player in self._players.values()], []

    def _adversarial_loss(self, logits: Tensor, label: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
