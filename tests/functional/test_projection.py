import pytest
import torch
from parzen_reference import image_like

from lit_gan.functional.projection import ProjectionCoder, principal_axes

ROWS = image_like(500, 200, seed=7)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_axes_are_orthonormal_and_hold_what_was_asked_for_at_every_scale(scale):
    axes = principal_axes(ROWS.double() * scale, 64, 0.3)
    centred = ROWS.double() - ROWS.double().mean(0)
    held = (centred @ axes.double()).square().sum() / centred.square().sum()
    assert held > 0.7
    torch.testing.assert_close(axes.T @ axes, torch.eye(axes.shape[1]), rtol=0, atol=1e-5)


def test_no_more_axes_are_taken_than_are_needed():
    narrow = image_like(500, 200, seed=7, rank=3)
    singular = torch.linalg.svdvals((narrow - narrow.mean(0)).double()).square()
    for rest in (0.5, 0.3, 0.2):
        needed = int((singular.cumsum(0) < (1 - rest) * singular.sum()).sum()) + 1
        assert 0 <= principal_axes(narrow, 160, rest).shape[1] - needed < 32


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_axes_hold_as_much_as_the_principal_ones_wherever_the_rows_lie(shift):
    """By a decomposition of the whole: variances that fall by a tenth from one axis to the next."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(600, 120, generator=generator, dtype=torch.float64) * 0.9 ** torch.arange(120.0) + shift
    variances = torch.linalg.svdvals(rows - rows.mean(0)).square()
    for count in (16, 32, 48):
        rest = 1.02 * float(variances[count:].sum() / variances.sum())
        axes = principal_axes(rows, 100, rest)
        assert axes.shape == (120, count)
        held = ((rows - rows.mean(0)) @ axes.double()).square().sum()
        assert held >= 0.999 * variances[:count].sum()
        assert principal_axes(rows, count, 0.9 * rest) is None
        few = principal_axes(rows, count, rest)  # from no more rows than it may have axes, and a few
        assert few is not None
        assert ((rows - rows.mean(0)) @ few.double()).square().sum() >= 0.99 * variances[:count].sum()


@pytest.mark.parametrize(("rows", "most", "there"), [(40, 32, True), (39, 32, False), (40, 47, True), (40, 48, False)])
def test_axes_need_a_few_rows_and_dimensions_more_than_there_are_of_them(rows, most, there):
    assert (principal_axes(ROWS[:rows], most, 1.0) is not None) == there
    assert (principal_axes(ROWS[:, :rows], most, 1.0) is not None) == there


def test_axes_are_the_same_every_time_and_draw_no_random_number():
    state = torch.random.get_rng_state()
    assert torch.equal(principal_axes(ROWS, 32, 1.0), principal_axes(ROWS, 32, 1.0))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("rows", "most"),
    [(torch.rand(500, 200), 64), (ROWS, 15), (ROWS[:30], 64), (ROWS[:, :60], 64)],
    ids=["noise", "too few asked for", "too few rows", "too few dimensions"],
)
def test_there_are_none_where_few_do_not_suffice(rows, most):
    assert principal_axes(rows, most, 0.08) is None


@pytest.mark.parametrize("rows", [torch.zeros(100, 80), torch.full((100, 80), 0.3)], ids=["zero", "constant"])
def test_rows_that_do_not_vary_have_axes_that_shorten_distances(rows):
    axes = principal_axes(rows, 16, 0.08)
    assert axes is None or bool((axes.double().T @ axes.double()).isfinite().all())


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1.0, 1e10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_no_distance_of_codes_exceeds_the_true_one_by_more_than_their_residuals(scale, dtype):
    axes = principal_axes(ROWS, 64, 1.0)
    skewed = axes + 1e-4 * torch.randn(axes.shape, generator=torch.Generator().manual_seed(1))  # not orthonormal
    scale = min(scale, 1.0) if dtype == torch.float16 else scale
    x, centres = (ROWS[:100] * scale).to(dtype), (ROWS[100:] * scale).to(dtype)
    # What lies in the span of the axes keeps its distance: there the residuals are all that is left.
    inside = (ROWS[:100] * scale) @ axes @ axes.T
    for coder, left in ((ProjectionCoder(axes), x), (ProjectionCoder(skewed), x), (ProjectionCoder(axes), inside)):
        codes = coder.encode(left), coder.encode(centres)
        coded, true = (
            torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
            for a, b in ((codes[0].values, codes[1].values), (left, centres))
        )
        assert bool((coded <= true + codes[0].residuals[:, None] + codes[1].residuals).all())


def test_members_are_coded_as_they_are_among_all():
    coder, members = ProjectionCoder(principal_axes(ROWS, 16, 1.0)), torch.tensor([3, 1, 499, 3])
    for part, whole in zip(coder.encode(ROWS, members), coder.encode(ROWS), strict=True):
        assert torch.equal(part, whole[members])


@pytest.mark.parametrize("defect", [0.0, 3e-3])
def test_the_residual_of_a_projection_is_the_defect_of_its_axes_and_the_rounding_of_its_products(defect):
    axes = torch.eye(200)[:, :16].clone()
    axes[5, 5] += defect
    code = ProjectionCoder(axes).encode(torch.full((1, 200), 2.0))
    defect_of_squares = 2 * defect + defect**2  # the one entry in which the products of the axes are not one or zero
    expected = (defect_of_squares + 208 * 4 * torch.finfo(torch.float32).eps) * 2 * 200**0.5
    assert code.residuals.item() == pytest.approx(expected, rel=1e-4)


def test_no_row_is_too_short_for_a_residual():
    code = ProjectionCoder(principal_axes(ROWS, 16, 1.0)).encode(torch.zeros(1, 200))
    assert 1e-22 < code.residuals.item() < 1e-18


def test_codes_hold_the_lengths_of_the_rows():
    coder = ProjectionCoder(principal_axes(ROWS, 16, 1.0))
    torch.testing.assert_close(coder.lengths(coder.encode(ROWS)), ROWS.double().norm(dim=1), rtol=1e-5, atol=0)
    assert coder.lengths(coder.encode(torch.zeros(1, 200))).item() == pytest.approx(0, abs=1e-30)
