"""Levels of more than eight bits: right, or refused with the range that was seen."""

import re
from pathlib import Path

import numpy as np
import pytest

from lit_gan.data.levels import DeepLevels, check_levels, scaled_to_bytes
from lit_gan.errors import UserError


def seen(name, kind="16-bit", low=0.0, high=4095.0):
    return DeepLevels(Path(name), kind, low, high)


@pytest.mark.parametrize(
    ("values", "levels", "expected"),
    [
        (np.array([0, 100 * 257, 65535], np.uint16), (0, 65535), [0, 100, 255]),
        (np.array([0, 2047, 2048, 4095], ">u2"), (0, 4095), [0, 127, 128, 255]),
        (np.array([-1.0, 0.0, 1.0], np.float32), (-1, 1), [0, 128, 255]),
        (np.array([-(2**31), 0, 2**31 - 1], np.int32), (-(2**31), 2**31 - 1), [0, 128, 255]),
        (np.array([-5, 300]), (0, 255), [0, 255]),
    ],
)
def test_levels_are_scaled_and_rounded(values, levels, expected):
    np.testing.assert_array_equal(scaled_to_bytes(values, levels), np.array(expected, np.uint8))


def test_bytes_that_were_widened_to_sixteen_bits_come_back():
    widened = np.arange(256, dtype=np.uint16) * 257
    np.testing.assert_array_equal(scaled_to_bytes(widened, (0, 65535)), np.arange(256))


@pytest.mark.parametrize("order", [1, -1])
def test_sixteen_bits_are_known_by_the_highest_of_them_anywhere(order):
    dark, bright = seen("a.tif", high=900.0), seen("b.tif", low=3.0, high=32768.0)
    check_levels([dark, bright][::order], None)
    check_levels([], None)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (
            [seen("b.tif", high=4000.0), seen("a.tif", low=7.0, high=12.0), seen("c.tif", high=4000.0)],
            (
                "b.tif: levels of 16 bits, from 0 to 4000 in 3 such pictures: which is white is unknown; say which "
                "levels are black and white, as in --data.init_args.levels '[0, 4095]'."
            ),
        ),
        (
            [seen("a.tif", high=32767.0)],
            (
                "a.tif: levels of 16 bits, from 0 to 32767 in this picture: which is white is unknown; say which "
                "levels are black and white, as in --data.init_args.levels '[0, 32767]'."
            ),
        ),
        (
            [seen("a.tif", "floating-point", 0.25, 0.75)],
            (
                "a.tif: floating-point levels, from 0.25 to 0.75 in this picture: which is white is unknown; say "
                "which levels are black and white, as in --data.init_args.levels '[0, 1]'."
            ),
        ),
        ([seen("a.tif", "floating-point", -0.5, 0.75)], "--data.init_args.levels '[-1, 1]'."),
        ([seen("a.tif", "floating-point", -1000.0, 3071.5)], "--data.init_args.levels '[-1000, 3071.5]'."),
        (
            [seen("a.tif", "32-bit", -3.0, 70000.0)],
            (
                "a.tif: signed or 32-bit levels, from -3 to 70000 in this picture: which is white is unknown; say "
                "which levels are black and white, as in --data.init_args.levels '[-3, 70000]'."
            ),
        ),
        ([seen("a.tif", "32-bit", 0.0, 65535.0)], "--data.init_args.levels '[0, 65535]'."),
        (
            [seen("a.png", "16-bit colour", 0.0, 4095.0)],
            (
                "a.png: colours of 16 bits, from about 0 to 4095 in this picture: which is white is unknown; "
                "convert them to 8 bits."
            ),
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_doubtful_levels_are_refused_with_a_name_the_range_and_what_to_type(pictures, message, order):
    with pytest.raises(UserError, match=f"{re.escape(message)}$"):
        check_levels(pictures[::order], None)


def test_a_full_range_of_grey_says_nothing_about_floats():
    with pytest.raises(UserError, match=r"b\.tif: floating-point levels"):
        check_levels([seen("a.tif", high=65535.0), seen("b.tif", "floating-point", 0.0, 1.0)], None)


@pytest.mark.parametrize("kind", ["16-bit", "32-bit", "floating-point"])
def test_levels_that_are_given_decide(kind):
    check_levels([seen("a.tif", kind, 0.0, 4095.0), seen("b.tif", kind, 9.0, 10.0)], (0.0, 4095.0))


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (
            [seen("z.tif", high=5000.0), seen("y.tif", low=3.0, high=4096.0), seen("a.tif")],
            (
                "y.tif: levels of 16 bits, from 3 to 4096, expected none outside levels = [0, 4095]: give "
                "levels that hold all pictures, or mend this one."
            ),
        ),
        (
            [seen("a.tif", "32-bit", low=-1.0)],
            (
                "a.tif: signed or 32-bit levels, from -1 to 4095, expected none outside levels = [0, 4095]: give "
                "levels that hold all pictures, or mend this one."
            ),
        ),
        (
            [seen("b.tif", "floating-point", 0.0, 1.0), seen("a.tif", "floating-point", 0.5, 0.5)],
            (
                "a.tif: floating-point levels, from 0 to 1 in all of the folder, which levels = [0, 4095] make one "
                "shade: give the levels that are black and white in these files."
            ),
        ),
        (
            [seen("a.tif", "floating-point", 0.0, 100.0), seen("b.tif"), seen("c.tif")],
            (
                "a.tif has floating-point levels and b.tif whole ones: one pair of levels cannot serve both; "
                "convert them to one kind."
            ),
        ),
        (
            [seen("a.png", "16-bit colour")],
            "a.png: levels = [0, 4095] serve grey pictures, and these are colours: convert to 8 bits.",
        ),
    ],
)
def test_levels_that_do_not_fit_are_refused_with_the_picture(pictures, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        check_levels(pictures, (0.0, 4095.0))


def test_colours_of_the_full_range_pass_where_the_full_range_is_given():
    check_levels([seen("a.png", "16-bit colour"), seen("b.png", high=900.0)], (0.0, 65535.0))
