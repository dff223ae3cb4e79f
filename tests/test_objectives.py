"""The losses against closed forms in float64, at ordinary and at extreme logits."""

import math

import pytest
import torch
from torch import Tensor

from lit_gan.objectives import (
    FeatureMatching,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    RelativisticPairing,
    Wasserstein,
)

REAL = torch.tensor([[1.5], [-0.25], [3.0]], dtype=torch.float64)
FAKE = torch.tensor([[-2.0], [0.5], [1.25], [0.0]], dtype=torch.float64)


def reference_log_d(logits: Tensor) -> Tensor:
    return (1 / (1 + (-logits).exp())).log()


EXPECTED = {
    Minimax: (
        -0.5 * (reference_log_d(REAL).mean() + (1 - FAKE.sigmoid()).log().mean()),
        (1 - FAKE.sigmoid()).log().mean(),
    ),
    NonSaturating: (
        -0.5 * (reference_log_d(REAL).mean() + (1 - FAKE.sigmoid()).log().mean()),
        -FAKE.sigmoid().log().mean(),
    ),
    LeastSquares: (0.5 * (((REAL - 1) ** 2).mean() + (FAKE**2).mean()), 0.5 * ((FAKE - 1) ** 2).mean()),
    Hinge: (0.5 * ((1 - REAL).clamp(min=0).mean() + (1 + FAKE).clamp(min=0).mean()), -FAKE.mean()),
    Wasserstein: (0.5 * (FAKE.mean() - REAL.mean()), -FAKE.mean()),
}


@pytest.mark.parametrize("objective", EXPECTED, ids=lambda cls: cls.__name__)
def test_losses_are_the_formulas(objective: type[Objective]) -> None:
    loss_d, loss_g = EXPECTED[objective]
    torch.testing.assert_close(objective().loss_d(REAL, FAKE), loss_d, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(objective().loss_g(FAKE), loss_g, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("objective", EXPECTED, ids=lambda cls: cls.__name__)
def test_the_two_halves_weigh_the_same_whatever_their_sizes(objective: type[Objective]) -> None:
    repeated = objective().loss_d(REAL.repeat(7, 1), FAKE)
    torch.testing.assert_close(repeated, objective().loss_d(REAL, FAKE), rtol=1e-14, atol=1e-14)


# log(1 + e^-100) is 3.7e-44: where a loss is 0 to any float, where it is 100, and with which slope.
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("loss", "logit", "expected", "slope"),
    [
        ("minimax g", 100.0, -100.0, -1.0),
        ("minimax g", -100.0, -math.exp(-100), -math.exp(-100)),
        ("non-saturating g", -100.0, 100.0, -1.0),
        ("non-saturating g", 100.0, math.exp(-100), -math.exp(-100)),
        ("d real", -100.0, 50.0, -0.5),
        ("d real", 100.0, 0.5 * math.exp(-100), -0.5 * math.exp(-100)),
        ("d fake", 100.0, 50.0, 0.5),
        ("d fake", -100.0, 0.5 * math.exp(-100), 0.5 * math.exp(-100)),
    ],
)
def test_extreme_logits_give_exact_losses_and_gradients(
    loss: str, logit: float, expected: float, slope: float, dtype: torch.dtype
) -> None:
    logits = torch.full((2, 1), logit, dtype=dtype, requires_grad=True)
    certain = torch.full((2, 1), 1e4, dtype=dtype)  # the other half of D's loss is then exactly 0
    values = {
        "minimax g": lambda: Minimax().loss_g(logits),
        "non-saturating g": lambda: NonSaturating().loss_g(logits),
        "d real": lambda: Minimax().loss_d(logits, -certain),
        "d fake": lambda: NonSaturating().loss_d(certain, logits),
    }
    value = values[loss]()
    value.backward()
    # In float32 the tiny ones are denormal, with a handful of bits: there an absolute bound is the honest one.
    bounds = {"rtol": 1e-6, "atol": 1e-44} if dtype == torch.float32 else {"rtol": 1e-13, "atol": 0.0}
    torch.testing.assert_close(value.detach(), torch.tensor(expected, dtype=dtype), **bounds)
    torch.testing.assert_close(logits.grad.sum(), torch.tensor(slope, dtype=dtype), **bounds)


def test_at_zero_logits_d_pays_log_two() -> None:
    zeros = torch.zeros(5, 1)
    torch.testing.assert_close(Minimax().loss_d(zeros, zeros), torch.tensor(math.log(2)))
    torch.testing.assert_close(Minimax().loss_g(zeros), torch.tensor(-math.log(2)))
    torch.testing.assert_close(NonSaturating().loss_g(zeros), torch.tensor(math.log(2)))


def test_pairing_is_its_formula_row_by_row() -> None:
    paired = FAKE[:3]
    expected_d = 0.5 * (1 + (paired - REAL).exp()).log().mean()
    expected_g = (1 + (REAL - paired).exp()).log().mean()
    objective = RelativisticPairing()
    torch.testing.assert_close(objective.loss_d(REAL, paired), expected_d, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(objective.loss_g(paired, REAL), expected_g, rtol=1e-14, atol=1e-14)
    far = torch.full((2, 1), 1e4, dtype=torch.float64)
    assert objective.loss_d(far, -far) == 0
    assert objective.loss_g(-far, far) == 2e4


@pytest.mark.parametrize("objective", [*EXPECTED, FeatureMatching, RelativisticPairing], ids=lambda cls: cls.__name__)
def test_what_an_objective_says_of_its_logits_is_true_of_its_loss(objective: type[Objective]) -> None:
    def slopes(at: float) -> tuple[float, float]:
        real, fake = (torch.full((1, 1), at, dtype=torch.float64, requires_grad=True) for _ in range(2))
        by_real, by_fake = torch.autograd.grad(objective().loss_d(real, fake), (real, fake))
        return by_real.item(), by_fake.item()

    paired = FAKE[:3]
    loss, shifted = objective().loss_d(REAL, paired), objective().loss_d(REAL + 1, paired + 1)
    only_differences = torch.allclose(loss, shifted, rtol=1e-12, atol=0)
    assert (objective.decision_boundary is None) == only_differences
    if objective.decision_boundary is not None:  # where D stays that cannot tell the two apart
        assert sum(slopes(objective.decision_boundary)) == pytest.approx(0, abs=1e-15)
    # Where data are four times as likely as samples, the best D says log 4 if logits are log-odds.
    real, fake = slopes(math.log(4))
    best = not only_differences and abs(0.8 * real + 0.2 * fake) < 1e-15
    assert objective.logits_are_log_odds == best
    endless = objective().loss_d(1e6 * REAL, 1e6 * paired) < -1e3
    assert objective.needs_bounded_slope == endless
