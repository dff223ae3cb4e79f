"""Scores that can be kept and compared."""

from pathlib import Path

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.evaluation.images import EvaluationImages
from lit_gan.evaluation.score_table import load_scores, protocol_key, save_scores
from lit_gan.evaluation.scores import ParzenScore, over_folds


def score(*rows: float) -> ParzenScore:
    values = torch.tensor(rows, dtype=torch.float64)
    return ParzenScore(float(values.mean()), 0.5, 0.1, 10, (values,))


def test_difference_has_the_paired_error() -> None:
    difference, error = score(3.0, 5.0, 10.0).difference(score(1.0, 3.0, 8.0))
    assert difference == pytest.approx(2.0)
    assert error == pytest.approx(0.0, abs=1e-12)
    _, error = score(3.0, 5.0).difference(score(1.0, 1.0))
    assert error == pytest.approx(1.0 / 2**0.5)


def test_difference_over_folds_has_the_error_across_them() -> None:
    def folds(*means: float) -> ParzenScore:
        rows = tuple(torch.tensor([mean - 1.0, mean + 1.0], dtype=torch.float64) for mean in means)
        return ParzenScore(sum(means) / len(means), 0.5, 0.1, 10, rows)

    difference, error = folds(3.0, 7.0).difference(folds(1.0, 1.0))
    assert difference == pytest.approx(4.0)
    assert error == pytest.approx(2.0 / 2**0.5)  # the folds differ by 2 and 6


def test_scores_on_other_images_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="first has 2 log-likelihoods, second has 3"):
        score(1.0, 2.0).difference(score(1.0, 2.0, 3.0))


def test_scores_are_kept(tmp_path: Path) -> None:
    save_scores(tmp_path / "folder" / "scores.pt", {"a": score(1.0, 2.0)})
    kept = load_scores(tmp_path / "folder" / "scores.pt")["a"]
    assert kept.log_likelihood == 1.5
    assert torch.equal(kept.rows[0], torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["scores.pt"]
    assert load_scores(tmp_path / "none.pt") == {}


def test_a_protocol_is_its_images_and_its_choice_of_sigma() -> None:
    images = EvaluationImages(torch.rand(3, 1, 2, 2), torch.rand(4, 1, 2, 2), (0.0, 1.0))
    swapped = EvaluationImages(images.reported, images.for_sigma, (0.0, 1.0))
    keys = {protocol_key([images], None), protocol_key([images], 0.2), protocol_key([swapped], None)}
    assert len(keys) == 3
    assert protocol_key([images], None) in keys


def test_one_fold_is_its_own_result() -> None:
    result = {name: torch.tensor(1.0) for name in ("nll", "se", "sigma", "num_centres")}
    assert set(over_folds([result])) == {"nll", "se", "sigma"}
