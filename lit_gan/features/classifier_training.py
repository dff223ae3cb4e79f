"""How the reference classifier is trained: Adam, one cycle of the rate, a number of images that bounds the time."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from lit_gan.data.base import InMemoryDataModule
from lit_gan.data.dataset import ImageDataset
from lit_gan.functional.display import to_display_range
from lit_gan.functional.matmul import exact_matmul
from lit_gan.randomness import stream

_BATCH, _EVALUATED = 100, 1000
_LEARNING_RATE = 1e-2
_EPOCHS, _MOST_IMAGES = 20, 200_000  # four times MNIST: a minute of one core


def images_trained_on(num: int) -> int:
    """How many images, repetitions counted, a classifier of ``num`` images is trained on.

    Example:
        >>> images_trained_on(1200), images_trained_on(50_000)
        (24000, 200000)
    """
    return min(_EPOCHS * num, _MOST_IMAGES)


def train_classifier(network: nn.Module, data: InMemoryDataModule, seed: int) -> None:
    """Trains on the labelled training images, whose order is a function of the seed."""
    rows, labels = data.dataset("train"), labels_of_split(data, "train")
    batch = min(_BATCH, len(rows))
    steps = images_trained_on(len(rows)) // batch
    per_epoch = len(rows) // batch
    optimizer = Adam(network.parameters(), lr=_LEARNING_RATE)
    schedule = OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    network.train()
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        place = step % per_epoch
        if place == 0:
            order = torch.randperm(len(rows), generator=stream(seed, "classifier order", step // per_epoch))
        chosen = order[place * batch : (place + 1) * batch]
        images, device = _shown(rows, data, rows.images[chosen]), next(network.parameters()).device
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images.to(device)), labels[chosen].to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()


def share_correct(network: nn.Module, data: InMemoryDataModule) -> tuple[float, int]:
    """The share of the test images that it reads rightly, and how many these are."""
    rows, labels = data.dataset("test"), labels_of_split(data, "test")
    device, correct = next(network.parameters()).device, 0
    for start in range(0, len(rows), _EVALUATED):
        part = slice(start, start + _EVALUATED)
        with exact_matmul(device):
            found = network(_shown(rows, data, rows.images[part]).to(device)).argmax(1).cpu()
        correct += int((found == labels[part]).sum())
    return correct / len(rows), len(rows)


def labels_of_split(data: InMemoryDataModule, split: Literal["train", "test"]) -> Tensor:
    """The class of each image."""
    labels = data.dataset(split).labels
    assert labels is not None  # noqa: S101 -- data with classes have them, which is checked as they are loaded
    return labels


def _shown(rows: ImageDataset, data: InMemoryDataModule, images: Tensor) -> Tensor:
    return to_display_range(rows.convert(images), data.value_range)
