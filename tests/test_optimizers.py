"""Optimisers for games: their steps by hand, and the bilinear game in closed form."""

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from tiny_gan import linear_gan, loader, trainer
from torch import Tensor, nn

from benchmarks.bilinear import closed_forms, measured, path, simultaneous
from lit_gan.callbacks import Lookahead
from lit_gan.engine.import_policy import ImportPolicy, Naming
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.latents import Normal
from lit_gan.objectives import Wasserstein
from lit_gan.optimizers import OptimisticAdam

RATES = (0.05, 0.2, 0.45)


@pytest.mark.parametrize("betas", [(0.0, 0.9), (0.5, 0.999)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_step_is_twice_the_direction_less_the_last_one(betas: tuple[float, float], decay: float) -> None:
    weight, reference = nn.Parameter(torch.tensor([1.0, -2.0]).double()), torch.tensor([1.0, -2.0]).double()
    optimizer = OptimisticAdam([weight], lr=0.1, betas=betas, eps=1e-3, weight_decay=decay)
    mean = square = last = torch.zeros(2).double()
    for step in range(1, 8):
        weight.grad = torch.tensor([math.sin(step), 0.1 * step]).double()
        gradient = weight.grad + decay * reference
        if step == 4:
            optimizer.param_groups[0]["lr"] = 0.02
        optimizer.step()
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        direction = mean / (1 - betas[0] ** step) / ((square / (1 - betas[1] ** step)).sqrt() + 1e-3)
        reference = reference - optimizer.param_groups[0]["lr"] * (2 * direction - last)
        last = direction
        torch.testing.assert_close(weight.detach(), reference, rtol=1e-12, atol=0)


def test_under_a_constant_gradient_it_is_adam_but_for_the_first_step() -> None:
    ours, theirs = (nn.Parameter(torch.zeros(3).double()) for _ in range(2))
    optimizers = OptimisticAdam([ours], lr=0.01), torch.optim.Adam([theirs], lr=0.01)
    for _ in range(10):
        for weight, optimizer in zip((ours, theirs), optimizers, strict=True):
            weight.grad = torch.tensor([1.0, -2.0, 0.5]).double()
            optimizer.step()
    torch.testing.assert_close(ours - theirs, torch.tensor([-0.01, 0.01, -0.01]).double())


def test_its_state_is_its_own_and_comes_back() -> None:
    weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
    first, second = (OptimisticAdam([weight], lr=0.1) for weight in weights)
    gradient = torch.tensor([0.3, -0.2])
    weights[0].grad = gradient
    first.step()
    kept = first.state[weights[0]]["direction"].clone()
    gradient.fill_(100.0)  # the next backward pass writes into the same tensor
    assert torch.equal(first.state[weights[0]]["direction"], kept)
    weights[1].data.copy_(weights[0].data)
    second.load_state_dict(deepcopy(first.state_dict()))
    for step in range(3):
        for weight, optimizer in zip(weights, (first, second), strict=True):
            weight.grad = torch.tensor([0.1 * step, -0.4])
            optimizer.step()
    assert torch.equal(*weights)


def test_a_closure_and_weights_without_a_gradient_are_as_for_any_optimiser() -> None:
    weight, idle = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(1.0))
    optimizer = OptimisticAdam([weight, idle], lr=0.1)

    def closure() -> Tensor:
        loss: Tensor = weight**2
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 4.0
    assert (float(weight.detach()), float(idle.detach())) == (pytest.approx(1.8), 1.0)
    assert OptimisticAdam([nn.Parameter(torch.ones(1))]).step() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, r"OptimisticAdam lr = -1\.0: expected a number of at least 0"),
        ({"eps": math.nan}, "OptimisticAdam eps = nan: expected a number of at least 0"),
        ({"weight_decay": -0.1}, r"OptimisticAdam weight_decay = -0\.1: expected a number of at least 0"),
        ({"betas": (-0.5, 0.9)}, r"OptimisticAdam betas = \(-0\.5, 0\.9\): expected two numbers in \[0, 1\)"),
    ],
)
def test_numbers_out_of_range_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        OptimisticAdam([nn.Parameter(torch.ones(1))], **options)
    with pytest.raises(UserError, match=f"optimizer_g of the generator: {message}"):
        linear_gan(optimizer_g=lambda parameters: OptimisticAdam(parameters, **options))


def test_a_file_may_name_it() -> None:
    naming = Naming("checkpoint x.ckpt", "optimizer_g", "lit_gan.optimizers.OptimisticAdam", "lit_gan")
    assert ImportPolicy().part(naming) is OptimisticAdam


# -- min_x max_y xy: what contracts, and at what rate


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (6, 0.25)])
def test_each_way_moves_at_the_rate_of_its_closed_form(rate: float, k: int, alpha: float) -> None:
    assert measured(rate, k, alpha) == pytest.approx(closed_forms(rate, k, alpha), rel=1e-9)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_which_of_them_contract(rate: float) -> None:
    rates = closed_forms(rate, 5, 0.5)
    contracting = {name for name, factor in rates.items() if factor < 1 - 1e-12}
    assert contracting == {"optimistic", "alternating optimistic", "lookahead, simultaneous", "lookahead, alternating"}
    assert rates["simultaneous"] > 1


def test_optimism_converges_up_to_a_rate_of_one_over_the_root_of_three() -> None:
    assert measured(0.577, 5, 0.5)["optimistic"] < 1 < measured(0.578, 5, 0.5)["optimistic"]


def test_with_a_large_epsilon_it_is_optimistic_gradient_descent() -> None:
    scale, rate = 1e9, 0.2
    x, y = (nn.Parameter(torch.tensor(1.0).double()) for _ in range(2))
    optimizers = [OptimisticAdam([each], lr=rate * scale, betas=(0.0, 0.9), eps=scale) for each in (x, y)]
    places = []
    for _ in range(200):
        x.grad, y.grad = y.detach().clone(), -x.detach().clone()
        for optimizer in optimizers:
            optimizer.step()
        places.append(math.hypot(x.item(), y.item()))
    # The dominant mode of a state that begins with no last gradient: its rate, once the other mode is gone.
    assert (places[199] / places[99]) ** 0.01 == pytest.approx(closed_forms(rate, 5, 0.5)["optimistic"], abs=1e-6)


class Point(nn.Module):
    """G(z) = x, whatever z is."""

    latent_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(1.0))

    def forward(self, z: Tensor) -> Tensor:
        return self.x.expand(len(z), 1, 1, 1)


class Slope(nn.Module):
    """D(v) = y v, as a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Parameter(torch.tensor(1.0))

    def forward(self, v: Tensor) -> Tensor:
        return self.y * v.flatten(1)


def played(rounds: int, rate: float, *callbacks: Any, optimistic: bool = False) -> Tensor:
    """The bilinear game as a GAN: data at 0, a Wasserstein critic; D, whose loss is halved, has twice the rate."""

    def optimizer(rate: float) -> Any:
        if optimistic:
            return lambda parameters: OptimisticAdam(parameters, lr=rate * 1e9, betas=(0.0, 0.9), eps=1e9)
        return lambda parameters: torch.optim.SGD(parameters, lr=rate)

    gan = GAN(Point(), Slope(), Normal(1), Wasserstein(), optimizer_g=optimizer(rate), optimizer_d=optimizer(2 * rate))
    zeros = loader(torch.zeros(2 * rounds, 1, 1, 1, dtype=torch.float64), batch_size=2)
    trainer(max_steps=rounds, callbacks=list(callbacks)).fit(gan, zeros)
    return torch.stack([gan.generator.x.detach(), gan.discriminator.y.detach()])


@pytest.mark.filterwarnings("ignore:under .* may grow ever steeper")
def test_a_gan_of_plain_steps_circles_and_those_with_optimism_or_lookahead_arrive() -> None:
    rate, rounds, rates = 0.2, 250, closed_forms(0.2, 5, 0.5)
    assert 0.5 < float(played(rounds, rate).norm()) < 2
    for name, found in {
        "alternating optimistic": [float(played(n, rate, optimistic=True).norm()) for n in (rounds - 100, rounds)],
        "lookahead, alternating": [float(played(n, rate, Lookahead()).norm()) for n in (rounds - 100, rounds)],
    }.items():
        # Both turn as they shrink, so that a distance has a share of the angle.
        assert (found[1] / found[0]) ** 0.01 == pytest.approx(rates[name], abs=0.004), name
        assert found[1] < 0.01


def test_simultaneous_steps_leave_by_the_root_of_one_plus_the_rate_squared() -> None:
    distances = (path(simultaneous(0.1), 50) ** 2).sum(1) ** 0.5
    assert distances[-1] / distances[0] == pytest.approx(1.01**25, rel=1e-9)
