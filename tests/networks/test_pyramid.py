"""Sides and widths, from the smallest maps on."""

import pytest

from lit_gan.errors import UserError
from lit_gan.networks.pyramid import Pyramid, pyramid, side_of


@pytest.mark.parametrize(
    ("side", "base", "halvings"),
    [(8, 4, 1), (16, 4, 2), (28, 7, 2), (32, 4, 3), (48, 6, 3), (64, 4, 4), (80, 5, 4), (128, 4, 5), (256, 4, 6)],
)
def test_sides_are_halved_down_to_4_to_7(side: int, base: int, halvings: int) -> None:
    assert pyramid(side, 1, 1) == Pyramid(base, (1,) * halvings)


def test_widths_double_up_to_the_largest() -> None:
    assert pyramid(256, 96, 768, further=1).widths == (768, 768, 768, 768, 384, 192, 96)  # R3GAN's, FFHQ-256
    assert pyramid(64, 384, 768, further=1).widths == (768, 768, 768, 768, 384)  # FFHQ-64
    assert pyramid(32, 768, 768, further=1).widths == (768,) * 4  # CIFAR-10
    assert pyramid(64, 128, 1024).widths == (1024, 512, 256, 128)  # DCGAN's
    assert pyramid(16, 2000, 1024).widths == (2000, 2000)


@pytest.mark.parametrize("side", [4, 7, 30, 36, 50, 100, 250])
def test_other_sides_are_refused(side: int) -> None:
    with pytest.raises(UserError, match=f"images with maps of {side} x {side}: expected a side of 4, 5, 6 or 7 "):
        pyramid(side, 8, 8)


def test_lists_name_every_side() -> None:
    assert pyramid(36, [8, 4], 1, further=0) == Pyramid(9, (8, 4))
    assert pyramid(36, [8, 4], 1, further=1) == Pyramid(18, (8, 4))
    with pytest.raises(UserError, match=r"widths = \[4, 4, 4\] halve the side 3 times, and 8 does not divide 36: give"):
        pyramid(36, [4, 4, 4], 1)
    with pytest.raises(UserError, match=r"widths = \[4\]: expected at least 2, from the smallest maps to the largest"):
        pyramid(32, [4], 1, further=1)
    with pytest.raises(UserError, match=r"widths\[1\] = 0: expected a whole number of at least 1"):
        pyramid(32, [4, 0], 1)
    with pytest.raises(UserError, match=r"max_width = 0"):
        pyramid(32, 4, 0)


def test_images_are_square() -> None:
    with pytest.raises(UserError, match=r"image_shape = \(3, 32, 48\): expected square images, \(C, S, S\)"):
        side_of((3, 32, 48))
