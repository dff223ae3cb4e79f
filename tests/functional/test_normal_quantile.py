"""The normal quantile by plain operations is torch's."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from lit_gan.functional.normal_quantile import normal_quantile


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 4e-15), (torch.float32, 1e-6)])
def test_it_is_torchs_from_the_middle_to_the_far_tails(dtype: torch.dtype, tolerance: float) -> None:
    far = 10.0 ** -torch.linspace(0.31, 300 if dtype == torch.float64 else 37, 2000, dtype=torch.float64)
    p = torch.cat([far, torch.linspace(1e-6, 1 - 1e-6, 5001, dtype=torch.float64)]).to(dtype)
    expected = torch.special.ndtri(p.double())
    torch.testing.assert_close(normal_quantile(p).double(), expected, rtol=tolerance, atol=tolerance)


def test_its_shape_and_type_are_those_of_the_probabilities() -> None:
    found = normal_quantile(torch.full((2, 3), 0.5))
    assert torch.equal(found, torch.zeros(2, 3))


@examples(100)
@given(st.floats(1e-300, 0.5, exclude_max=True), st.floats(1e-300, 0.5))
def test_of_any_probabilities_it_ascends_is_odd_and_leads_back(p: float, q: float) -> None:
    low, high = sorted((p, q))
    found = normal_quantile(torch.tensor([low, high, 1 - high], dtype=torch.float64)).tolist()
    assert found[0] <= found[1] <= 0
    # torch's own ndtr loses half of the digits in the tail.
    assert [math.erfc(-x / math.sqrt(2)) / 2 for x in found[:2]] == pytest.approx([low, high], rel=2e-11, abs=0)
    if high > 1e-4:  # nearer to 1 there are too few doubles
        assert found[2] == pytest.approx(-found[1], rel=1e-9, abs=1e-9)
