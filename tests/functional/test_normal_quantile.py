"""The normal quantile by plain operations is torch's."""

import pytest
import torch

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
