"""Normal noise from a pool: its moments, where it is drawn from, and when there is none."""

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.networks.noise import GaussianNoise, _pool


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adds_normal_noise_of_its_deviation(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    noise = GaussianNoise(0.5)(torch.full((300, 1000), 2.0, dtype=dtype))
    assert noise.dtype == dtype
    assert noise.mean().item() == pytest.approx(2, abs=5 * 0.5 / 300_000**0.5)
    assert noise.std().item() == pytest.approx(0.5, rel=0.01)
    deviations = (noise - 2).abs() / 0.5
    assert (deviations < 1).double().mean().item() == pytest.approx(0.6827, abs=0.005)
    assert deviations.max() > 4


def test_the_pool_is_the_same_in_every_process_and_none_of_its_numbers_comes_twice() -> None:
    assert _pool()[:3].tolist() == pytest.approx([1.1473191, -0.1308166, 0.1457168], abs=1e-6)
    assert len(_pool()[:100_000].unique()) > 99_000


def test_the_global_seed_decides_and_each_call_is_another() -> None:
    noise, x = GaussianNoise(1.0), torch.zeros(50)
    torch.manual_seed(3)
    first, second = noise(x), noise(x)
    torch.manual_seed(3)
    assert torch.equal(noise(x), first)
    assert not torch.equal(first, second)


def test_gradients_pass_through_as_if_it_were_not_there() -> None:
    x = torch.zeros(4, 5, requires_grad=True)
    GaussianNoise(1.0)(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(4, 5))


def test_more_than_the_pool_holds_is_drawn_afresh() -> None:
    torch.manual_seed(0)
    assert GaussianNoise(1.0)(torch.zeros(_pool().numel())).std().item() == pytest.approx(1, abs=0.01)


def test_evaluation_and_no_deviation_return_the_input_itself() -> None:
    x = torch.rand(3)
    assert GaussianNoise(1.0).eval()(x) is x
    assert GaussianNoise(0)(x) is x


def test_a_deviation_that_cannot_be_is_told_by_the_name_of_the_argument() -> None:
    with pytest.raises(UserError, match=r"^input_noise = -0.1: expected a finite number of at least 0"):
        GaussianNoise(-0.1, "input_noise")
