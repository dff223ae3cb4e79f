"""`lit-gan baselines`, and what `lit-gan test` shows beside a model's score."""

from pathlib import Path

import pytest
import torch

from lit_gan.callbacks.evaluation_images import folds_of
from lit_gan.callbacks.parzen_score import load_scores, protocol_key
from lit_gan.cli.main import main
from lit_gan.data import DigitsDataModule
from lit_gan.functional.parzen import parzen_log_likelihood, select_sigma

QUICK = ["--trainer.max_steps=2", "--wandb=off", "--sample_grid.num_samples=4", "--trainer.enable_progress_bar=false"]


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the baselines of the digits were scored, with 100 centres."""
    monkeypatch.chdir(tmp_path)
    assert main(["baselines", "--config", "quickstart", "--parzen.num_samples", "100"]) == 0
    return tmp_path


def test_baselines_score_on_the_protocol_of_a_test(scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [file] = (scored / "runs" / "baselines").iterdir()
    assert file.stem == protocol_key(folds_of(DigitsDataModule()), None)
    scores = load_scores(file)
    assert set(scores) == {"training images", "k-means centres", "mean image", "uniform noise"}
    data = DigitsDataModule()
    mean = data.images("train").mean(0, keepdim=True, dtype=torch.float64).float()
    sigma = select_sigma(data.images("val")[:150], mean)
    expected = parzen_log_likelihood(data.images("test"), mean, sigma)
    assert scores["mean image"].log_likelihood == pytest.approx(float(expected.mean()), rel=1e-6)
    assert scores["training images"].log_likelihood > scores["mean image"].log_likelihood
    assert scores["mean image"].log_likelihood > scores["uniform noise"].log_likelihood


def test_a_tested_model_stands_between_them_and_is_kept(scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        assert main(["fit", "--config", "quickstart", "--run_dir", name, "--parzen.num_samples=100", *QUICK]) == 0
        capsys.readouterr()
        assert main(["test", name]) == 0
    shown = capsys.readouterr().out
    for row in ("one", "two", "training images", "k-means centres", "mean image", "uniform noise"):
        assert row in shown
    [difference] = [line for line in shown.splitlines() if " one " in line]
    assert "+0.00 ± 0.00" in difference  # the same configuration, trained twice
    [file] = (scored / "runs" / "baselines").iterdir()
    assert {"one", "two"} <= set(load_scores(file))


def test_without_baselines_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--config", "quickstart", "--run_dir", "one", "--parzen.num_samples=20", *QUICK]) == 0
    assert main(["test", "one"]) == 0
    assert "`lit-gan baselines --config CONFIG` adds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nothing"], "--config nothing: no such file"),
        (["--config", "quickstart", "--parzen.sigma=-1"], "sigma = -1"),
        (["--data", "LightningDataModule"], "--data LightningDataModule: expected a data module of lit_gan.data"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["baselines", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "runs").exists()
