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


def test_codes_hold_the_lengths_of_the_rows():
    coder = ProjectionCoder(principal_axes(ROWS, 16, 1.0))
    torch.testing.assert_close(coder.lengths(coder.encode(ROWS)), ROWS.double().norm(dim=1), rtol=1e-5, atol=0)
    assert coder.lengths(coder.encode(torch.zeros(1, 200))).item() == pytest.approx(0, abs=1e-30)
