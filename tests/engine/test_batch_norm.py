"""Batch-norm statistics over given passes: torch's own, as it accumulates them with momentum=None."""

import pytest
import torch
from torch import nn

from lit_gan.engine.batch_norm import BATCH_ROWS, batch_norms, batch_statistics, rows_needed


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Unflatten(1, (2, 2, 2)),
        nn.ConvTranspose2d(2, 4, 3),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.Tanh(),
    ).double()


def test_the_statistics_are_torchs_cumulative_average() -> None:
    batches = [torch.randn(7, 3, dtype=torch.float64) * (1 + i) for i in range(4)]
    reference, network = _network(), _network().eval()
    for norm in batch_norms(reference).values():
        norm.momentum = None
    for batch in batches:
        reference(batch)
    statistics = batch_statistics(batch_norms(network), (network(batch) for batch in batches))
    assert list(statistics) == ["1.running_mean", "1.running_var", "5.running_mean", "5.running_var"]
    for name, value in statistics.items():
        torch.testing.assert_close(value, reference.state_dict()[name], rtol=1e-12, atol=1e-14)
    assert not any(norm._forward_pre_hooks for norm in batch_norms(network).values())


def test_in_bfloat16_they_are_summed_in_float32() -> None:
    network = nn.BatchNorm1d(2).bfloat16().eval()
    batches = [torch.full((2, 2), 1.0 + i / 128).bfloat16() for i in range(2)]
    statistics = batch_statistics({"norm": network}, (network(batch) for batch in batches))
    assert statistics["norm.running_mean"].tolist() == [1.00390625] * 2  # no number of bfloat16
    assert statistics["norm.running_mean"].dtype == torch.float32


def test_a_norm_that_is_called_twice_has_the_mean_of_both_and_one_that_is_not_has_none() -> None:
    norm, idle = nn.BatchNorm1d(1).double().eval(), nn.BatchNorm1d(1).double().eval()
    x = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    statistics = batch_statistics({"norm": norm, "idle": idle}, (norm(x + shift) for shift in (0, 4)))
    assert {name: value.tolist() for name, value in statistics.items()} == {
        "norm.running_mean": [3.0],
        "norm.running_var": [2.0],
    }


def test_norms_are_found_by_plain_name_where_they_keep_statistics() -> None:
    norms = [nn.BatchNorm1d(1), nn.BatchNorm2d(1, track_running_stats=False), nn.InstanceNorm1d(1), nn.SyncBatchNorm(1)]
    network = nn.Sequential(nn.ModuleList(norms), torch.compile(nn.Sequential(nn.BatchNorm3d(1)), backend="eager"))
    assert list(batch_norms(network)) == ["0.0", "0.3", "1.0"]


@pytest.mark.parametrize(
    ("norms", "rows"),
    [
        ([nn.BatchNorm2d(1)], 1_000),
        ([nn.BatchNorm3d(1), nn.BatchNorm2d(1)], 1_000),
        ([nn.BatchNorm1d(1)], 10_000),
        ([nn.BatchNorm2d(1), nn.BatchNorm1d(1)], 10_000),
    ],
)
def test_maps_need_fewer_rows(norms: list[nn.Module], rows: int) -> None:
    assert rows_needed(norms) == rows
    assert rows % BATCH_ROWS == 0
