"""Precision, recall, density and coverage against their definitions, all pairs at once."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from torch import Tensor

from lit_gan.functional import points as module
from lit_gan.functional.precision_recall import precision_recall
from lit_gan.randomness import stream


def by_definition(real: Tensor, fake: Tensor, k: int) -> dict[str, float]:
    """Differences of all pairs in float64."""

    def apart(one: Tensor, other: Tensor) -> Tensor:
        return (one[:, None].double() - other[None].double()).square().sum(2)

    def radii(points: Tensor) -> Tensor:
        return apart(points, points).fill_diagonal_(float("inf")).kthvalue(k, dim=1).values

    pairs, near, far = apart(real, fake), radii(real), radii(fake)
    inside = pairs <= near[:, None]
    return {
        "precision": float(inside.any(0).double().mean()),
        "recall": float((pairs <= far[None]).any(1).double().mean()),
        "density": float(inside.sum()) / (k * len(fake)),
        "coverage": float(inside.any(1).double().mean()),
    }


def points(num: int, depth: int, name: str, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(num, depth, generator=stream(0, name))


CASES = {
    "alike": lambda: (points(300, 4, "a"), points(250, 4, "b")),
    "narrower": lambda: (points(300, 4, "a"), points(600, 4, "b", 0.3)),
    "levels, which tie": lambda: ((points(400, 2, "a") * 2).round(), (points(300, 2, "b") * 2).round()),
    # Nearly all of these tie or differ by less than a product's rounding: what is near is for differences to say.
    "tenths, far from zero": lambda: tuple((points(300, 2, name) * 3).round().double() / 10 + 1000 for name in "ab"),
    "far from zero": lambda: (points(270, 3, "a") + 1e6, points(270, 3, "b") + 1e6),
    "collapsed": lambda: (points(300, 5, "a"), points(1, 5, "b").repeat(280, 1)),
    "copies": lambda: (points(300, 5, "a"), points(300, 5, "a")),
}


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_definition(case: str, k: int) -> None:
    real, fake = CASES[case]()
    found = {name: float(value) for name, value in precision_recall(real, fake, k).items()}
    assert found == by_definition(real, fake, k)


def test_sets_that_are_the_same_are_true_and_whole() -> None:
    found = precision_recall(points(300, 5, "a"), points(300, 5, "a"))
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_the_rows_and_the_size_of_a_part_change_no_bit(case: str, monkeypatch: Any) -> None:
    real, fake = CASES[case]()
    expected = precision_recall(real, fake)
    monkeypatch.setattr(module, "_ROWS", 37)
    monkeypatch.setattr(module, "_EXACT_VALUES", 1000)
    orders = (torch.randperm(len(each), generator=stream(1, "order")) for each in (real, fake))
    assert precision_recall(real[next(orders)], fake[next(orders)]) == expected


def test_by_hand() -> None:
    real, fake = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[2.0], [2.5], [10.0]])
    # Radii of the data 1, 1, 2; of the samples 0.5, 0.5, 7.5. The sample 2 is in the balls of 1 and of 3, 2.5 in that
    # of 3, 10 in none; 3 is in the ball of 2.5 and at the distance 7 of 10.
    found = {name: float(value) for name, value in precision_recall(real, fake, 1).items()}
    assert found == pytest.approx({"precision": 2 / 3, "recall": 1 / 3, "density": 1.0, "coverage": 2 / 3})


@examples(40)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 3), st.integers(0, 99), st.integers(-4, 4))
def test_of_any_points_it_is_the_definition_in_any_order_size_and_place(
    num: int, other_num: int, k: int, seed: int, shift: int
) -> None:
    k = min(k, num - 1, other_num - 1)
    rng = stream(seed, "property")
    real, fake = (torch.randint(-3, 4, (n, 2), generator=rng).float() for n in (num, other_num))  # many tie
    found = {name: float(value) for name, value in precision_recall(real, fake, k).items()}
    assert found == by_definition(real, fake, k)
    moved = precision_recall(real.flip(0).mul(2).add(shift), fake.flip(0).mul(2).add(shift), k)
    assert {name: float(value) for name, value in moved.items()} == found
    turned = precision_recall(fake, real, k)
    assert (float(turned["precision"]), float(turned["recall"])) == (found["recall"], found["precision"])
