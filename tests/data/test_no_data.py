"""Batches of nothing, in the number that was asked for."""

import pytest

from lit_gan.data import NoData
from lit_gan.errors import UserError


def test_it_gives_rounds_and_nothing_in_them() -> None:
    data = NoData((1, 8, 8), num_train=100, num_held_out=30, batch_size=25, eval_batch_size=20)
    assert [tuple(batch.shape) for batch in data.train_dataloader()] == [(25, 0)] * 4
    assert [tuple(batch.shape) for batch in data.val_dataloader()] == [(20, 0), (10, 0)]
    assert data.image_shape == (1, 8, 8)


@pytest.mark.parametrize("name", ["num_train", "num_held_out"])
def test_a_number_out_of_range_is_told(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} = 0"):
        NoData((1, 8, 8), **{name: 0})
