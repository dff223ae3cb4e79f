"""The benchmarks of shipped configurations: nothing is measured twice, and the tables say what was."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny_gan import trainer

from benchmarks import inference, inpainting, score_curve, shipped
from benchmarks.averages import ScoredAverage
from lit_gan import GAN
from lit_gan.callbacks import GeneratorEMA
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.data import DigitsDataModule
from lit_gan.errors import UserError
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator


def test_what_has_been_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, list[str]]] = []

    def tested(config: str, run: Path, options: Sequence[str]) -> shipped.Numbers:
        asked.append((config, run.name, [*options]))
        return {"error": float(len(asked))}

    monkeypatch.setattr(shipped, "tested", tested)
    ways = {"as it is": [], "changed": ["--b=2"]}
    (tmp_path / "results.json").write_text(json.dumps({"as it is": {"error": 0.5}}))
    for _ in range(2):
        results = shipped.once(tmp_path, "quickstart", ways, ["--a=1"])
        assert results == {"as it is": {"error": 0.5}, "changed": {"error": 1.0}}
    assert asked == [("quickstart", "way-1", ["--a=1", "--b=2"])]


def test_the_table_of_inference_has_the_baselines_below() -> None:
    numbers = {"latent_r2": 0.43, "reconstruction_error": 0.0133, "nearest_neighbour_accuracy": 0.916}
    numbers |= {"reconstruction_error_pca": 0.0025, "reconstruction_error_nearest_sample": 0.0212}
    lines = inference.table({"a way": {**numbers, "nearest_neighbour_accuracy_pixels": 0.983}}).splitlines()
    assert lines[2:] == [
        "| a way | 0.43 | 0.0133 | 91.6 |",
        "| PCA of as many numbers |  | 0.0025 |  |",
        "| the nearest of 10,000 samples |  | 0.0212 |  |",
        "| pixels |  |  | 98.3 |",
    ]


def test_the_table_of_inpainting_has_four_rows_for_each_mask() -> None:
    names = ("error", "error_best", "spread", "parzen_nll", "error_nearest", "error_mean_fill", "agreement", "entropy")
    numbers = {f"completion_{name}_left_half": 0.1 for name in names}
    lines = inpainting.table({inpainting.WITH: numbers, inpainting.WITHOUT: {}}).splitlines()
    assert len(lines) == 2 + 4 * 5
    assert [line for line in lines if line.startswith("| left-half")] == [
        "| left-half | with a latent | 0.100 | 0.100 | 0.10 | 0.1 | 10% | 0.10 |",
        "| left-half | without a latent |  |  |  |  |  |  |",
        "| left-half | the nearest training image | 0.100 |  |  |  |  |  |",
        "| left-half | the mean training image | 0.100 |  |  |  |  |  |",
    ]


def _run_folder(folder: Path, k: int) -> Path:
    folder.mkdir(parents=True)
    game = {"coordination": {"init_args": {"k": k}}}
    config = {"model": {"init_args": game}, "data": {"init_args": {"batch_size": 100}}}
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "metrics.csv").write_text("step,train/loss_d,val/parzen_nll\n0,1.5,\n9,1.2,20\n19,1.1,-200\n")
    return folder


def test_a_score_curve_is_over_the_images_that_both_players_have_seen(tmp_path: Path) -> None:
    run = _run_folder(tmp_path / "runs" / "mnist_fast" / "20260101-000000-abcdef", k=3)
    assert score_curve.curve(run) == score_curve.Curve("mnist_fast", [3000, 6000], [-20.0, 200.0], None)
    training = {"log_likelihood": 243.0}
    (run / "scores.json").write_text(json.dumps({"val": {"rows": {"training images": training}}}))
    assert score_curve.curve(run).real == 243.0


def test_any_score_that_was_logged_has_its_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run_folder(tmp_path / "emoji", k=1)
    (run / "metrics.csv").write_text("step,val/parzen_nll,val/frechet_distance\n9,,\n19,,500.5\n39,,250\n")
    assert score_curve.curve(run, "frechet_distance") == score_curve.Curve("emoji", [2000, 4000], [500.5, 250.0], None)
    assert score_curve.curve(run).values == []
    named = [str(run), "--scores", "frechet_distance", "parzen_nll", "--out", str(tmp_path / "curve.png")]
    monkeypatch.setattr(sys, "argv", ["score_curve", *named])
    score_curve.main()
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_other_averages_have_their_curves_beside_the_runs_own(tmp_path: Path) -> None:
    run = _run_folder(tmp_path / "mnist", k=1)
    heads = "step,val/parzen_nll,val/parzen_nll_conditional,val/parzen_nll_decay_0,val/parzen_nll_horizon_0.3"
    (run / "metrics.csv").write_text(f"{heads}\n9,1,2,-3,-4\n")
    assert score_curve.averages(run) == [
        score_curve.Curve("mnist, decay_0", [1000], [3.0], None),
        score_curve.Curve("mnist, horizon_0.3", [1000], [4.0], None),
    ]


def _networks(**of_g: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,), **of_g)
    return {"generator": generator, "discriminator": MaxoutDiscriminator((1, 8, 8), hidden=(4,), weight_init=0.5)}


def _scored(folder: Path, epochs: int, ckpt_path: Path | None = None) -> dict[str, float]:
    gan = GAN(**_networks(weight_init=0.5))
    further = (ScoredAverage(horizon=0.3), ScoredAverage(decay=0))
    callbacks = [ParzenEvaluation(num_samples=20), GeneratorEMA(horizon=0.3), *further]
    run = trainer(callbacks=callbacks, max_epochs=epochs, limit_val_batches=1, precision="32-true")
    run.fit(gan, DigitsDataModule(batch_size=300), ckpt_path=ckpt_path, weights_only=True)
    run.save_checkpoint(folder / f"{epochs}.ckpt")
    return {name: float(value) for name, value in run.callback_metrics.items() if "parzen_nll" in name}


def test_an_average_beside_the_runs_own_is_scored_as_that_is_and_goes_on(tmp_path: Path) -> None:
    found = _scored(tmp_path, 2)
    assert found["val/parzen_nll_horizon_0.3"] == found["val/parzen_nll"] != found["val/parzen_nll_decay_0"]
    assert found["val/parzen_nll_decay_0"] == _score_without_average(tmp_path / "2.ckpt")
    _scored(tmp_path, 1)
    assert _scored(tmp_path, 2, tmp_path / "1.ckpt") == found


def _score_without_average(checkpoint: Path) -> float:
    gan = GAN.load_from_checkpoint(checkpoint, **_networks())
    gan.generator_average = None
    evaluated = trainer(callbacks=[ParzenEvaluation(num_samples=20)], precision="32-true", limit_val_batches=1)
    evaluated.validate(gan, DigitsDataModule(batch_size=300), verbose=False)
    return float(evaluated.callback_metrics["val/parzen_nll"])


@pytest.mark.parametrize(
    ("callbacks", "told"),
    [
        ([ParzenEvaluation(num_samples=0)], r"^parzen.num_samples = 0: expected how many, so that all have as many\.$"),
        ([ParzenEvaluation()], r"^parzen.num_samples = None: expected how many"),
    ],
)
def test_an_average_has_as_many_samples_as_the_runs_own(callbacks: list[Callback], told: str) -> None:
    gan = GAN(**_networks())
    run = trainer(callbacks=[*callbacks, ScoredAverage(decay=0)], max_epochs=1, precision="32-true")
    with pytest.raises(UserError, match=told):
        run.fit(gan, DigitsDataModule(batch_size=300))


def test_an_average_of_batch_norm_is_refused() -> None:
    gan = GAN(**_networks(batch_norm=True))
    run = trainer(callbacks=[ScoredAverage(decay=0)], max_epochs=1, precision="32-true")
    with pytest.raises(UserError, match=r"^ScoredAverage: expected a lit_gan.GAN without batch normalisation in G\.$"):
        run.fit(gan, DigitsDataModule(batch_size=300))


def test_score_curves_are_drawn_without_samples_too(tmp_path: Path) -> None:
    curves = [score_curve.curve(_run_folder(tmp_path / name, k=1)) for name in ("one", "other")]
    assert [each.name for each in curves] == ["one", "other"]
    score_curve.plot({"parzen_nll": curves}, None, 225.0, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
