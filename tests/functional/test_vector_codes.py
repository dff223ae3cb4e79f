import pytest
import torch

from lit_gan.functional import vector_codes
from lit_gan.functional.vector_codes import Code, Float32Coder, Int8Coder, coder_for, tiles

EPS = torch.finfo(torch.float32).eps

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


# Where float32 has many steps for one of the code, few, or its range lies far from zero; and rows beyond the range.
RANGES = [
    (0.0, 1.0),
    (-1.0, 1.0),
    (0.0, 1e4),
    (-1e4, 0.0),
    (1000.0, 1001.0),
    (-1001.0, -1000.0),
    (-3.0, 5.0),
    (0.2, 0.2),
]


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("depth", [1, 16, 77, 300])
def test_an_int8_residual_is_no_less_than_the_distance_to_the_code_and_little_more(low, high, depth):
    generator = torch.Generator().manual_seed(depth)
    width = max(high - low, 1e-3)
    x = low + width * (1.4 * torch.rand(600, depth, dtype=torch.float64, generator=generator) - 0.2)
    x[:300].clamp_(low, high)
    coder = Int8Coder(low, high, depth)
    code = coder.encode(x)
    decoded = (code.values[:, :depth].double() + 128) * coder.step + low
    distances = (x - decoded).square().sum(1).sqrt() / coder.step
    unit = EPS * max(abs(low), abs(high), high - low) / coder.step
    assert bool((code.residuals >= distances).all())
    assert bool((code.residuals <= distances * (1 + 4 * depth * EPS) + 20 * unit * depth**0.5).all())


@pytest.mark.parametrize("depth", [1, 15, 16, 17, 31])
def test_int8_codes_are_padded_with_what_adds_nothing(depth):
    code = Int8Coder(-1.0, 2.0, depth).encode(X[:, :depth].contiguous())
    assert code.values.shape == (40, 16 if depth <= 16 else 32)
    assert not code.values[:, depth:].any()
    assert torch.equal(code.norms, code.values.double().square().sum(1))


@pytest.mark.parametrize("origin", [0.5, -1000.0])
def test_a_float32_residual_is_no_less_than_what_is_rounded_off_and_little_more(origin):
    x = 1e4 * torch.rand(600, 77, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 5e3
    code = Float32Coder(torch.full((77,), origin)).encode(x)
    distances = (x - (code.values.double() + origin)).square().sum(1).sqrt()
    assert code.values.dtype == torch.float32
    assert torch.equal(code.norms, code.values.double().square().sum(1))
    assert bool((code.residuals >= distances).all())
    assert bool((code.residuals <= 8 * distances).all())


def test_the_bound_on_products_is_the_classical_one_twice_and_a_few_roundings():
    def code(*norms):
        return Code(torch.zeros(len(norms), 10), torch.tensor(norms, dtype=torch.float64), torch.zeros(len(norms)))

    bound = Float32Coder(torch.zeros(10)).product_error(code(4.0, 9.0, 0.0), code(1.0, 25.0, 16.0))
    tiny = 20 * torch.finfo(torch.float32).tiny
    expected = [20 * EPS * 5 * norm + tiny + 8 * EPS * (norm**2 + 25) for norm in (2, 3, 0)]
    torch.testing.assert_close(bound, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)
    assert Int8Coder(0.0, 1.0, 10).product_error(code(4.0, 9.0), code(1.0)).tolist() == [0.0, 0.0]


def test_rounding_up_goes_to_the_next_number_that_products_have():
    values = torch.tensor([-1e8 - 0.3, -0.5, 0.0, 1 / 3, 7.0, 123456789.1], dtype=torch.float64)
    whole = Int8Coder(0.0, 1.0, 5).ceil(values)
    assert whole.dtype == torch.int32
    assert whole.tolist() == [-100_000_000, 0, 0, 1, 7, 123_456_790]
    assert Int8Coder(0.0, 1.0, 5).ceil(torch.tensor([-1e12, 1e12]).double()).tolist() == [-(2**30), 2**30]
    single = Float32Coder(torch.zeros(5)).ceil(values).double()
    room = 2 * EPS * values.abs()  # for another operation in float32
    assert bool((single >= values + room).all())
    assert bool((single <= values + 4 * room).all())


@pytest.mark.parametrize(("num", "depth"), [(0, 5), (1, 1), (255, 3), (257, 3), (1000, 784), (30, 100_000), (3, 10**7)])
def test_parts_of_rows_are_all_rows_once_and_small(num, depth):
    parts = [list(range(num))[part] for part in tiles(num, depth)]
    assert [row for part in parts for row in part] == list(range(num))
    assert all(len(part) == 1 or len(part) * depth <= 2**20 for part in parts)
    assert all(len(part) <= 256 for part in parts)


def test_codes_in_int8_are_as_deep_as_int32_holds_what_is_made_of_their_products(monkeypatch):
    """A norm less twice a product, both of at most 128^2 D, and a threshold as large as 2^30."""
    monkeypatch.setattr(vector_codes, "int8_matmul_is_exact", lambda _: True)
    depths = [
        depth for depth in range(21_000, 23_000) if isinstance(coder_for(torch.zeros(1, depth), 0.0, 1.0), Int8Coder)
    ]
    assert depths[0] == 21_000
    deepest = -(-depths[-1] // 16) * 16
    assert 3 * 128**2 * deepest <= 2**30 < 3 * 128**2 * (deepest + 32)


@pytest.mark.parametrize("exact", [True, False])
def test_the_coder_has_the_range_or_its_middle(exact, monkeypatch):
    monkeypatch.setattr(vector_codes, "int8_matmul_is_exact", lambda _: exact)
    centres = torch.tensor([[0.0, 4.0, 1.0], [2.0, 8.0, 1.0], [0.5, 7.0, 1.0]])
    coder = coder_for(centres, -1.0, 9.0)
    assert coder.step == pytest.approx(10 / 255 if exact else 1.0)
    if exact:
        assert coder.encode(torch.tensor([[-1.0, 9.0, 4.02]])).values[0, :3].tolist() == [-128, 127, 0]
    else:
        assert torch.equal(coder.encode(centres).values, centres - torch.tensor([1.0, 6.0, 1.0]))


def test_bytes_lie_on_the_int8_grid():
    x = torch.arange(256).float()[None] / 255
    assert Int8Coder(0.0, 1.0, 256).encode(x).residuals.item() < 0.1


def test_values_too_deep_for_int32_are_coded_in_float32():
    assert isinstance(coder_for(torch.zeros(2, 140_000), 0.0, 1.0), Float32Coder)
