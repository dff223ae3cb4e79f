"""Maps of the plane and of colours by what becomes of a place, of grey and of red; and small images by hand."""

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
