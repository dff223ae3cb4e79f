"""What windows answer where several ways of computing it meet: rows of both kinds, widths far apart, close calls."""

import itertools
import math

import pytest
import torch
from parzen_reference import image_like, reference_log_likelihood
from torch import Tensor

from lit_gan.functional.parzen_windows import ParzenWindows, mean


def _windows(centres: Tensor) -> ParzenWindows:
    return ParzenWindows.around(centres, low=-1.0, high=1.0)


@pytest.mark.parametrize("num", [20, 700])
def test_widths_far_apart_are_each_summed_as_far_as_they_reach(num: int) -> None:
    x, centres = image_like(9, seed=1), image_like(num)
    sigmas = [0.02, 0.05, 0.3, 2.0]
    expected = torch.stack([reference_log_likelihood(x, centres, sigma) for sigma in sigmas], dim=1)
    found = _windows(centres).log_likelihood(x, sigmas)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(_windows(centres).log_likelihood(x, sigmas[::-1]), expected.flip(1), rtol=0, atol=1e-9)


def _around_origin() -> tuple[Tensor, Tensor]:
    """400 centres as far from the origin, more than are listed; and rows of which one is the origin."""
    unit = torch.eye(200)
    rows = torch.stack([torch.zeros(200), 0.5 * unit[3], 0.25 * unit[7] + 0.5 * unit[8]])
    return rows, torch.cat([unit, -unit])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_row_with_many_nearest_centres_stands_beside_others(order: tuple[int, ...]) -> None:
    rows, centres = _around_origin()
    rows = rows[list(order)]
    expected = torch.tensor([1.0, 0.25, 0.3125], dtype=torch.float64)[list(order)]
    torch.testing.assert_close(_windows(centres).nearest(rows), expected, rtol=0, atol=1e-12)
    found = _windows(centres).log_likelihood(rows, [0.1])[:, 0]
    torch.testing.assert_close(found, reference_log_likelihood(rows, centres, 0.1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("num", [2, 5, 60])
def test_the_better_of_two_widths_is_chosen_however_close_they_are(num: int) -> None:
    """Each pair of neighbours of a fine grid: the bound by the nearest centre leaves both."""
    x, centres = image_like(30, seed=2), image_like(num)
    grid = [0.05 * 1.04**step for step in range(40)]
    score = {sigma: mean(reference_log_likelihood(x, centres, sigma)) for sigma in grid}
    windows = _windows(centres)
    for pair in itertools.pairwise(grid):
        best = max(pair, key=score.__getitem__)
        assert windows.select_sigma(x, pair) == best
        assert windows.select_sigma(x, pair[::-1]) == best
    assert windows.select_sigma(x, grid) == max(grid, key=score.__getitem__)
    assert windows.select_sigma(x, [grid[3], grid[3]]) == grid[3]


@pytest.mark.parametrize("margin", [0.5, 0.2])
def test_a_width_whose_likelihood_is_all_that_its_bound_allows_is_not_left_out(margin: float) -> None:
    """The narrow one sees the nearest centre alone, the wide one all of them: each is at its own end of the bound."""
    depth, ratio = 200, 100.0
    centres = torch.cat([torch.eye(depth), -torch.eye(depth)]).double()
    log_num = math.log(len(centres))
    # By the nearest centre, at distance 1, the narrow one is ahead by log N - margin.
    narrow = math.sqrt((1 - 1 / ratio**2) / (2 * (depth * math.log(ratio) - log_num + margin)))
    centres[1:] *= math.sqrt(1 + 2 * narrow**2 * (log_num + 4))
    x = torch.zeros(1, depth).double()
    grid = [narrow, narrow * ratio]
    narrows, wides = (float(reference_log_likelihood(x, centres, sigma)) for sigma in grid)
    assert narrows + margin / 2 < wides < narrows + margin
    windows = ParzenWindows.around(centres, low=-2.0, high=2.0)
    assert windows.select_sigma(x, grid) == grid[1]
