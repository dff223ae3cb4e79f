import math

import pytest
import torch
from parzen_reference import image_like

from lit_gan.functional.neighbours import neighbour_distance


def test_it_is_the_median_nearest_distance():
    x = torch.rand(1152, 20, dtype=torch.float64)
    expected = torch.cdist(x[:128], x[128:]).amin(1).square().median().item()
    assert neighbour_distance(torch.cat([x, x])) == pytest.approx(expected, rel=1e-9)


def test_few_modes_lie_close_together():
    real = image_like(1152, seed=1)
    modes = image_like(20, seed=2).repeat(60, 1)[torch.randperm(1200)][:1152] + 1e-3 * torch.randn(1152, 64)
    assert neighbour_distance(modes) < 0.05 * neighbour_distance(real)


def test_a_single_row_has_no_neighbour():
    assert neighbour_distance(torch.zeros(1, 3)) == math.inf
