"""What users bring that does not fit: data, generators and discriminators, each with one fault by its name."""

from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor, nn

from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN

Pair = namedtuple("Pair", ["index", "image", "label"])


@dataclass
class Example:
    pixel_values: Tensor
    labels: Tensor


def _labels(x: Tensor) -> Tensor:
    return torch.arange(len(x)) % 3


#: Batches of other forms that are taken apart all the same.
FORMS: dict[str, Callable[[Tensor], Any]] = {
    "pair": lambda x: [x, _labels(x)],
    "image": lambda x: {"image": x, "label": _labels(x)},
    "pixel_values": lambda x: {"index": torch.arange(len(x)), "pixel_values": x, "labels": _labels(x)},
    "img": lambda x: {"Img": x, "target": _labels(x)},
    "named tuple": lambda x: Pair(torch.arange(len(x)), x, _labels(x)),
    "data class": lambda x: Example(x, _labels(x)),
    "image with a mapping": lambda x: (x, {"y": _labels(x), "file": ["a.png"] * len(x)}),
    "mapping with labels": lambda x: ({"x": x}, _labels(x)),
}

#: Batches that are no examples, or of which nobody can say which part is.
FAULTS: dict[str, Callable[[Tensor], Any]] = {
    "bytes": lambda x: (x * 254).to(torch.uint8),
    "whole numbers": lambda x: (x * 254).long(),
    "truth values": lambda x: x > 0.5,
    "complex": lambda x: x.to(torch.complex64),
    "float64": lambda x: x.double(),
    "float16": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "nan": lambda x: x.index_fill(0, torch.tensor(1), torch.nan),
    "inf": lambda x: x.index_fill(0, torch.tensor(1), torch.inf),
    "0 to 255": lambda x: x * 255,
    "-1 to 1": lambda x: x * 2 - 1,
    "gradient": lambda x: x.clone().requires_grad_(),
    "channels last": lambda x: x.expand(-1, 3, -1, -1).permute(0, 2, 3, 1),
    "no channels": lambda x: x[:, 0],
    "flat": lambda x: x[:, 0, 0, 0],
    "empty": lambda x: x[:0],
    "none": lambda x: None,
    "text": lambda x: "a picture",
    "texts": lambda x: ["a.png", "b.png"],
    "nested": lambda x: ([x, x], _labels(x)),
    "array": lambda x: x.numpy(),
    "two names": lambda x: {"image": x, "pixel_values": x},
    "no usual name": lambda x: {"photo": x, "caption": ["a"] * len(x)},
    "pictures in a list": lambda x: {"image": ["PIL"] * len(x)},
}


class Batches:
    """Four batches of twenty images, each in the form that a fault says."""

    def __init__(self, form: str, shape: tuple[int, ...]) -> None:
        self.form = {**FORMS, **FAULTS}.get(form, lambda x: x)
        self.shape = shape

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[Any]:
        for seed in range(len(self)):
            yield self.form(torch.rand(20, *self.shape, generator=torch.Generator().manual_seed(seed)))


class FaultyData(LightningDataModule):
    """Images of 8x8 in [0, 1], but for a fault of the training batches, of the validation batches, or of a rank's."""

    num_classes = 3

    def __init__(
        self,
        form: str = "",
        image_shape: tuple[int, int, int] = (1, 8, 8),
        on_rank: int | None = None,
        validation: str = "",
        value_range: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        super().__init__()
        self.form, self.image_shape, self.on_rank, self.validation = form, image_shape, on_rank, validation
        self.value_range = value_range

    def train_dataloader(self) -> Batches:
        here = self.on_rank in (None, self.trainer.global_rank)
        return Batches(self.form if here else "", self.image_shape)


class ValidatedData(FaultyData):
    """Has validation batches as well."""

    def val_dataloader(self) -> Batches:
        return Batches(self.validation, self.image_shape)


class UnscalableData(FaultyData):
    """Takes no value_range."""

    def __init__(self, form: str = "") -> None:
        super().__init__(form)


class NoTrainingData(LightningDataModule):
    image_shape, num_classes, value_range = (1, 8, 8), 0, (0.0, 1.0)


class FaultyGenerator(nn.Module):
    """Right but for its fault."""

    def __init__(self, fault: str = "", image_shape: tuple[int, int, int] = (1, 8, 8), latent_size: int = 4) -> None:
        super().__init__()
        self.fault, self.latent_size = fault, latent_size
        self.image_shape = {"channels": (3, *image_shape[1:]), "size": (image_shape[0], 6, 6)}.get(fault, image_shape)
        self.layer = nn.Linear(latent_size, torch.Size(self.image_shape).numel())
        if fault == "range":
            self.output_range = (-1.0, 1.0)
        self.last = {"tanh": nn.Tanh(), "range": nn.Tanh(), "linear": nn.Identity()}.get(fault, nn.Sigmoid())

    def forward(self, z: Tensor) -> Any:
        x = self.last(self.layer(z)).view(-1, *self.image_shape)
        faults: dict[str, Callable[[], Any]] = {
            "rank": lambda: x.flatten(1),
            "rows": lambda: x[: len(x) // 2],
            "tuple": lambda: (x, z),
            "mapping": lambda: {"sample": x},
            "nan": lambda: x * torch.nan,
            "detached": x.detach,
            "float64": x.double,
            "whole numbers": (x * 255).long,
            "raises": lambda: x @ x.flatten(1),
            "key": lambda: {}["images"],
        }
        return faults.get(self.fault, lambda: x)()


class LatentMaps(nn.Module):
    """A DCGAN's generator: latents are (N, nz, 1, 1)."""

    latent_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.ConvTranspose2d(4, 4, 4), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 1, 4, 2, 1))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).sigmoid()


class FaultyDiscriminator(nn.Module):
    """Right but for its fault."""

    def __init__(self, fault: str = "", image_shape: tuple[int, int, int] = (1, 8, 8)) -> None:
        super().__init__()
        self.fault = fault
        self.layer = nn.Linear(torch.Size(image_shape).numel() * (3 if fault == "channels" else 1), 1)
        if fault == "sigmoid":
            self.last = nn.Sigmoid()

    def forward(self, x: Tensor) -> Any:
        logits = self.layer(x.flatten(1))
        faults: dict[str, Callable[[], Any]] = {
            "list": lambda: [logits, logits],
            "tuple": lambda: (logits, x),
            "mapping": lambda: {"logits": logits},
            "rows": lambda: logits.view(-1, 2),
            "scalar": logits.mean,
            "detached": logits.detach,
            "inf": lambda: logits / 0,
            "whole numbers": (logits > 0).long,
            "sigmoid": logits.sigmoid,
            "probabilities": logits.sigmoid,
            "argmax of x": lambda: self.layer(x.detach().flatten(1)),
            "softmax": lambda: torch.cat([logits, -logits], 1).softmax(1)[:, :1],
            "squeezed sigmoid": lambda: logits.sigmoid().squeeze(1),
            "clamped": lambda: (logits.tanh() + 1) / 2,
            "(N,)": lambda: logits[:, 0],
            "map": lambda: logits[:, :, None, None].expand(-1, 1, 2, 2),
        }
        return faults.get(self.fault, lambda: logits)()


class ByName(GAN):
    """The two lines that a message shows."""

    def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        return batch["photo"], None


class ExamplesAlone(GAN):
    """Forgets the condition."""

    def split_batch(self, batch: Any) -> Any:
        return batch


class OwnSteps(GAN):
    """An algorithm of its own, both of whose optimisers count."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        optimizer_g, optimizer_d = self.optimizers()
        z = torch.randn(len(batch), self.latent.size, device=self.device)
        optimizer_d.zero_grad()
        self.manual_backward(
            self.discriminate(batch).mean() - self.discriminate(self.generate(z, None).detach()).mean()
        )
        self.step_discriminator(optimizer_d)
        optimizer_g.zero_grad()
        self.manual_backward(self.discriminate(self.generate(z, None)).mean())
        optimizer_g.step()
        return {}

    def step_discriminator(self, optimizer_d: Any) -> None:
        optimizer_d.step()


class OwnStepsCountedOnce(OwnSteps):
    """The same with the two lines that the warning shows."""

    def step_discriminator(self, optimizer_d: Any) -> None:
        optimizer = self.optimizers()[1].optimizer
        self.trainer.strategy.optimizer_step(optimizer, lambda: None)


class OwnConditional(ConditionalGAN):
    """Networks without a condition in a game that gives one."""

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.generator(z)

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.discriminator(x)
