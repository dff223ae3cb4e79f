import pytest
import torch

from lit_gan.functional.vector_codes import Float32Coder, Int8Coder, coder_for

X, M = torch.rand(40, 77) * 3 - 1, torch.rand(50, 77) * 3 - 1
CODERS = [Int8Coder(-1.0, 2.0, 77), Int8Coder(-0.2, 0.5, 77), Float32Coder(torch.full((77,), 0.5))]


def product(coder, left, right):
    out = torch.empty(left.values.shape[0], right.values.shape[0], dtype=coder.product_dtype)
    coder.multiply(left.values, right.values, out)
    return out.double()


@pytest.mark.parametrize("coder", CODERS)
def test_coded_distances_are_within_the_residuals_of_the_true_ones(coder):
    left, right = coder.encode(X), coder.encode(M)
    exact = left.norms[:, None] + right.norms - 2 * left.values.double() @ right.values.double().T
    true = torch.cdist(X.double(), M.double(), compute_mode="donot_use_mm_for_euclid_dist") / coder.step
    slack = left.residuals[:, None] + right.residuals
    assert bool(((exact.clamp_min(0).sqrt() - true).abs() <= slack + 1e-9).all())


@pytest.mark.parametrize("coder", CODERS)
def test_the_error_of_products_is_within_its_bound(coder):
    left, right = coder.encode(X), coder.encode(M)
    difference = 2 * (product(coder, left, right) - left.values.double() @ right.values.double().T)
    assert bool((difference.abs() <= coder.product_error(left, right)[:, None]).all())


@pytest.mark.parametrize("coder", CODERS)
def test_members_are_coded_as_they_are_among_all(coder):
    members = torch.tensor([3, 1, 39])
    for part, whole in zip(coder.encode(X, members), coder.encode(X), strict=True):
        assert torch.equal(part, whole[members])


@pytest.mark.parametrize("coder", CODERS)
def test_rounding_to_the_type_of_products_never_goes_down(coder):
    values = torch.tensor([-1e8 - 0.3, -0.5, 0.0, 1 / 3, 123456789.1], dtype=torch.float64)
    assert bool((coder.ceil(values).double() >= values).all())


def test_bytes_lie_on_the_int8_grid():
    x = torch.arange(256).float()[None] / 255
    assert Int8Coder(0.0, 1.0, 256).encode(x).residuals.item() < 0.1


def test_values_too_deep_for_int32_are_coded_in_float32():
    assert isinstance(coder_for(torch.zeros(2, 140_000), 0.0, 1.0), Float32Coder)
