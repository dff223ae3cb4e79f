"""When the players move."""

import pytest

from lit_gan.coordination import FixedSteps
from lit_gan.errors import UserError


def test_fixed_steps_are_the_same_in_every_round() -> None:
    coordination = FixedSteps(k=3)
    assert [coordination.discriminator_steps(index) for index in (0, 1, 1000)] == [3, 3, 3]
    assert coordination.max_discriminator_steps == 3
    assert coordination.micro_batches == 1


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_an_error(k: int) -> None:
    with pytest.raises(UserError, match=f"k = {k}: expected at least 1 discriminator step per round"):
        FixedSteps(k=k)


def test_micro_batches_below_one_are_an_error() -> None:
    with pytest.raises(UserError, match="micro_batches = 0: expected at least 1 piece per minibatch"):
        FixedSteps(micro_batches=0)
