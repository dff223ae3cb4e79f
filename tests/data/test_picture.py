import numpy as np
import pytest
from PIL import Image

from lit_gan.data.picture import decode_picture

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def saved(tmp_path, picture, name="picture.png", **arguments):
    picture.save(tmp_path / name, **arguments)
    return tmp_path / name


def stripes(vertical):
    """Three stripes, 30 x 10 pixels or 10 x 30."""
    row = np.array([RED] * 10 + [GREEN] * 10 + [BLUE] * 10, dtype=np.uint8)
    picture = np.repeat(row[None], 10, axis=0)
    return Image.fromarray(picture if vertical else picture.transpose(1, 0, 2).copy())


@pytest.mark.parametrize("vertical", [True, False])
def test_middle_of_the_longer_side_is_kept(tmp_path, vertical):
    pixels = decode_picture(saved(tmp_path, stripes(vertical)), (5, 5), grey=False)
    # The filter reaches a little over the stripe's edge, and no further.
    np.testing.assert_allclose(pixels, np.broadcast_to(GREEN, (5, 5, 3)), atol=20)
    np.testing.assert_array_equal(pixels[1:4, 1:4], np.broadcast_to(GREEN, (3, 3, 3)))


def test_size_is_height_then_width(tmp_path):
    path = saved(tmp_path, stripes(vertical=True))
    assert decode_picture(path, (4, 12), grey=False).shape == (4, 12, 3)
    assert decode_picture(path, (12, 4), grey=True).shape == (12, 4, 1)


def test_grey_weighs_the_colours_by_their_brightness(tmp_path):
    pixels = decode_picture(saved(tmp_path, Image.new("RGB", (4, 4), GREEN)), (4, 4), grey=True)
    assert np.unique(pixels).tolist() == [round(0.587 * 255)]


def test_picture_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    path = saved(tmp_path, stripes(vertical=True), exif=exif)
    pixels = decode_picture(path, (30, 10), grey=False)
    assert [tuple(pixels[row, 5]) for row in (5, 15, 25)] == [RED, GREEN, BLUE]


def test_transparent_parts_become_white(tmp_path):
    pixels = decode_picture(saved(tmp_path, Image.new("RGBA", (4, 4), (255, 0, 0, 0))), (4, 4), grey=False)
    assert np.unique(pixels).tolist() == [255]


def test_palette_with_transparency_is_read_without_a_warning(tmp_path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([*RED, *BLUE])
    path = saved(tmp_path, picture, name="picture.gif", transparency=0)
    np.testing.assert_array_equal(decode_picture(path, (2, 2), grey=False)[0, 0], BLUE)


def test_sixteen_bit_levels_are_scaled_not_cut_off(tmp_path):
    levels = np.repeat(np.array([0, 257 * 100, 65535], np.uint16), 9).reshape(3, 9)
    pixels = decode_picture(saved(tmp_path, Image.fromarray(levels)), (3, 9), grey=True)
    np.testing.assert_array_equal(pixels[:, :, 0], levels // 257)
