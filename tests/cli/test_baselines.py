"""`lit-gan baselines`: what is scored, what is kept, and what a test shows beside it."""

from pathlib import Path

import pytest
import real_formats
import torch
from command_line import fit, lit_gan, the_run

from lit_gan.data import DigitsDataModule
from lit_gan.evaluation.ceilings import RealImages
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.evaluation.images import folds_of
from lit_gan.evaluation.score_table import load_scores, protocol_key
from lit_gan.functional.memorization import memorization
from lit_gan.functional.parzen import parzen_log_likelihood, select_sigma
from lit_gan.metrics import PrecisionRecall

OWN_MODEL = """
model: {class_path: lit_gan.GAN}
data: {class_path: lit_gan.data.DigitsDataModule}
trainer: {max_epochs: 3}
wandb: "off"
resume: never
"""


def test_they_are_scored_on_the_protocol_of_the_data_and_kept() -> None:
    ending = lit_gan("baselines", "--config=quickstart", "--parzen.num_samples=1200")
    assert ending.code == 0, ending.err
    (kept,) = Path("runs", "baselines").glob("*.pt")
    scores = load_scores(kept)
    assert str(kept) in ending.out
    data = DigitsDataModule()
    centres, val = data.images("train"), data.images("val")[:150]
    expected = parzen_log_likelihood(data.images("test"), centres, select_sigma(val, centres)).mean()
    assert scores["training images"].log_likelihood == pytest.approx(float(expected), abs=1e-9)
    assert scores["training images"].log_likelihood > scores["mean image"].log_likelihood
    assert scores["mean image"].log_likelihood > scores["uniform noise"].log_likelihood
    assert all(name in ending.out for name in scores)
    [classifier] = Path("runs", "baselines", "classifiers").glob("*.pt")
    [told] = [line for line in ending.out.splitlines() if "of 297 test images rightly" in line]
    assert f"kept in {classifier}" in told
    rows = {name: cells for name, *cells in _rows(ending.out)}
    real = precision_recall_of_halves(data)
    assert rows["precision"] == [f"{real['precision']:.4g}", "898", "898", "1,200 : 1,200"]
    assert rows["coverage"][:1] == [f"{real['coverage']:.4g}"]
    expected = memorization(data.images("train").flatten(1), held_out(data).flatten(1))["memorization"]
    assert rows["memorization"] == [f"{float(expected):.4g}", "597", "1,200", "1,200 : 1,200"]
    assert rows["confident_share"][1:] == ["597", "", "1,200"]
    assert rows["frechet_distance*"][1:] == ["898", "898", "1,200 : 1,200"]
    assert not any("_num" in name for name in rows)


def _rows(out: str) -> list[list[str]]:
    """The cells of the tables."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]


def precision_recall_of_halves(data: DigitsDataModule) -> dict[str, float]:
    """By the metric of the quickstart, on halves of all images."""
    metrics = ImageMetrics([PrecisionRecall()], "evaluation")
    return dict(RealImages(data, 1200, "train").measured_by(metrics, 0).values)


def held_out(data: DigitsDataModule) -> torch.Tensor:
    """Those that nobody was trained on."""
    return torch.cat([data.images("val"), data.images("test")])


def test_pictures_have_numbers_without_a_parzen_score() -> None:
    real_formats.write_image_folder("pictures", ["all"], num_per_class=60)
    pictures = ["--data.init_args.root=pictures", "--data.init_args.image_size=16", "--data.init_args.cache=false"]
    ending = lit_gan("baselines", "--config=images", *pictures)
    assert (ending.code, ending.err) == (0, "")
    assert "log-likelihood" not in ending.out
    rows = {name: cells for name, *cells in _rows(ending.out)}
    assert rows["precision"][1:] == rows["frechet_distance"][1:] == ["45", "14", "2,000 : 48"]
    assert rows["memorization"][1:] == ["12", "48", "2,000 : 48"]


def test_a_metric_that_the_images_are_too_few_for_costs_only_itself() -> None:
    real_formats.write_image_folder("pictures", ["all"], num_per_class=10)
    pictures = ["--data.init_args.root=pictures", "--data.init_args.image_size=16", "--data.init_args.cache=false"]
    ending = lit_gan("baselines", "--config=images", *pictures, "--evaluation.num_samples=10")
    assert ending.code == 0
    told = "no number of real images by PrecisionRecall: PrecisionRecall: got 4 real and 5 generated images: expected"
    assert told in " ".join(ending.out.split())
    assert "memorization" in {name for name, *_ in _rows(ending.out)}


def test_a_test_shows_them_beside_the_model() -> None:
    assert fit(epochs=1).code == 0
    without = lit_gan("test", the_run(), "--parzen.num_samples=50", "--trainer.enable_progress_bar=false")
    assert "lit-gan baselines --config CONFIG" in without.out
    assert "training images" in without.out
    assert lit_gan("baselines", "--config=quickstart", "--parzen.num_samples=50").code == 0
    beside = lit_gan("test", the_run(), "--parzen.num_samples=50", "--trainer.enable_progress_bar=false")
    assert beside.code == 0, beside.err
    for name in ("training images", "k-means centres", "mean image", "uniform noise", "difference"):
        assert name in beside.out


def test_models_tested_before_on_the_same_images_stand_beside_it() -> None:
    for name in ("one", "two"):  # the same configuration, trained twice
        assert fit("--resume=never", f"--run_dir={name}", epochs=1).code == 0
        beside = lit_gan("test", name, "--parzen.num_samples=50", "--trainer.enable_progress_bar=false")
        assert beside.code == 0, beside.err
    (other,) = [line for line in beside.out.splitlines() if " one " in line]
    assert "+0.00 ± 0.00" in other
    (kept,) = Path("runs", "baselines").glob("*.pt")
    assert kept.stem == protocol_key(folds_of(DigitsDataModule()), None)
    assert set(load_scores(kept)) == {"one", "two", "training images"}


def test_a_configuration_of_ones_own_may_say_how_runs_are_kept() -> None:
    Path("own.yaml").write_text(OWN_MODEL)
    ending = lit_gan("baselines", "--config=own.yaml", "--parzen.num_samples=20")
    assert ending.code == 0, ending.err


def test_every_key_that_a_configuration_of_a_training_may_have_is_taken() -> None:
    ending = lit_gan("fit", "--config=quickstart", "--print_config")
    options = "compile: true\nwandb_checkpoints: true\ninit_from: runs/mnist/ID\ninit_part: generator\n"
    Path("own.yaml").write_text(f"{ending.out}\n{options}weights_only: true\n")
    ending = lit_gan("baselines", "--config=own.yaml", "--parzen.num_samples=20", "--evaluation.metrics=[]")
    assert ending.code == 0, ending.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=quickstart", "--parzen.num_samples=-1"], "parzen.num_samples = -1: expected 0 (off) or more"),
        (["--config=quickstart", "--evaluation.num_samples=0"], "evaluation.num_samples = 0: expected at least 1"),
        (["--data=own_modules.OwnData"], "--data OwnData: expected a data module of lit_gan.data."),
        (["--config=nothing"], "--config nothing: no such file"),
        (["--config=quickstart", "--out=scores.pt"], "--out: no such option"),
    ],
)
def test_what_cannot_be_scored_is_told(arguments: list[str], message: str) -> None:
    assert message in lit_gan("baselines", *arguments).line


def test_a_damaged_file_of_baselines_is_told_by_name(tmp_path: Path) -> None:
    file = tmp_path / "scores.pt"
    file.write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"scores\.pt.*delete it"):
        load_scores(file)
    torch.save({}, file)
    assert load_scores(file) == {}
