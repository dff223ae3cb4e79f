import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parzen_reference import image_like, reference_log_likelihood
from properties import examples, numbers
from sklearn.datasets import load_digits

from lit_gan.errors import UserError
from lit_gan.functional import (
    PAPER_SIGMAS,
    fit_sigma,
    paired_standard_error,
    parzen_log_likelihood,
    select_sigma,
    standard_error,
)
from lit_gan.functional.matmul import int8_matmul_is_exact
from lit_gan.functional.parzen_windows import ParzenWindows

pytestmark = pytest.mark.usefixtures("one_thread")

DRAWS = torch.Generator().manual_seed(0)  # of its own: what else has drawn before this file must not matter


def heavy_tailed(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=DRAWS) / torch.rand(rows, 1, generator=DRAWS)


IMAGES, OTHERS = image_like(120, seed=1), image_like(2000, seed=2)
BYTES = (IMAGES * 255).round() / 255, (OTHERS * 255).round() / 255
CASES = {
    "images": (IMAGES, OTHERS),
    "bytes": BYTES,
    "bytes against floats": (BYTES[0], OTHERS),
    "constant samples": (IMAGES, torch.full((2000, 64), 0.3)),
    "all zero": (torch.zeros(20, 64), torch.zeros(500, 64)),
    "each sample 500 times": (IMAGES, OTHERS[:4].repeat(500, 1)),
    "near copies": (IMAGES, OTHERS[:20].repeat(100, 1) + 1e-4 * torch.rand(2000, 64, generator=DRAWS)),
    "one centre": (IMAGES, OTHERS[:1]),
    "one row": (IMAGES[:1], OTHERS),
    "15 centres": (IMAGES, OTHERS[:15]),
    "17 centres": (IMAGES, OTHERS[:17]),
    "rows among the centres": (OTHERS[:100], OTHERS),
    "D = 1": (IMAGES[:, :1], OTHERS[:, :1]),
    "D = 7": (IMAGES[:, :7], OTHERS[:, :7]),
    "D = 3072": (image_like(20, 3072, seed=3), image_like(300, 3072, seed=4)),
    "offset 1000": (IMAGES + 1000, OTHERS + 1000),
    "outlier 1000": (IMAGES, torch.cat([OTHERS, torch.full((1, 64), 1e3)])),
    "heavy tails": (heavy_tailed(50, 64), heavy_tailed(800, 64)),
    "far apart": (IMAGES + 5, OTHERS),
    "tiny values": (IMAGES * 1e-20, OTHERS * 1e-20),
    "rows with a huge value": (torch.cat([IMAGES, IMAGES[:1] * 1e17]), OTHERS),
    "samples outside [0, 1]": (IMAGES, 3 * OTHERS - 1),
    "rows that are copies": (IMAGES[:3].repeat(40, 1), OTHERS),
    "noise": (torch.rand(60, 96, generator=DRAWS), torch.rand(900, 96, generator=DRAWS)),
    "float64": (IMAGES.double() + 1e-9, OTHERS.double()),
    "float16": (IMAGES.half(), OTHERS.half()),
    "bfloat16": (IMAGES.bfloat16(), OTHERS.bfloat16()),
    "images of three dimensions": (IMAGES.view(-1, 1, 8, 8), OTHERS.view(-1, 1, 8, 8)),
    "not contiguous": (IMAGES.T.contiguous().T, OTHERS.flip(1)),
}


@pytest.fixture(params=["int8", "float32", "projected"])
def screen(request, monkeypatch):
    """All screens: that of CPUs with VNNI, that of all other devices, and that along few axes, of CPUs."""
    if request.param == "int8":
        if not int8_matmul_is_exact("cpu"):
            pytest.skip("this CPU has no exact int8 product")
    elif request.param == "projected":
        for name, value in {"_LEAST_PAIRS": 0, "_LEAST_SHARE": 3, "_REST": 1.1}.items():
            monkeypatch.setattr(f"lit_gan.functional.parzen_search.{name}", value)
        monkeypatch.setattr("lit_gan.functional.parzen_search.int8_speedup", lambda depth: 0.0)
    else:
        monkeypatch.setattr("lit_gan.functional.vector_codes.int8_matmul_is_exact", lambda device: False)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sigma", [1e-3, 0.02, 0.3, 1e4])
def test_log_likelihood_is_that_of_the_formula(screen, case, sigma):
    x, centres = CASES[case]
    scores = parzen_log_likelihood(x, centres, sigma)
    assert scores.dtype == torch.float64
    # Relative too, because float64 itself holds -5.8e7 nats to 1e-8 only.
    torch.testing.assert_close(scores, reference_log_likelihood(x, centres, sigma), rtol=1e-12, atol=1e-9)


def test_a_vanishing_width_gives_a_finite_number():
    scores = parzen_log_likelihood(IMAGES, OTHERS, 1e-8)
    torch.testing.assert_close(scores, reference_log_likelihood(IMAGES, OTHERS, 1e-8), rtol=1e-13, atol=0)


@pytest.mark.parametrize("seed", range(8))
def test_random_shapes_scales_and_widths_agree_with_the_formula(seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        depth, rows, num = rng.integers(1, 90), rng.integers(1, 20), rng.integers(1, 400)
        scale, offset = 10 ** rng.uniform(-3, 3), rng.uniform(-1e3, 1e3)
        sigma = scale * 10 ** rng.uniform(-2, 1)
        x, centres = (torch.from_numpy(rng.random((n, depth)) * scale + offset).float() for n in (rows, num))
        expected = reference_log_likelihood(x, centres, sigma)
        torch.testing.assert_close(parzen_log_likelihood(x, centres, sigma), expected, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.02, 1.0])
def test_neither_batches_nor_the_order_of_centres_change_a_bit(sigma):
    whole = parzen_log_likelihood(IMAGES, OTHERS, sigma)
    shuffled = OTHERS[torch.randperm(2000)]
    assert torch.equal(parzen_log_likelihood(IMAGES, shuffled, sigma), whole)
    if sigma == 0.02:  # narrow: by pairs. Wide windows go through matrix products, whose bits depend on the shape.
        parts = [parzen_log_likelihood(part, OTHERS, sigma) for part in IMAGES.split(7)]
        assert torch.equal(torch.cat(parts), whole)


def test_the_number_of_threads_does_not_change_a_bit():
    x, centres = image_like(1500, 100, seed=5), image_like(3000, 100, seed=6)
    before = torch.get_num_threads()
    scores = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        scores.append(parzen_log_likelihood(x, centres, 0.02))
    torch.set_num_threads(before)
    assert torch.equal(scores[0], scores[1])
    assert torch.equal(scores[0], scores[2])


def test_more_centres_than_one_shard_are_summed_exactly(monkeypatch):
    whole = parzen_log_likelihood(IMAGES, OTHERS, 0.02)
    monkeypatch.setattr("lit_gan.functional.parzen_windows.SHARD", 300)
    assert torch.equal(parzen_log_likelihood(IMAGES, OTHERS, 0.02), whole)
    wide = parzen_log_likelihood(IMAGES, OTHERS, 1.0)
    torch.testing.assert_close(wide, reference_log_likelihood(IMAGES, OTHERS, 1.0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.02, 1.0])
def test_autocast_precision_inference_and_deterministic_mode_do_not_change_a_bit(screen, sigma):
    plain = parzen_log_likelihood(IMAGES, OTHERS, sigma)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(parzen_log_likelihood(IMAGES, OTHERS, sigma), plain)
    with torch.inference_mode():
        assert torch.equal(parzen_log_likelihood(IMAGES.clone(), OTHERS.clone(), sigma), plain)
    try:
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True)
        assert torch.equal(parzen_log_likelihood(IMAGES, OTHERS, sigma), plain)
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.use_deterministic_algorithms(False)


def test_inputs_are_left_as_they_were_and_no_graph_is_kept():
    x, centres = IMAGES.clone().requires_grad_(), OTHERS.clone().requires_grad_()
    assert not parzen_log_likelihood(x, centres, 0.3).requires_grad
    assert torch.equal(x, IMAGES)
    assert torch.equal(centres, OTHERS)


def test_density_integrates_to_one():
    centres = torch.tensor([[0.2], [0.4], [0.4]])
    x = torch.linspace(-3, 4, 20_001, dtype=torch.float64)[:, None]
    assert torch.trapezoid(parzen_log_likelihood(x, centres, 0.1).exp(), x[:, 0]).item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("sigma", [0.1, "selected"])
def test_the_protocol_on_real_digits_is_that_of_the_formula(sigma):
    images = torch.from_numpy(load_digits().images).float().flatten(1) / 16
    centres, val, test = images[:1000], images[1000:1300], images[1300:]
    means = [reference_log_likelihood(val, centres, s).mean().item() for s in PAPER_SIGMAS]
    best = PAPER_SIGMAS[int(np.argmax(means))]
    if sigma == "selected":
        sigma = select_sigma(val, centres)
        assert sigma == best
    scores, expected = (
        parzen_log_likelihood(test, centres, sigma),
        reference_log_likelihood(test, centres, sigma),
    )
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-9)


def test_the_papers_grid_is_that_of_its_code():
    assert tuple(np.logspace(-1, 0, 10)) == PAPER_SIGMAS


@pytest.mark.parametrize(
    "case", ["images", "bytes", "each sample 500 times", "near copies", "one centre", "D = 1", "far apart"]
)
@pytest.mark.parametrize("grid", [PAPER_SIGMAS, [0.02, 0.021, 0.022, 0.05], [1.0, 0.1, 0.1]])
def test_selected_sigma_is_the_argmax_of_the_mean(screen, case, grid):
    x, centres = CASES[case]
    means = [reference_log_likelihood(x, centres, sigma).mean().item() for sigma in grid]
    assert select_sigma(x, centres, grid) == grid[int(np.argmax(means))]


def test_the_first_of_equal_widths_is_selected():
    # At distance d in one dimension two widths tie where d^2 (1/a^2 - 1/b^2) = 2 log(b/a).
    distance = math.sqrt(2 * math.log(2) / (1 - 1 / 4))
    x, centre = torch.tensor([[distance]], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    first, second = (parzen_log_likelihood(x, centre, sigma).item() for sigma in (1.0, 2.0))
    assert first == pytest.approx(second, abs=1e-15)
    assert select_sigma(x, centre, [1.0, 1.0]) == 1.0


@pytest.mark.parametrize("case", ["images", "near copies", "each sample 500 times", "D = 7"])
def test_fitted_sigma_maximises_the_mean(case):
    x, centres = CASES[case]
    sigma = fit_sigma(x, centres)
    best, below, above = (
        reference_log_likelihood(x, centres, sigma * factor).mean().item() for factor in (1, 0.999, 1.001)
    )
    assert best > below
    assert best > above
    assert best >= max(reference_log_likelihood(x, centres, s).mean().item() for s in PAPER_SIGMAS)


def test_fitting_a_width_to_rows_that_are_centres_is_refused():
    with pytest.raises(UserError, match="every validation row is also among the centres"):
        fit_sigma(OTHERS[:10], OTHERS)


def test_standard_error_is_that_of_the_authors():
    values = torch.randn(1000, dtype=torch.float64)
    assert standard_error(values) == pytest.approx(values.numpy().std() / np.sqrt(1000), rel=1e-12)
    assert standard_error(values) == standard_error(values.flip(0))


@pytest.mark.parametrize(
    ("rows", "centres", "depth", "steps"),
    [(200, 2000, 3, 9), (200, 2000, 8, 8), (100, 3000, 1, 20), (200, 1000, 16, 6)],
)
def test_em_is_at_the_maximum_after_few_steps(
    rows: int, centres: int, depth: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many centres share a row: plain steps take 117, 35, over 400 and 15."""
    rng, taken = torch.Generator().manual_seed(depth), []
    x, means = (torch.randn(num, depth, generator=rng) for num in (rows, centres))
    step = ParzenWindows._em_gain
    monkeypatch.setattr(ParzenWindows, "_em_gain", lambda *given: taken.append(step(*given)) or taken[-1])
    sigma = fit_sigma(x, means)

    def average(width: float) -> float:
        return float(reference_log_likelihood(x, means, width).mean())

    assert len(taken) <= steps
    assert abs(taken[-1]) <= 1e-6
    near = [average(sigma * factor) for factor in (1 - 1e-4, 1.0, 1 + 1e-4)]
    # Within a hundredth of the step on either side of the top of the parabola through the three.
    curvature, slope = near[0] - 2 * near[1] + near[2], (near[2] - near[0]) / 2
    assert curvature < 0
    assert abs(slope / curvature) < 0.02


def test_paired_standard_error_cancels_what_the_rows_have_in_common():
    rows, model = torch.randn(1000).double() * 200, torch.randn(1000).double()
    assert paired_standard_error(rows, rows + model) == pytest.approx(standard_error(model), rel=1e-9)
    with pytest.raises(UserError, match="first has 1000 log-likelihoods, second has 3"):
        paired_standard_error(rows, rows[:3])
    for pair, name in ((([["a"]], [0.0]), "first"), (([0.0], [["a"]]), "second")):
        with pytest.raises(UserError, match=f"^{name} is "):
            paired_standard_error(*pair)


def test_standard_errors_of_float32_are_those_of_the_same_numbers_in_float64() -> None:
    rows, model = torch.randn(1000, generator=DRAWS) * 200, torch.randn(1000, generator=DRAWS)
    wide = rows.double(), model.double()
    assert standard_error(rows) == standard_error(wide[0])
    for first, second in ((rows, wide[1]), (wide[0], model), (rows, model)):
        assert paired_standard_error(first, second) == standard_error(wide[0] - wide[1])


@pytest.mark.parametrize(
    ("x", "centres", "sigma", "message"),
    [
        (IMAGES, OTHERS, 0.0, "sigma = 0.0: expected a positive, finite width"),
        (IMAGES, OTHERS, -1.0, "sigma = -1.0"),
        (IMAGES, OTHERS, math.nan, "sigma = nan"),
        (IMAGES, OTHERS, math.inf, "sigma = inf"),
        (IMAGES, OTHERS[:, :9], 1.0, "x has 64 values per row, centres have 9"),
        (IMAGES[0], OTHERS, 1.0, r"x has shape \(64,\): expected \(N, ...\)"),
        (IMAGES, OTHERS[:0], 1.0, r"centres has shape \(0, 64\)"),
        (IMAGES.to(torch.uint8), OTHERS, 1.0, "x has dtype torch.uint8: expected floating-point"),
        (
            IMAGES,
            OTHERS.clone().index_fill_(0, torch.tensor([3]), math.nan),
            1.0,
            "centres holds values that are not",
        ),
        (
            IMAGES.clone().index_fill_(0, torch.tensor([3]), math.inf),
            OTHERS,
            1.0,
            "x holds values that are not finite",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_the_users_words(x, centres, sigma, message):
    with pytest.raises(UserError, match=message):
        parzen_log_likelihood(x, centres, sigma)


def test_an_empty_grid_is_refused():
    with pytest.raises(UserError, match="grid is empty"):
        select_sigma(IMAGES, OTHERS, [])


def test_evaluation_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parzen_log_likelihood(IMAGES, OTHERS, 0.3)


@pytest.mark.parametrize("kind", ["float32", "float64", "big-endian", "read only", "list"])
def test_arrays_and_lists_give_what_tensors_give(kind):
    def given(rows):
        array = rows.numpy().astype({"float32": "f4", "big-endian": ">f4"}.get(kind, "f8"))
        array.setflags(write=kind != "read only")
        return array.tolist() if kind == "list" else array

    x, centres = given(IMAGES), given(OTHERS)
    scores = parzen_log_likelihood(x, centres, 0.2)
    assert torch.equal(scores, parzen_log_likelihood(IMAGES, OTHERS, 0.2))
    assert select_sigma(x, centres) == select_sigma(IMAGES, OTHERS)
    assert fit_sigma(x, centres) == fit_sigma(IMAGES, OTHERS)
    assert standard_error(given(scores)) == standard_error(
        torch.tensor(np.asarray(given(scores)).tolist(), dtype=scores.dtype)
    )
    assert paired_standard_error(scores.numpy(), given(scores * 0)) == standard_error(scores)


def test_arrays_that_cannot_be_evaluated_are_told():
    for x, message in (
        (np.array([["a"]]), "x is an array of <U1: expected a tensor, an array or a list of numbers"),
        (np.zeros((2, 64), np.uint8), r"x has dtype torch.uint8: expected floating-point values \(bytes divided by"),
    ):
        with pytest.raises(UserError, match=message):
            parzen_log_likelihood(x, OTHERS, 0.2)


@examples(25)
@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 5), st.integers(0, 99), numbers(0.125, 8))
def test_of_any_rows_it_is_the_density_whatever_their_unit_order_and_place(num, centres, depth, seed, sigma):
    rng = torch.Generator().manual_seed(seed)
    x, means = (torch.rand(n, depth, generator=rng, dtype=torch.float64) for n in (num, centres))
    found = parzen_log_likelihood(x, means, sigma)
    squares = (x[:, None] - means[None]).square().sum(-1) / sigma**2
    norm = math.log(centres) + depth * math.log(sigma * math.sqrt(2 * math.pi))
    torch.testing.assert_close(found, (-squares / 2).logsumexp(1) - norm, rtol=1e-9, atol=1e-9)
    assert torch.equal(parzen_log_likelihood(x.flip(0), means.flip(0), sigma).flip(0), found)
    scaled = parzen_log_likelihood(4 * x + 3, 4 * means + 3, 4 * sigma) + depth * math.log(4)
    torch.testing.assert_close(scaled, found, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(parzen_log_likelihood(x, means.repeat(3, 1), sigma), found, rtol=1e-9, atol=1e-9)
