"""The mean over rows in float64: batches of any size, what is made of it at the end, and no row hidden."""

import math

import pytest
import torch

from lit_gan.metrics.exact_mean import ExactMean


@pytest.mark.parametrize("size", [1, 7, 40, 100])
def test_batches_count_by_their_rows(size: int) -> None:
    rows = torch.randn(100, dtype=torch.float64)
    mean = ExactMean()
    for batch in rows.split(size):
        mean.update(batch.mean(), rows=len(batch))
    assert float(mean.compute()) == pytest.approx(float(rows.mean()), rel=1e-13)


def test_small_values_are_not_lost_beside_great_ones() -> None:
    mean = ExactMean()
    for value in (1e9, 1.0, -1e9):
        mean.update(torch.tensor(value, dtype=torch.float32), rows=1)
    assert float(mean.compute()) == pytest.approx(1 / 3, rel=1e-6)


def test_the_end_is_made_of_the_mean_and_not_of_the_batches() -> None:
    mean = ExactMean(finish=torch.relu)
    mean.update(torch.tensor(-3.0), rows=1)
    mean.update(torch.tensor(1.0), rows=1)
    assert float(mean.compute()) == 0.0


def test_a_nan_is_told_and_not_left_out() -> None:
    mean = ExactMean()
    mean.update(torch.tensor(1.0), rows=4)
    mean.update(torch.tensor(math.nan), rows=1)
    assert math.isnan(float(mean.compute()))
