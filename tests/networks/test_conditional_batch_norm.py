"""Conditional batch normalisation: the plain one at first, and each condition its own scale and shift."""

import torch
from torch import nn

from lit_gan.networks.conditional_batch_norm import ConditionalBatchNorm


def test_is_the_plain_one_at_first() -> None:
    maps, condition = torch.randn(6, 3, 4, 4), torch.eye(6)
    torch.testing.assert_close(ConditionalBatchNorm(3, 6)(maps, condition), nn.BatchNorm2d(3)(maps))
    torch.testing.assert_close(ConditionalBatchNorm(3)(maps, None), nn.BatchNorm2d(3)(maps))


def test_each_condition_has_its_scale_and_shift() -> None:
    norm = ConditionalBatchNorm(2, 3).double()
    with torch.no_grad():
        norm.embedding.weight.copy_(torch.arange(12.0).view(4, 3))
    maps, condition = torch.randn(3, 2, 4, 4, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    normalised = nn.BatchNorm2d(2).double()(maps)
    scale = 1 + torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]])[:, :, None, None]
    shift = torch.tensor([[6.0, 9.0], [7.0, 10.0], [8.0, 11.0]])[:, :, None, None]
    torch.testing.assert_close(norm(maps, condition), scale * normalised + shift)


def test_synchronised_statistics_keep_the_condition() -> None:
    """``--trainer.sync_batchnorm true`` puts another class in the place of torch's."""
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(ConditionalBatchNorm(2, 3))
    assert isinstance(converted.norm, nn.SyncBatchNorm)
    assert converted.embedding is not None
