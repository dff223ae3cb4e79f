"""How many samples an evaluation draws where nobody has said it."""

import pytest

from lit_gan.evaluation.sample_budget import PAPER_SAMPLES, budget_of_test, budget_of_validation


@pytest.mark.parametrize(
    ("held_out", "trained", "num", "reason"),
    [
        (60, 480, 300, "5 for each of 60 held-out images"),
        (60, 540, 360, "6 for each of 60 held-out images"),
        (60, 100_000, 600, "10 for each of 60 held-out images"),
        (60, 0, 600, "10 for each of 60 held-out images"),  # nothing was trained: what a validation alone has
        (60, 32, 21, "by the 32 images that are trained on between validations"),
        (10_000, 3_200, 640, "by the 3,200 images that are trained on between validations"),  # pairs, not samples
        (1, 100, 10, "10 for each of 1 held-out images"),
        (10_000, 50_000, 10_000, "as in the paper"),  # MNIST
        (0, 0, 1, "by the 0 images that are trained on between validations"),
    ],
)
def test_a_validation_draws_what_the_data_can_use_and_the_training_can_pay(
    held_out: int, trained: int, num: int, reason: str
) -> None:
    budget = budget_of_validation(held_out, trained)
    assert (budget.num, budget.reason) == (num, reason)


def test_a_test_draws_as_many_as_the_paper_where_they_have_room() -> None:
    assert [budget_of_test(depth).num for depth in (1, 784, 3 * 128 * 128, 3 * 256 * 256)] == [
        *(PAPER_SAMPLES,) * 3,
        2730,
    ]
