"""A checkpoint is better by a score only where the difference is more than its error."""

import pytest
import torch

from lit_gan.evaluation.scores import BestScore, ParzenScore


def score(*rows: float) -> ParzenScore:
    values = torch.tensor(rows, dtype=torch.float64)
    return ParzenScore(float(values.mean()), 0.5, 0.1, 10, (values,))


def test_what_differs_by_less_than_the_paired_error_is_no_better() -> None:
    best = BestScore()
    assert best.is_beaten_by(score(1.0, 101.0))
    assert not best.is_beaten_by(score(5.0, 98.0))  # +0.5, its paired error 2.5
    assert best.undecided
    assert best.is_beaten_by(score(2.0, 102.0))  # +1 on each image: no error, though the images differ by 100
    assert not best.undecided
    assert not best.is_beaten_by(score(1.9, 101.9))


def test_small_steps_add_up_until_they_are_told_apart() -> None:
    best = BestScore()
    assert best.is_beaten_by(score(0.0, 0.0))
    beaten = [best.is_beaten_by(score(0.3 * step, 0.1 * step + 0.4)) for step in range(1, 5)]
    assert beaten == [True, True, True, True]
    assert not BestScore(score(0.0, 0.0)).is_beaten_by(score(-0.1, -0.2))


def test_one_that_is_worse_beyond_its_error_decides_too() -> None:
    best = BestScore(score(5.0, 5.0))
    assert not best.is_beaten_by(score(1.0, 1.5))
    assert not best.undecided


def test_one_image_tells_nothing_apart() -> None:
    best = BestScore(score(5.0))
    assert not best.is_beaten_by(score(50.0))
    assert best.undecided


def test_other_data_begin_anew() -> None:
    best = BestScore(score(5.0, 6.0))
    assert best.is_beaten_by(score(1.0, 2.0, 3.0))


def test_it_says_why_and_survives_a_checkpoint() -> None:
    best = BestScore(score(1.0, 101.0))
    best.is_beaten_by(score(5.0, 98.0))
    again = BestScore()
    again.load_state_dict(best.state_dict())
    assert again.undecided
    assert again.why_undecided == best.why_undecided
    assert best.why_undecided == (
        "no checkpoint is better than another by val/parzen_nll: on 2 held-out images all differences lie within their "
        "errors (the largest 0.5 ± 2.47 nats); best-*.ckpt is the first: take last.ckpt, hold out more images, or "
        "choose by another --checkpoint.monitor."
    )
    assert not again.is_beaten_by(score(1.0, 101.0))
    again.load_state_dict(None)
    assert (again.undecided, again.state_dict()) == (False, {})


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_compared_by_their_means(folds: int) -> None:
    def of(level: float) -> ParzenScore:
        rows = tuple(torch.tensor([level + fold, level - fold]) for fold in range(folds))
        return ParzenScore(level, 0.5, 0.1, 10, rows)

    assert BestScore(of(1.0)).is_beaten_by(of(1.5))
