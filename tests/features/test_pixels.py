import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.features import Pixels


def test_an_image_is_the_row_of_its_pixels() -> None:
    images = torch.rand(3, 2, 4, 5)
    assert torch.equal(Pixels()(images), images.reshape(3, 40))


def test_a_thumbnail_has_the_means_of_what_it_stands_for() -> None:
    images = torch.rand(3, 2, 8, 4)
    expected = images.reshape(3, 2, 4, 2, 2, 2).mean((3, 5)).flatten(1)
    torch.testing.assert_close(Pixels(thumbnail=4)(images), expected)
    assert torch.equal(Pixels(thumbnail=8)(images), images.flatten(1))
    assert Pixels(thumbnail=1)(images).shape == (3, 2)


def test_no_pixels_are_told() -> None:
    with pytest.raises(UserError, match=r"Pixels thumbnail = 0: expected at least 1, or null for images as they are"):
        Pixels(thumbnail=0)
