"""Torch's ``amax``, bit by bit, at half the price."""

import pytest
import torch
from torch import Tensor

from lit_gan.functional.max_over_pieces import max_over_pieces


def _with_ties(dtype: torch.dtype) -> Tensor:
    values = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0] = 1.0  # all pieces share the maximum
    values[1, :3] = values[1].amax(0)
    return values.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("dim", [1, -2, 0])
def test_value_and_gradient_have_the_bits_of_torchs(dtype: torch.dtype, dim: int) -> None:
    ours, theirs = (_with_ties(dtype).requires_grad_() for _ in range(2))
    maximum = max_over_pieces(ours, dim)
    assert torch.equal(maximum, theirs.amax(dim))
    gradient = torch.randn(maximum.shape, dtype=torch.float64).to(dtype)
    maximum.backward(gradient)
    theirs.amax(dim).backward(gradient)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)


def test_a_cpu_takes_the_cheap_way() -> None:
    assert type(max_over_pieces(_with_ties(torch.float32).requires_grad_(), 0).grad_fn).__name__ == "_MaxBackward"


def test_it_is_differentiated_twice() -> None:
    values = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: max_over_pieces(x.square(), 1), values)


def test_without_a_gradient_and_under_vmap() -> None:
    values = torch.randn(3, 5, 4)
    assert torch.equal(max_over_pieces(values, 1), values.amax(1))
    each = torch.func.vmap(torch.func.grad(lambda x: max_over_pieces(x, 0).square().sum()))(values)
    leaf = values.clone().requires_grad_()
    leaf.amax(1).square().sum().backward()
    assert leaf.grad is not None
    assert torch.equal(each, leaf.grad)
