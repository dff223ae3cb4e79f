"""Maps of the plane and of colours by what becomes of a place, of grey and of red; and small images by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples, numbers
from torch import Tensor

from lit_gan.functional.affine import (
    recoloured,
    reflections_of_brightness,
    rotations,
    saturations,
    scalings,
    translations,
    turns_of_colour,
    warped,
)


def each(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def agree(found: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(found, each(*expected), rtol=0, atol=1e-15)


PLACE = each(3.0, 5.0, 1.0)
RED, GREY = each(1.0, 0.0, 0.0, 1.0), each(0.5, 0.5, 0.5, 1.0)


def test_places_are_moved_stretched_and_turned_from_x_towards_y() -> None:
    agree(translations(each(10), each(20))[0] @ PLACE, [13, 25, 1])
    agree(scalings(each(10), each(20))[0] @ PLACE, [30, 100, 1])
    agree(rotations(each(math.pi / 2))[0] @ PLACE, [-5, 3, 1])
    agree(rotations(each(0, math.pi))[1] @ PLACE, [-3, -5, 1])


def test_a_third_of_a_turn_makes_red_green_and_green_blue() -> None:
    third = turns_of_colour(each(2 * math.pi / 3))[0]
    agree(third @ RED, [0, 1, 0, 1])
    agree(third @ third @ RED, [0, 0, 1, 1])
    agree(third @ GREY, GREY.tolist())


def test_saturation_stretches_a_colour_away_from_its_grey() -> None:
    maps = saturations(each(0, 1, 2))
    for by, found in enumerate(maps):
        agree(found @ RED, [1 / 3 + by * 2 / 3, 1 / 3 - by / 3, 1 / 3 - by / 3, 1])
        agree(found @ GREY, GREY.tolist())


def test_a_reflection_of_brightness_keeps_the_hue() -> None:
    left, turned = reflections_of_brightness(each(0, 1))
    agree(left @ RED, RED.tolist())
    agree(turned @ GREY, [-0.5, -0.5, -0.5, 1])
    agree(turned @ RED, [1 / 3, -2 / 3, -2 / 3, 1])  # a third darker than black, and as red as before


def test_an_image_moves_down_and_right_by_parts_of_a_pixel_and_goes_on_mirrored() -> None:
    image = torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]], dtype=torch.float64)
    down, right, both = (
        warped(image, translations(each(x), each(y))).flatten() for x, y in ((0, -1), (-0.25, 0), (-0.25, -0.5))
    )  # the inverse goes up, and to the left
    agree(down, [1, 2, 1, 2])
    agree(right, [1, 1.75, 4, 7])
    agree(both, [1, 1.75, 2.5, 4.375])


def test_colours_and_greys_become_what_a_map_that_is_like_no_other_says() -> None:
    maps = torch.eye(4, dtype=torch.float64)[None].clone()
    maps[0, :3, :3] = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]])
    maps[0, :3, 3] = torch.tensor([1.0, 2.0, 6.0])
    colour = each(1, 10, 100)
    found = recoloured(colour.view(1, 3, 1, 1).expand(-1, -1, 2, 2), maps)
    assert found[0, :, 1, 0].tolist() == [322, 656, 1093]
    grey = recoloured(torch.full((1, 1, 2, 2), 2.0, dtype=torch.float64), maps)
    assert grey.shape == (1, 1, 2, 2)
    assert grey[0, 0, 0, 1].item() == pytest.approx((13 + 32 + 56) / 3)  # 2 x (6, 15, 25) + (1, 2, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_has_the_type_of_what_it_is_made_of(dtype: torch.dtype) -> None:
    one = torch.ones(2, dtype=dtype)
    plane = [translations(one, one), scalings(one, one), rotations(one)]
    colours = [turns_of_colour(one), saturations(one), reflections_of_brightness(one)]
    assert {(tuple(found.shape), found.dtype) for found in plane} == {((2, 3, 3), dtype)}
    assert {(tuple(found.shape), found.dtype) for found in colours} == {((2, 4, 4), dtype)}


# -- Laws, for any maps and images

_ANGLES, _FACTORS = numbers(-10, 10), numbers(0.125, 4)


@examples(40)
@given(one=_ANGLES, other=_ANGLES, a=_FACTORS, b=_FACTORS)
def test_maps_of_a_kind_are_a_group(one: float, other: float, a: float, b: float) -> None:
    for make, first, second, both in (
        (rotations, one, other, one + other),
        (turns_of_colour, one, other, one + other),
        (saturations, a, b, a * b),
        (lambda by: scalings(by, 1 / by), a, b, a * b),
        (lambda by: translations(by, -2 * by), one, other, one + other),
        (reflections_of_brightness, 1.0, 1.0, 0.0),
    ):
        torch.testing.assert_close(make(each(first)) @ make(each(second)), make(each(both)), rtol=1e-9, atol=1e-9)


@examples(40)
@given(seed=st.integers(0, 999), height=st.integers(1, 7), width=st.integers(1, 7), angle=_ANGLES, by=_FACTORS)
def test_a_warped_image_has_no_value_that_it_had_not_and_a_plain_one_stays(
    seed: int, height: int, width: int, angle: float, by: float
) -> None:
    images = torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    inverse = (
        rotations(each(angle, -angle)) @ scalings(each(by, by), each(by, 1.0)) @ translations(each(by, 0), each(0, by))
    )
    found = warped(images, inverse)
    least, most = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    assert bool(((found >= least - 1e-12) & (found <= most + 1e-12)).all())
    torch.testing.assert_close(warped(least.expand_as(images), inverse), least.expand_as(images), rtol=0, atol=1e-12)
    assert torch.equal(warped(images, translations(each(0, 0), each(0, 0))), images)


@examples(40)
@given(seed=st.integers(0, 999), size=st.integers(1, 6), right=st.integers(-20, 20), down=st.integers(-20, 20))
def test_whole_pixels_are_moved_without_a_rounding_and_come_back_after_two_mirrors(
    seed: int, size: int, right: int, down: int
) -> None:
    images = torch.rand(1, 1, size, size + 1, generator=torch.Generator().manual_seed(seed))
    moved = warped(images, translations(torch.tensor([float(right)]), torch.tensor([float(down)])))
    mirrored = torch.cat([images, images.flip(3)], 3)
    mirrored = torch.cat([mirrored, mirrored.flip(2)], 2)  # the pattern that goes on for ever
    assert torch.equal(moved, mirrored.roll((-down, -right), (2, 3))[..., :size, : size + 1])


@examples(40)
@given(angle=_ANGLES, by=_FACTORS, grey=numbers(0, 1))
def test_hue_and_saturation_leave_grey_as_it_is_and_brightness_too(angle: float, by: float, grey: float) -> None:
    images = torch.rand(1, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    maps = turns_of_colour(each(angle)) @ saturations(each(by))
    torch.testing.assert_close(recoloured(images, maps).mean(1), images.mean(1), rtol=0, atol=1e-12)
    plain = torch.full_like(images, grey)
    torch.testing.assert_close(recoloured(plain, maps), plain, rtol=0, atol=1e-12)
    of_grey = recoloured(plain[:, :1], reflections_of_brightness(each(1.0)))
    torch.testing.assert_close(of_grey, -plain[:, :1], rtol=0, atol=1e-12)
