import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.networks.dropout import Dropout

N = 200_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("keep", [0.5, 0.8, 0.99])
def test_keeps_its_share_and_scales_it(keep: float, dtype: torch.dtype) -> None:
    x = torch.ones(N, dtype=dtype)
    y = Dropout(keep)(x)
    assert y.dtype == dtype
    assert y.unique().tolist() == pytest.approx([0, 1 / keep], rel=1e-2)
    # Five standard errors of a binomial share.
    error = 5 * (keep * (1 - keep) / N) ** 0.5
    assert (y != 0).double().mean().item() == pytest.approx(keep, abs=error)


def test_the_gradient_goes_where_the_value_went() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = Dropout(0.8)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_elements_and_calls_are_independent() -> None:
    x, layer = torch.ones(2, N // 2), Dropout(0.5)
    one, two = layer(x) != 0, layer(x) != 0
    for left, right in ((one, two), (one[0], one[1]), (one[0, 1:], one[0, :-1])):
        assert (left & right).double().mean().item() == pytest.approx(0.25, abs=0.01)


def test_the_global_seed_decides() -> None:
    x, layer = torch.ones(100), Dropout(0.5)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)


def test_evaluation_and_keeping_all_return_the_input_itself() -> None:
    x = torch.ones(5)
    assert Dropout(0.5).eval()(x) is x
    assert torch.equal(Dropout(1)(x), x)


def test_any_order_of_memory_and_no_elements() -> None:
    x = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last) + 1
    y = Dropout(0.5)(x)
    torch.testing.assert_close(y[y != 0], 2 * x[y != 0])
    assert Dropout(0.5)(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.1, float("nan"), None, True])
def test_refuses_what_is_no_probability(keep: object) -> None:
    with pytest.raises(UserError, match=r"input_keep = .*: expected the probability of keeping a value, in \(0, 1\]"):
        Dropout(keep, "input_keep")


def test_print_shows_the_share() -> None:
    assert repr(Dropout(0.8)) == "Dropout(keep=0.8)"
