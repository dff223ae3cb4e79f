"""The nearest training example: by exact distances, whatever the batches."""

from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from tiny_gan import linear_gan, loader
from torch import Tensor

from lit_gan.data import DigitsDataModule
from lit_gan.figures.neighbours import nearest_examples, training_batches


@pytest.mark.parametrize("size", [1, 7, 50])
def test_it_is_the_nearest_of_all_whatever_the_batches(size: int) -> None:
    train, samples = torch.rand(50, 3, 4, 4), torch.rand(6, 3, 4, 4)
    apart = (samples.double()[:, None] - train.double()[None]).flatten(2).square().sum(-1)
    found = nearest_examples(samples, iter(train.split(size)))
    assert torch.equal(found, train[apart.argmin(1)])


def test_rounding_chooses_nothing() -> None:
    """Far from zero, the products of float32 rows cannot tell these two apart."""
    train = torch.tensor([1000.0, 1000.001])[:, None, None, None].expand(2, 1, 8, 8)
    found = nearest_examples(train[1:] + 0.0002, iter([train]))
    assert torch.equal(found[0], train[1])


def test_of_equals_it_is_the_first() -> None:
    train = torch.tensor([1.0, -1.0, 1.0])[:, None, None, None]
    assert nearest_examples(torch.zeros(1, 1, 1, 1), iter(train.split(1))).item() == 1.0


class Own(LightningDataModule):
    """Data of the reader's own, with labels beside the images."""

    def setup(self, stage: str) -> None:
        self.rows = torch.arange(10.0)[:, None, None, None]

    def train_dataloader(self) -> Any:
        return loader(self.rows, batch_size=4)


def test_all_examples_are_looked_at_of_any_data() -> None:
    gan = linear_gan()
    rows: Tensor = torch.cat(list(training_batches(gan, Own())))
    assert rows.flatten().tolist() == list(range(10))
    digits = DigitsDataModule()
    assert torch.equal(torch.cat(list(training_batches(gan, digits))), digits.images("train"))
