import math

import numpy as np
import pytest
import torch

from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import UserError

EVERY_BYTE = torch.arange(256, dtype=torch.uint8)


def test_unit_range_is_the_correctly_rounded_quotient():
    expected = torch.from_numpy(np.arange(256, dtype=np.float32) / np.float32(255))
    assert torch.equal(LinearScaling(255)(EVERY_BYTE), expected)


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 255), (0.25, 0.75), (-55.0, 3.0)])
def test_levels_are_mapped_linearly_end_to_end(value_range):
    low, high = value_range
    images = LinearScaling(255, value_range)(EVERY_BYTE)
    expected = low + (high - low) * EVERY_BYTE.double() / 255
    assert images.dtype == torch.float32
    torch.testing.assert_close(images.double(), expected, rtol=1e-6, atol=1e-6 * (high - low))
    assert (float(images[0]), float(images[-1])) == (low, high)


@pytest.mark.parametrize("value_range", [(1, 0), (1, 1), (0, math.inf), (math.nan, 1), (0, 1, 2), ("a", "b"), None])
def test_other_than_two_rising_numbers_is_an_error(value_range):
    with pytest.raises(UserError, match=r"value_range = .*: expected two finite numbers, the lower one first"):
        LinearScaling(255, value_range)
