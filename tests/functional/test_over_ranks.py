"""A mean over ranks, of which the others are played here."""

import pytest
import torch
from torch import Tensor
from torch.distributed import ReduceOp

from lit_gan.functional.over_ranks import mean_over_ranks


@pytest.mark.parametrize("others", [[], [[3.0, 5.0]], [[3.0, 5.0], [8.0, -1.0]]], ids=["one", "two", "three"])
def test_the_mean_is_that_of_all_ranks_and_the_gradient_this_ones(
    others: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_reduce(total: Tensor, op: ReduceOp) -> None:
        assert op == ReduceOp.SUM
        assert not total.requires_grad
        for other in others:
            total += torch.tensor(other)

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1 + len(others))
    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    mean = mean_over_ranks(x)
    assert mean.tolist() == torch.tensor([[1.0, 2.0], *others]).mean(0).tolist()
    assert x.tolist() == [1.0, 2.0]
    mean.square().sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, 2 * mean.detach())
