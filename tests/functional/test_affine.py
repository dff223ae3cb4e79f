"""Maps of the plane and of colours where they are known: what becomes of an axis, of grey, of red; and images by hand."""

import math

import pytest
import torch
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_has_the_type_of_what_it_is_made_of(dtype: torch.dtype) -> None:
    one = torch.ones(2, dtype=dtype)
    plane = [translations(one, one), scalings(one, one), rotations(one)]
    colours = [turns_of_colour(one), saturations(one), reflections_of_brightness(one)]
    assert {(tuple(found.shape), found.dtype) for found in plane} == {((2, 3, 3), dtype)}
    assert {(tuple(found.shape), found.dtype) for found in colours} == {((2, 4, 4), dtype)}
