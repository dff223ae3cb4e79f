"""[1, 3, 3, 1] along each side, zeros outside."""

import pytest
import torch
from torch import Tensor, nn

from lit_gan.networks.resampling import Downsampling, Upsampling


def _matrix(side: int) -> Tensor:
    """From ``2 side`` places to ``side``: each the weighted mean of four, of which some may be outside."""
    rows = torch.zeros(side, 2 * side + 2, dtype=torch.float64)
    for i in range(side):
        rows[i, 2 * i : 2 * i + 4] = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return rows[:, 1:-1]


def test_both_are_the_products_of_one_matrix_along_each_side() -> None:
    matrix = _matrix(4)
    large, small = torch.randn(2, 3, 8, 8, dtype=torch.float64), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(Downsampling().double()(large), matrix @ large @ matrix.T)
    torch.testing.assert_close(Upsampling().double()(small), 4 * matrix.T @ small @ matrix)


def test_kernels_sum_right_and_are_no_state() -> None:
    up, down = Upsampling(), Downsampling()
    assert (up.kernel.sum(), down.kernel.sum()) == (4, 1)
    assert up.kernel[0].tolist() == [0.0625, 0.1875, 0.1875, 0.0625]
    assert not up.state_dict()
    assert down(torch.ones(1, 2, 8, 8))[:, :, 1:-1, 1:-1].unique().tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("resampling", [Upsampling(), Downsampling()])
def test_maps_in_16_bits_are_resampled_in_32_and_stay_16(resampling: nn.Module, dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 8, 8).to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = resampling(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, resampling(x.float()).to(dtype), rtol=0, atol=0)
    (slope,) = torch.autograd.grad(y.float().square().sum(), x)
    (exact,) = torch.autograd.grad(y.float().detach().mul(2).mul(resampling(x.float())).sum(), x)
    torch.testing.assert_close(slope, exact)
