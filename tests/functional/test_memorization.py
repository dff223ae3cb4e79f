"""Memorisation against its definition, and the values that are known in closed form."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lit_gan.functional import points as module
from lit_gan.functional.memorization import memorization
from lit_gan.randomness import stream


def draws(num: int, depth: int, name: str) -> Tensor:
    return torch.rand(num, depth, generator=stream(0, name), dtype=torch.float64)


def numbers(real: Tensor, generated: Tensor) -> tuple[float, float]:
    found = memorization(real, generated)
    assert {(each.dtype, each.shape) for each in found.values()} == {(torch.float64, ())}
    return float(found["memorization"]), float(found["memorization_real"])


def by_definition(real: Tensor, generated: Tensor) -> tuple[float, float]:
    """One point at a time; of held-out data by leaving out each training point in its turn."""

    def apart(one: Tensor, others: Tensor) -> Tensor:
        return (one.double() - others.double()).square().sum(1)

    def is_copy(y: Tensor, train: Tensor) -> bool:
        near = apart(y, train)
        for place in (near == near.min()).nonzero().flatten().tolist():
            others = torch.cat([train[:place], train[place + 1 :]])
            if near.min() <= apart(train[place], others).min():
                return True
        return False

    held_out = [is_copy(x, torch.cat([real[:i], real[i + 1 :]])) for i, x in enumerate(real)]
    copies = [is_copy(y, real) for y in generated]
    return sum(copies) / len(copies), sum(held_out) / len(held_out)


CASES = {
    "alike": lambda: (draws(80, 4, "a"), draws(60, 4, "b")),
    "levels, which tie": lambda: ((draws(90, 2, "a") * 8).round(), (draws(70, 2, "b") * 8).round()),
    "copies": lambda: (draws(80, 5, "a"), draws(80, 5, "a")[:40].repeat(2, 1)),
    "far from zero": lambda: (draws(70, 3, "a") + 1e6, draws(70, 3, "b") + 1e6),
    "repeated training data": lambda: (draws(40, 3, "a").repeat(2, 1), draws(40, 3, "a")),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_definition(case: str) -> None:
    assert numbers(*CASES[case]()) == by_definition(*CASES[case]())


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_the_rows_and_the_size_of_a_part_change_no_bit(case: str, monkeypatch: Any) -> None:
    real, generated = CASES[case]()
    expected = numbers(real, generated)
    monkeypatch.setattr(module, "_ROWS", 13)
    monkeypatch.setattr(module, "_EXACT_VALUES", 100)
    orders = (torch.randperm(len(each), generator=stream(1, "order")) for each in (real, generated))
    assert numbers(real[next(orders)], generated[next(orders)]) == expected


def test_copies_score_one_and_what_is_far_scores_nothing() -> None:
    train = draws(100, 6, "a")
    assert numbers(train, train[:30])[0] == 1
    assert numbers(train, train + 1e-3)[0] == 1
    assert numbers(train, draws(100, 6, "b") + 10)[0] == 0


@pytest.mark.parametrize(
    ("depth", "expected"),
    # The chance to be the nearest of one's nearest: 2/3 on the line, 6 pi / (8 pi + 3 sqrt 3) in the plane.
    [(1, 2 / 3), (2, 0.6215)],
)
def test_held_out_data_score_the_closed_form_and_are_foretold_by_the_training_data(depth: int, expected: float) -> None:
    held_out, foretold = numbers(draws(3000, depth, "train"), draws(3000, depth, "held out"))
    assert held_out == pytest.approx(expected, abs=0.03)  # three standard errors
    assert foretold == pytest.approx(expected, abs=0.03)
