"""A GAN small enough to be worked out by hand, and a Trainer that does nothing but train."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.gan import GAN


class LinearGenerator(nn.Module):
    """G(z) = a z + b, on images of one pixel."""

    latent_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.7))
        self.b = nn.Parameter(torch.tensor(-0.2))

    def forward(self, z: Tensor) -> Tensor:
        return (self.a * z + self.b)[:, :, None, None]


class LinearDiscriminator(nn.Module):
    """D(x) = sigmoid(w x + c), as a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.4))
        self.c = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x.flatten(1) + self.c


def sgd(lr: float = 0.5, momentum: float = 0.0) -> Callable[[Any], SGD]:
    return lambda parameters: SGD(parameters, lr=lr, momentum=momentum)


def linear_gan(cls: type[GAN] = GAN, **kwargs: Any) -> GAN:
    kwargs = {"optimizer_g": sgd(), "optimizer_d": sgd(), **kwargs}
    return cls(LinearGenerator(), LinearDiscriminator(), **kwargs)


def examples(rows: int = 24) -> Tensor:
    """Images of one pixel, each with a value of its own."""
    return torch.linspace(-1, 2, rows, dtype=torch.float64)[:, None, None, None]


def loader(data: Tensor, batch_size: int) -> DataLoader[Any]:
    return DataLoader(TensorDataset(data), batch_size=batch_size, num_workers=0)


def trainer(**kwargs: Any) -> Trainer:
    settings = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "precision": "64-true",
        "log_every_n_steps": 1,
    }
    return Trainer(**{**settings, **kwargs})
