"""The modes of a mixture that samples reach, by hand and beside a training."""

import math
from pathlib import Path

import pytest
import torch
from command_line import fit, metrics, the_run
from torch import Tensor

from lit_gan.data.mixtures import GaussianMixture, Line
from lit_gan.metrics import ModesCovered

MIXTURE = GaussianMixture([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], std=[1.0, 0.5, 1.0], weights=[0.5, 0.25, 0.25])


def images(points: list[list[float]]) -> Tensor:
    low, high = MIXTURE.box
    return ((torch.tensor(points, dtype=torch.float64) - low) / (high - low))[:, None, None, :]


def numbers(*batches: list[list[float]]) -> dict[str, float]:
    metric = ModesCovered(MIXTURE)
    for batch in batches:
        metric.update(images(batch))
    return {name: float(value) for name, value in metric.compute().items()}


def test_by_hand() -> None:
    found = numbers([[0.0, 2.9], [0.0, -3.1]], [[10.0, 1.4], [10.0, 1.6]])
    assert found == pytest.approx({"modes_covered": 2 / 3, "at_modes": 0.5, "at_modes_real": 1 - math.exp(-4.5)})


@pytest.mark.parametrize(("of_the_last", "covered"), [(1, 1.0), (0, 2 / 3)])
def test_a_mode_is_covered_by_a_tenth_of_its_weight(of_the_last: int, covered: float) -> None:
    points = [[0.0, 0.0]] * (39 - of_the_last) + [[10.0, 0.0]] + [[0.0, 10.0]] * of_the_last
    assert numbers(points)["modes_covered"] == pytest.approx(covered)


def test_the_mixture_itself_covers_its_modes() -> None:
    line, metric = Line(num_modes=3), ModesCovered(Line(num_modes=3))
    low, high = line.box
    metric.update((line.sample(4000, torch.Generator().manual_seed(0))[:, None, None] - low) / (high - low))
    found = {name: float(value) for name, value in metric.compute().items()}
    assert found["modes_covered"] == 1
    assert found["at_modes"] == pytest.approx(found["at_modes_real"], abs=0.003)
    assert found["at_modes_real"] == pytest.approx(math.erf(3 / 2**0.5))


def test_a_training_on_a_toy_logs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toy = ("--data=lit_gan.data.ToyDataModule", "--evaluation.metrics+=lit_gan.metrics.ModesCovered")
    part = "--model.init_args.generator.init_args"
    plane = (f"{part}.output_activation=linear", f"{part}.pixel_mean_bias=false")
    ending = fit(*toy, *plane, "--evaluation.every_n_epochs=1", "--evaluation.num_samples=100", epochs=1)
    assert ending.code == 0, ending.err
    logged = metrics(the_run())[-1]
    assert 0 <= float(logged["val/modes_covered"]) <= 1
    assert float(logged["val/at_modes_real"]) == pytest.approx(1 - math.exp(-4.5))
