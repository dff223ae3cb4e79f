import copy
import math
import pickle
import warnings

import matplotlib as mpl
import numpy as np
import pytest
import torch
from parzen_reference import image_like, reference_log_likelihood
from torchmetrics import MetricCollection

from lit_gan.errors import UserError
from lit_gan.functional import PAPER_SIGMAS
from lit_gan.metrics import ParzenNLL, ParzenWarning

pytestmark = pytest.mark.usefixtures("one_thread")

VAL, TEST, SAMPLES = image_like(60, seed=1), image_like(151, seed=2), image_like(500, seed=3)
GRID = [0.01, 0.02, 0.04, 0.08, 0.2]


def filled(metric, size=1000, order=None):
    order = torch.arange(500) if order is None else order
    for batch in SAMPLES[order].split(size):
        metric.update(batch, real=False)
    for batch in TEST[order[order < 151]].split(size):
        metric.update(batch, real=True)
    for batch in VAL[order[order < 60]].split(size):
        metric.update(batch, real=True, split="val")
    return metric


def values(metric):
    return {name: value.item() for name, value in metric.compute().items()}


@pytest.fixture(params=["memory", "disk"])
def scratch(request, tmp_path, monkeypatch):
    """Both places where samples wait; small shards, so that there are several."""
    monkeypatch.setattr("lit_gan.metrics.sample_file.SHARD", 200)
    return {} if request.param == "memory" else {"scratch_dir": tmp_path}


def test_the_result_is_the_papers_protocol(scratch):
    result = filled(ParzenNLL(GRID, **scratch)).compute()
    means = [reference_log_likelihood(VAL, SAMPLES, sigma).mean().item() for sigma in GRID]
    sigma = GRID[int(np.argmax(means))]
    expected = reference_log_likelihood(TEST, SAMPLES, sigma).numpy()
    assert result["sigma"] == sigma
    assert result["num_centres"] == 500
    assert result["nll"].item() == pytest.approx(-expected.mean(), abs=1e-9)
    assert result["se"].item() == pytest.approx(expected.std() / math.sqrt(151), abs=1e-9)
    assert {value.dtype for value in result.values()} == {torch.float64}
    assert {value.ndim for value in result.values()} == {0}


def test_the_default_grid_is_the_papers():
    assert ParzenNLL().sigmas == PAPER_SIGMAS


@pytest.mark.parametrize("sigma", [0.05, 1, [0.05]])
def test_a_single_sigma_needs_no_validation_images(sigma, scratch):
    metric = ParzenNLL(sigma, **scratch)
    metric.update(SAMPLES, real=False)
    metric.update(TEST, real=True)
    width = sigma[0] if isinstance(sigma, list) else sigma
    expected = reference_log_likelihood(TEST, SAMPLES, width)
    assert metric.compute()["nll"].item() == pytest.approx(-expected.mean().item(), abs=1e-9)


def test_em_finds_a_better_width_than_any_grid(scratch):
    fitted, chosen = values(filled(ParzenNLL("em", **scratch))), values(filled(ParzenNLL(GRID)))
    assert fitted["nll"] < chosen["nll"]
    assert fitted["sigma"] not in GRID


@pytest.mark.parametrize("sigma", [GRID, 0.02, 0.5, "em"])
def test_neither_batch_size_nor_order_change_a_bit(sigma):
    whole = values(filled(ParzenNLL(sigma)))
    assert values(filled(ParzenNLL(sigma), size=7, order=torch.randperm(500))) == whole


@pytest.mark.parametrize("sigma", [GRID, 0.02])
def test_waiting_on_disk_does_not_change_a_bit_either(sigma, tmp_path, monkeypatch):
    monkeypatch.setattr("lit_gan.metrics.sample_file.SHARD", 130)
    on_disk = ParzenNLL(sigma, scratch_dir=tmp_path)
    assert values(filled(on_disk, size=9, order=torch.randperm(500))) == values(filled(ParzenNLL(sigma)))
    assert on_disk.generated == []


def test_more_images_after_a_result_are_as_good_as_before_it() -> None:
    metric = ParzenNLL(0.05)
    metric.update(TEST[:7], real=True)
    metric.update(SAMPLES, real=False)
    first = metric.compute()["nll"].item()
    metric.update(TEST[7:], real=True)
    assert metric.compute()["nll"].item() != first
    whole = filled(ParzenNLL(0.05))
    whole.compute()
    assert torch.equal(metric.log_likelihoods, whole.log_likelihoods)


def test_log_likelihoods_go_with_the_test_rows_and_not_with_their_order():
    first, second = filled(ParzenNLL(0.05)), filled(ParzenNLL(0.05), 13, torch.randperm(500))
    with pytest.raises(UserError, match=r"expected compute\(\) first"):
        _ = first.log_likelihoods
    first.compute()
    second.compute()
    assert torch.equal(first.log_likelihoods, second.log_likelihoods)
    expected = reference_log_likelihood(TEST, SAMPLES, 0.05).sort().values
    torch.testing.assert_close(first.log_likelihoods.sort().values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("data_range", [(0.0, 1.0), (-1.0, 1.0), None])
def test_bytes_are_mapped_onto_the_range(data_range):
    low, high = data_range or (0.0, 1.0)
    images = (TEST * 255).round().to(torch.uint8).view(-1, 1, 8, 8)
    results = []
    for real in (images, images.float().div(255).mul(high - low).add(low)):
        metric = ParzenNLL(0.5, data_range=data_range)
        metric.update(real, real=True)
        metric.update(SAMPLES * (high - low) + low, real=False)
        results.append(values(metric))
    assert results[0] == results[1]


def test_bf16_validation_gives_the_same_bits():
    plain = values(filled(ParzenNLL(GRID)))
    with torch.autocast("cpu", torch.bfloat16):
        assert values(filled(ParzenNLL(GRID))) == plain
    with torch.inference_mode():
        metric = filled(ParzenNLL(GRID))
    assert values(metric) == plain


def test_a_batch_may_be_overwritten_after_update():
    metric, batch = ParzenNLL(0.05), SAMPLES.clone()
    metric.update(batch, real=False)
    batch.zero_()
    metric.update(TEST, real=True)
    assert values(metric)["nll"] == pytest.approx(-reference_log_likelihood(TEST, SAMPLES, 0.05).mean().item())


def test_an_empty_batch_changes_nothing(scratch):
    metric = filled(ParzenNLL(GRID, **scratch))
    metric.update(SAMPLES[:0], real=False)
    assert values(metric) == values(filled(ParzenNLL(GRID)))


def test_reset_forgets_everything_by_default(scratch):
    metric = filled(ParzenNLL(0.05, **scratch))
    metric.reset()
    metric.update(torch.rand(3, 5), real=False)  # another size is welcome
    with pytest.raises(UserError, match="no test images"):
        metric.compute()


def test_reset_keeps_the_real_rows_where_asked_to(scratch):
    metric = filled(ParzenNLL(GRID, reset_real_features=False, **scratch))
    before = values(metric)
    for _ in range(2):
        metric.reset()
        metric.update(SAMPLES[:0], real=False)
        with pytest.raises(UserError, match="no generated images"):
            metric.compute()
        metric.update(SAMPLES, real=False)
        assert values(metric) == before


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.clone()])
def test_copies_go_on_independently(way):
    metric = filled(ParzenNLL(GRID))
    twin = way(metric)
    metric.reset()
    assert values(twin) == values(filled(ParzenNLL(GRID)))
    assert twin.state_dict() == {}


def test_a_collection_flattens_the_result():
    collection = MetricCollection({"parzen": ParzenNLL(0.05)}, prefix="val/")
    collection.update(SAMPLES, real=False)
    collection.update(TEST, real=True)
    assert {"val/nll", "val/se", "val/sigma", "val/num_centres"} == set(collection.compute())


def test_plot_draws_the_nll():
    mpl.use("Agg")
    metric = filled(ParzenNLL(0.05))
    _, axis = metric.plot()
    assert axis.get_lines()[0].get_ydata()[0] == pytest.approx(values(metric)["nll"], rel=1e-6)
    result = metric.compute()
    _, axis = metric.plot([result, result])
    assert len(axis.get_lines()[0].get_ydata()) == 2
    mpl.pyplot.close("all")


def test_a_sigma_on_the_edge_of_the_grid_is_told():
    metric = filled(ParzenNLL([0.3, 0.5, 1.0]))
    with pytest.warns(ParzenWarning, match=r"sigma = 0.3 lies on the edge of its grid"):
        metric.compute()


def test_copies_among_the_samples_are_told(scratch):
    metric = filled(ParzenNLL(0.05, **scratch))
    metric.update(SAMPLES[:50], real=False)
    with pytest.warns(ParzenWarning, match="9% of the generated samples are exact copies"):
        metric.compute()


def test_a_collapsed_generator_is_told_without_exact_copies(scratch):
    metric = ParzenNLL(0.05, **scratch)
    metric.update((SAMPLES[:10].repeat(50, 1) + 1e-3 * torch.rand(500, 64)).clamp(0, 1), real=False)
    metric.update(TEST, real=True)
    with pytest.warns(ParzenWarning, match="the generator has collapsed: its samples lie .* as far"):
        metric.compute()


def test_healthy_samples_warn_of_nothing(scratch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled(ParzenNLL(GRID, **scratch)).compute()


def test_total_collapse_is_computed_exactly(scratch):
    metric = ParzenNLL(0.3, **scratch)
    metric.update(SAMPLES[:1].repeat(5000, 1), real=False)
    metric.update(TEST, real=True)
    with pytest.warns(ParzenWarning, match="100% of the generated samples are exact copies"):
        result = values(metric)
    assert result["nll"] == pytest.approx(-reference_log_likelihood(TEST, SAMPLES[:1], 0.3).mean().item(), abs=1e-9)
    assert result["num_centres"] == 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": 0.0}, "sigma = 0.0: expected a positive, finite width"),
        ({"sigma": [0.1, -1.0]}, "sigma = -1.0"),
        ({"sigma": []}, "sigma is an empty list"),
        ({"sigma": "best"}, "sigma = 'best': expected a number"),
        ({"data_range": (1.0, 0.0)}, r"data_range = \(1.0, 0.0\): expected \(low, high\)"),
        ({"scratch_dir": "/nowhere/at/all"}, "scratch_dir = '/nowhere/at/all': expected an existing folder"),
    ],
)
def test_arguments_that_cannot_be_used_are_told(arguments, message):
    with pytest.raises(UserError, match=message):
        ParzenNLL(**arguments)


@pytest.mark.parametrize(
    ("images", "real", "message"),
    [
        (torch.full((2, 4), math.nan), True, "real images hold values that are not finite"),
        (torch.full((2, 4), math.inf), False, "generated images hold values that are not finite"),
        (
            torch.tensor([[0.0, 255.0]]),
            True,
            r"real images span \[0, 255\]: expected values within data_range = \(0.0",
        ),
        (torch.tensor([[-1.0, 1.0]]), False, r"generated images span \[-1, 1\]"),
        (torch.zeros(4), True, r"images have shape \(4,\): expected a batch"),
        (
            torch.zeros(2, 4, dtype=torch.int64),
            True,
            "real images have dtype torch.int64: expected floats or uint8",
        ),
        (torch.zeros(2, 9), True, "images have 9 values each: expected 64"),
    ],
)
def test_images_that_cannot_be_used_are_told(images, real, message):
    metric = ParzenNLL()
    metric.update(TEST, real=True)
    with pytest.raises(UserError, match=message):
        metric.update(images, real=real)


def test_an_unknown_split_is_told():
    with pytest.raises(UserError, match="split = 'train': expected 'val' or 'test'"):
        ParzenNLL().update(TEST, real=True, split="train")


def test_images_that_are_missing_are_told(scratch):
    metric = ParzenNLL(**scratch)
    metric.update(SAMPLES, real=False)
    with pytest.raises(UserError, match="no test images"):
        metric.compute()
    metric.update(TEST, real=True)
    with pytest.raises(UserError, match="no validation images to choose sigma on"):
        metric.compute()
    metric.reset()
    metric.update(TEST, real=True)
    metric.update(VAL, real=True, split="val")
    with pytest.raises(UserError, match="no generated images"):
        metric.compute()


def test_a_value_for_a_single_batch_is_refused():
    with pytest.raises(UserError, match="ParzenNLL has no value for a single batch"):
        ParzenNLL()(SAMPLES, real=False)


def _as(kind, rows):
    arrays = {
        "float32": rows.numpy(),
        "float64": rows.double().numpy(),
        "big-endian": rows.numpy().astype(">f4"),
        "bytes": (rows * 255).round().to(torch.uint8).numpy(),
        "list": rows.tolist(),
    }
    array = arrays[kind]
    if kind == "float32":
        array.setflags(write=False)
    return array


@pytest.mark.parametrize("kind", ["float32", "float64", "big-endian", "bytes", "list"])
def test_arrays_and_lists_give_what_tensors_give(kind):
    metric, expected = ParzenNLL(GRID), ParzenNLL(GRID)
    for rows, real, split in ((SAMPLES, False, "test"), (TEST, True, "test"), (VAL, True, "val")):
        array = _as(kind, rows)
        metric.update(array, real=real, split=split)
        expected.update(torch.tensor(array.tolist(), dtype=torch.uint8) if kind == "bytes" else rows, real, split)
    assert values(metric) == values(expected)


def test_arrays_that_hold_no_images_are_told():
    for images, message in (
        (np.array([["a"]]), "images is an array of <U1: expected a tensor, an array or a list of numbers"),
        ([[0.5], [0.5, 0.5]], "images is no array"),
        (np.zeros((2, 64), np.int64), "real images have dtype torch.int64: expected floats or uint8"),
        (np.zeros(64), r"images have shape \(64,\): expected a batch"),
    ):
        with pytest.raises(UserError, match=message):
            ParzenNLL().update(images, real=True)
