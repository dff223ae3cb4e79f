"""V(D, G) and the bound that it implies."""

import math

import numpy as np
import torch

from lit_gan.functional.theory import jsd_lower_bound, value_function
from lit_gan.objectives import Minimax


def test_value_is_minus_twice_the_discriminators_loss() -> None:
    real, fake = torch.randn(50, 1, dtype=torch.float64), torch.randn(30, 1, dtype=torch.float64)
    torch.testing.assert_close(value_function(real, fake), -2 * Minimax().loss_d(real, fake))


def test_value_of_an_undecided_discriminator_is_minus_log_four() -> None:
    undecided = torch.zeros(4, 1)
    torch.testing.assert_close(value_function(undecided, undecided), torch.tensor(-math.log(4)))
    torch.testing.assert_close(jsd_lower_bound(value_function(undecided, undecided)), torch.tensor(0.0))


def test_bound_of_a_perfect_discriminator_is_log_two() -> None:
    certain = torch.full((4, 1), 100.0)
    torch.testing.assert_close(jsd_lower_bound(value_function(certain, -certain)), torch.tensor(math.log(2)))


def test_bound_is_the_divergence_at_the_optimal_discriminator() -> None:
    """Two distributions on four points: the optimal D gives JSD exactly, any other D less (eq. 2, 4-6)."""
    p_data = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    p_g = torch.tensor([0.4, 0.4, 0.1, 0.1], dtype=torch.float64)
    mixture = (p_data + p_g) / 2
    divergence = 0.5 * ((p_data * (p_data / mixture).log()).sum() + (p_g * (p_g / mixture).log()).sum())

    def bound(logits: torch.Tensor) -> torch.Tensor:
        # The counts of each point make the means below the expectations themselves.
        real = logits.repeat_interleave((p_data * 10).round().long())
        fake = logits.repeat_interleave((p_g * 10).round().long())
        return jsd_lower_bound(value_function(real, fake))

    optimal = (p_data / p_g).log()
    torch.testing.assert_close(bound(optimal), divergence)
    assert bound(optimal + 0.3) < divergence
    assert bound(0.5 * optimal) < divergence


def test_arrays_and_lists_are_taken() -> None:
    real, fake = [[0.5], [2.0]], np.array([[-1.0], [0.25]])
    expected = value_function(torch.tensor(real, dtype=torch.float64), torch.from_numpy(fake))
    assert torch.equal(value_function(real, fake), expected)
    assert torch.equal(jsd_lower_bound(expected.numpy()), jsd_lower_bound(expected))
