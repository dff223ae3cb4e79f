"""The comparison of modes: what it counts, against closed forms, and its short form."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import mode_problems, modes
from benchmarks.mode_problems import Gaussians, Stacked, StackedDigits, covered, divergence
from lit_gan.data import DigitsDataModule
from lit_gan.features import ReferenceClassifier


def test_a_mode_is_covered_from_so_many_samples_on() -> None:
    counts = torch.tensor([0, 1, 2, 10])
    assert [covered(counts, least) for least in (1, 2, 3, 11)] == [3, 2, 1, 0]


@pytest.mark.parametrize("held", [1, 3, 1000])
def test_the_divergence_of_samples_that_are_even_over_some_modes_is_the_log_of_how_few_they_are(held: int) -> None:
    counts = torch.zeros(1000, dtype=torch.int64)
    counts[:held] = 26
    assert divergence(counts) == pytest.approx(math.log(1000 / held), abs=1e-12)


def test_the_divergence_of_uneven_samples() -> None:
    by_hand = 0.75 * math.log(0.75 * 4) + 0.25 * math.log(0.25 * 4)
    assert divergence(torch.tensor([30, 0, 10, 0])) == pytest.approx(by_hand, abs=1e-12)
    assert math.isnan(divergence(torch.zeros(4)))


def test_points_are_counted_at_the_gaussian_that_they_are_near() -> None:
    problem = Gaussians()
    low, high = problem.grid.box
    std = float(problem.grid.std[0])
    right, far = torch.tensor([2.9 * std, 0.0]), torch.tensor([3.1 * std, 0.0])
    points = torch.stack([problem.grid.means[0] + right, problem.grid.means[7] - right, problem.grid.means[7] + far])
    images = ((points - low) / (high - low)).reshape(-1, 1, 1, 2)
    counts = problem.counts(images)
    assert counts.nonzero().flatten().tolist() == [0, 7]
    assert modes.score(problem, images) == {
        "modes": 2,
        "divergence": math.log(25 / 2),
        "at_modes": pytest.approx(2 / 3),
    }
    torch.testing.assert_close(problem.places(images), points)


class Brightness(ReferenceClassifier):
    """Reads an image of brightness n / 10 as the digit n."""

    def logits(self, images: Tensor) -> Tensor:
        return -(images.mean((1, 2, 3))[:, None] - torch.arange(10) / 10).abs()


def test_the_channels_of_a_stack_are_the_three_digits_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode_problems, "reference_classifier", lambda *_: Brightness())
    numbers = torch.tensor([[1, 2, 3], [0, 0, 7], [9, 9, 9], [1, 2, 3]])
    counts = Stacked().counts((numbers / 10)[:, :, None, None].expand(-1, -1, 8, 8))
    assert {int(number): int(counts[number]) for number in counts.nonzero()} == {7: 1, 123: 2, 999: 1}


def test_stacks_are_digits_of_their_own_split_and_the_same_for_every_seed() -> None:
    data, digits = StackedDigits(50), DigitsDataModule()
    assert data.image_shape == (3, 8, 8)
    for split in ("train", "val", "test"):
        own = {row.numpy().tobytes() for row in digits.images(split)[:, 0]}
        assert {channel.numpy().tobytes() for channel in data.images(split).flatten(0, 1)} <= own
    assert torch.equal(data.images("train"), StackedDigits(50, seed=1).images("train"))


def test_shown_samples_are_kept_to_sixteen_bits() -> None:
    images = torch.rand(5, 3, 2, 2)
    torch.testing.assert_close(modes.unpacked(modes.packed(images), (3, 2, 2)).float(), images, atol=1e-5, rtol=0)


def test_the_short_form_writes_a_table_a_plot_and_numbers_and_trains_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained = ReferenceClassifier().build_for(DigitsDataModule())
    monkeypatch.setattr(mode_problems, "reference_classifier", lambda *_: untrained)
    modes.main(["--out", str(tmp_path), "--quick"])
    assert (tmp_path / "modes.png").stat().st_size > 0
    found = json.loads((tmp_path / "modes.json").read_text())
    assert {"processor", "commit"} <= found["machine"].keys()
    seen = [(row["problem"], row["method"], row["seed"]) for row in found["results"]]
    ways = [(modes.REAL, None), *((method, 0) for method in modes.METHODS)]
    assert seen == [(problem, *way) for problem in modes.PROBLEMS for way in ways]
    assert [len(row["curve"]) for row in found["results"] if row["seed"] == 0] == [3] * 6
    table = (tmp_path / "modes.md").read_text()
    assert "| 25 Gaussians | modes of 25 |" in table
    assert "| stacked digits | modes of 1,000 |" in table
    before = (tmp_path / "modes.json").read_bytes()
    modes.main(["--out", str(tmp_path), "--quick"])
    assert (tmp_path / "modes.json").read_bytes() == before


def test_the_table_has_means_and_ranges_over_the_seeds() -> None:
    each = {"problem": "gaussians", "at_modes": 0.5, "rounds": 1000, "reader": "How.", "num_samples": 10}
    rows = [each | {"method": modes.REAL, "seed": None, "modes": 25, "divergence": 0.001}]
    for seed, found in enumerate((20, 25, 24)):
        numbers = {"modes": found, "divergence": 0.1 * seed, "seconds": 5.0}
        rows.append(each | {"method": "non-saturating", "seed": seed, **numbers})
    assert modes.table(rows).splitlines()[4:] == [
        "| non-saturating | 23 (20 to 25) | 0.10 (0.00 to 0.20) | 50 (50 to 50) | 5.0 | 3 |",
        "| the data themselves | 25 | 0.00 | 50 |  |  |",
    ]
