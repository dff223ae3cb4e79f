import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from mutations import check_told, mutations
from PIL import Image
from properties import examples

from lit_gan.data.decoding import Decoder
from lit_gan.data.picture import decode_picture, in_colours
from lit_gan.data.picture_folder import PictureFolder
from lit_gan.errors import UserError

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


def flat(level, dtype):
    return Image.fromarray(np.full((6, 6), level, dtype))


def only_value(pixels):
    [value] = np.unique(pixels).tolist()
    return value


@pytest.mark.parametrize(
    ("level", "dtype", "levels", "expected"),
    [
        (0.75, np.float32, (0, 1), 191),
        (-1.0, np.float32, (-1, 3), 0),
        (1000, np.int32, (-1000, 3071), 125),
        (2**31 - 1, np.int32, (0, 2**31 - 1), 255),
        (4095, np.uint16, (0, 4095), 255),
        (1023, np.uint16, (0, 4095), 64),
        (300, np.uint16, (200, 400), 128),
    ],
)
@pytest.mark.parametrize("grey", [True, False])
def test_levels_that_are_given_become_black_and_white(tmp_path, level, dtype, levels, expected, grey):
    path = saved(tmp_path, flat(level, dtype), name="deep.tif")
    pixels = decode_picture(path, (3, 3), grey=grey, levels=levels)
    assert pixels.shape == (3, 3, 1 if grey else 3)
    assert only_value(pixels) == expected


@pytest.mark.parametrize(
    ("level", "dtype", "message"),
    [
        (0.5, np.float32, r"floating-point levels, from 0\.5 to 0\.5 in this picture"),
        (70000, np.int32, "signed or 32-bit levels, from 70000 to 70000 in this picture"),
        (4095, np.uint16, "levels of 16 bits, from 4095 to 4095 in this picture"),
    ],
)
def test_deep_levels_whose_range_is_unknown_are_refused(tmp_path, level, dtype, message):
    path = saved(tmp_path, flat(level, dtype), name="deep.tif")
    with pytest.raises(UserError, match=f"{path}: {message}"):
        decode_picture(path, (3, 3), grey=True)


@pytest.mark.parametrize("level", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("levels", [None, (0, 1)])
def test_levels_that_are_no_finite_numbers_are_refused(tmp_path, level, levels):
    array = np.zeros((6, 6), np.float32)
    array[2, 3] = level
    path = saved(tmp_path, Image.fromarray(array), name="deep.tif")
    with pytest.raises(UserError, match=rf"{path}: levels that are not finite \(NaN or inf\): mend or remove"):
        decode_picture(path, (3, 3), grey=True, levels=levels)


def test_a_tiff_whose_zero_is_white_is_turned_over(tmp_path):
    path = saved(tmp_path, flat(60000, np.uint16), name="film.tif")
    before = only_value(decode_picture(path, (3, 3), grey=True))
    entry = struct.pack("<HHI", 262, 3, 1)  # the tag, as one whole number
    path.write_bytes(path.read_bytes().replace(entry + b"\x01", entry + b"\x00"))
    assert only_value(decode_picture(path, (3, 3), grey=True)) == 255 - before == 22


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2", "pgm"])
def test_sixteen_grey_bits_in_every_format_are_the_same(tmp_path, suffix):
    levels = (np.arange(36, dtype=np.uint16) * 257 * 7).reshape(6, 6)
    path = saved(tmp_path, Image.fromarray(levels), name=f"deep.{suffix}")
    np.testing.assert_array_equal(decode_picture(path, (6, 6), grey=True)[:, :, 0], levels // 257)


def test_the_level_that_sixteen_grey_bits_call_transparent_is_white(tmp_path):
    levels = np.array([[0, 65535], [257 * 9, 257 * 9]], np.uint16)
    path = saved(tmp_path, Image.fromarray(levels), transparency=257 * 9)
    np.testing.assert_array_equal(decode_picture(path, (2, 2), grey=True)[:, :, 0], [[0, 255], [255, 255]])


def png(rows, colour_type):
    """A PNG of 16 bits, which Pillow cannot write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "alpha"), [(2, []), (6, [65535]), (4, [65535])])
def test_sixteen_bits_of_colour_are_read_or_refused(tmp_path, colour_type, alpha):
    path, colours = tmp_path / "deep.png", [40000] if colour_type == 4 else [257 * 10, 257 * 20, 40000]
    path.write_bytes(png(np.full((4, 4, len(colours) + len(alpha)), colours + alpha), colour_type))
    expected = [156, 156, 156] if colour_type == 4 else [10, 20, 156]
    np.testing.assert_array_equal(decode_picture(path, (2, 2), grey=False), np.broadcast_to(expected, (2, 2, 3)))

    dim = [colour // 16 for colour in colours]
    path.write_bytes(png(np.full((4, 4, len(dim) + len(alpha)), dim + alpha), colour_type))
    with pytest.raises(
        UserError, match=rf"{path}: colours of 16 bits, from about \d+ to 2313 in this picture: .* to 8 bits"
    ):
        decode_picture(path, (2, 2), grey=False)


@pytest.mark.parametrize(("maximum", "expected"), [(4095, 255), (65535, None)])
def test_the_maximum_that_a_pnm_states_is_its_white(tmp_path, maximum, expected):
    grey, colour = tmp_path / "x.pgm", tmp_path / "x.ppm"
    grey.write_bytes(b"P5 2 2 %d\n" % maximum + np.full(4, 4095, ">u2").tobytes())
    colour.write_bytes(b"P6 2 2 %d\n" % maximum + np.full(12, 4095, ">u2").tobytes())
    for path, seen in ((grey, "levels of 16 bits, from 4095"), (colour, "colours of 16 bits, from about 4112")):
        if expected is None:
            with pytest.raises(UserError, match=f"{path}: {seen} to 4"):
                decode_picture(path, (2, 2), grey=True)
        else:
            assert only_value(decode_picture(path, (2, 2), grey=True)) == expected


def test_floats_of_a_portable_map_need_levels(tmp_path):
    path = saved(tmp_path, flat(0.25, np.float32), name="x.pfm")
    with pytest.raises(UserError, match=f"{path}: floating-point levels"):
        decode_picture(path, (2, 2), grey=True)
    assert only_value(decode_picture(path, (2, 2), grey=True, levels=(0, 1))) == 64


COLOUR = (200, 100, 50)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (90, 255), (90, 90, 90)),
        ("LA", (90, 0), (255, 255, 255)),
        ("La", (90, 255), (90, 90, 90)),
        ("La", (0, 0), (255, 255, 255)),
        ("RGB", COLOUR, COLOUR),
        ("RGBX", (*COLOUR, 0), COLOUR),
        ("RGBA", (*COLOUR, 255), COLOUR),
        ("RGBa", (*COLOUR, 255), COLOUR),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("CMYK", (55, 155, 205, 0), COLOUR),
        ("YCbCr", (90, 128, 128), (90, 90, 90)),
        ("HSV", (0, 0, 90), (90, 90, 90)),
        ("LAB", (255, 128, 128), (255, 255, 255)),
    ],
)
def test_every_mode_of_pillow_becomes_colours_or_grey_on_white(mode, colour, expected):
    picture = Image.new(mode, (2, 2), colour)
    shown = in_colours(picture, grey=False)
    assert shown.mode == "RGB"
    np.testing.assert_allclose(shown.getpixel((0, 0)), expected, atol=1)
    grey = in_colours(picture, grey=True)
    assert grey.mode == "L"
    weighed = np.dot(expected, [0.299, 0.587, 0.114])
    assert abs(grey.getpixel((1, 1)) - weighed) <= 1


def test_a_palette_with_transparency_is_looked_up():
    picture = Image.new("P", (2, 2), 1)
    picture.putpalette([*RED, *BLUE])
    assert in_colours(picture.convert("PA"), grey=False).getpixel((0, 0)) == BLUE


def test_no_mode_of_pillow_is_forgotten():
    deep = {"I", "I;16", "I;16L", "I;16B", "I;16N", "F"}
    for mode in set(Image.MODES) - deep:
        assert in_colours(Image.new(mode, (2, 2)), grey=True).mode == "L"


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    for suffix in ("gif", "webp", "png", "tif", "mpo"):
        path = saved(tmp_path, frames[0], f"x.{suffix}", save_all=True, append_images=frames[1:])
        np.testing.assert_allclose(decode_picture(path, (2, 2), grey=False)[0, 0], RED, atol=3)


def test_eight_bits_keep_every_bit(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for suffix in ("png", "bmp", "tif", "ppm", "qoi", "tga"):
        path = saved(tmp_path, Image.fromarray(levels), f"x.{suffix}")
        np.testing.assert_array_equal(decode_picture(path, (5, 7), grey=False), levels)
        assert decode_picture(path, (5, 7), grey=False, levels=(0, 4095)).tolist() == levels.tolist()


def test_a_progressive_jpeg_is_its_baseline(tmp_path):
    baseline, progressive = (
        decode_picture(saved(tmp_path, stripes(True), f"{each}.jpg", progressive=each), (10, 30), grey=False)
        for each in (False, True)
    )
    np.testing.assert_array_equal(progressive, baseline)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_four_inks_are_read_as_colours(tmp_path, suffix):
    path = saved(tmp_path, Image.new("CMYK", (16, 16), (55, 155, 205, 0)), f"print.{suffix}")
    np.testing.assert_allclose(decode_picture(path, (2, 2), grey=False)[0, 0], COLOUR, atol=3)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "pbm"])
def test_one_bit_is_black_and_white(tmp_path, suffix):
    path = saved(tmp_path, Image.fromarray(np.array([[True, False], [False, True]])), f"x.{suffix}")
    np.testing.assert_array_equal(decode_picture(path, (2, 2), grey=True)[:, :, 0], [[255, 0], [0, 255]])


@pytest.mark.parametrize("transparency", [0, b"\0\xff"], ids=["one colour", "a table"])
def test_a_palette_is_looked_up_and_its_transparent_colour_is_white(tmp_path, transparency):
    picture = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    picture.putpalette([*RED, *BLUE])
    path = saved(tmp_path, picture, transparency=transparency)
    white = (255, 255, 255)
    np.testing.assert_array_equal(decode_picture(path, (2, 2), grey=False), [[white, BLUE], [BLUE, white]])


def test_half_of_what_is_half_transparent_is_white(tmp_path):
    path = saved(tmp_path, Image.new("RGBA", (4, 4), (0, 0, 0, 128)))
    assert only_value(decode_picture(path, (2, 2), grey=True)) == 127


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_camera_is_turned_upright(tmp_path, orientation):
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(turned)), exif=exif)
    np.testing.assert_array_equal(decode_picture(path, (2, 3), grey=True)[:, :, 0], upright)


def test_an_empty_file_is_no_picture(tmp_path):
    (tmp_path / "x.png").touch()
    with pytest.raises(OSError, match="cannot identify image file"):
        decode_picture(tmp_path / "x.png", (2, 2), grey=True)


def _in_formats():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8))
    palette, clear = picture.quantize(8), picture.copy()
    clear.putalpha(picture.convert("L"))
    return {
        "colours.png": (picture, {}),
        "palette.png": (palette, {"transparency": bytes(range(0, 256, 32))}),
        "clear.png": (clear, {}),
        "deep.png": (Image.fromarray(np.arange(0, 65_000, 700, dtype=np.uint16)[:90].reshape(9, 10)), {}),
        **{f"x{suffix}": (picture, {}) for suffix in (".jpg", ".webp", ".bmp", ".ppm", ".tga", ".gif")},
        "x.ico": (picture, {"sizes": [picture.size]}),  # Pillow before 12 has no size of its own as small as this
        "progressive.jpg": (picture, {"progressive": True}),
        "lossless.webp": (clear, {"lossless": True}),
        **{f"{name}.tif": (picture, {"compression": name}) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate")},
    }


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged files: the decoder of many tells the error alone
@pytest.mark.parametrize(("name", "picture", "arguments"), [(name, *each) for name, each in _in_formats().items()])
def test_any_damage_is_told_or_gives_a_picture(tmp_path, name, picture, arguments):
    path, names = saved(tmp_path, picture, name, **arguments), [name]
    source = PictureFolder(tmp_path)

    def decoded():
        [rows] = Decoder(source, (3, 4, 4), (0.0, 65535.0) if name == "deep.png" else None).rows(
            names, show_progress=False
        )
        return rows

    written = decoded()
    for content in mutations(path.read_bytes(), 20):
        path.write_bytes(content)
        try:
            found = decoded()
        except UserError as error:
            check_told(error)
            continue
        assert (found.shape, found.dtype) == ((1, 3, 4, 4), np.uint8)
        if name.endswith(".png"):  # the others have no checksums
            np.testing.assert_array_equal(found, written)


@pytest.mark.parametrize("level", [0, 6], ids=["stored", "packed"])
def test_a_wrong_bit_in_the_pixels_of_a_png_is_told(tmp_path, level):
    path = saved(tmp_path, stripes(vertical=True), compress_level=level)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 4
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"picture\.png: damaged: its pixels are not those that were written; mend or"):
        decode_picture(path, (5, 5), grey=False)


def test_a_png_that_ends_after_its_pixels_is_read(tmp_path):
    path = saved(tmp_path, stripes(vertical=True))
    written = decode_picture(path, (5, 5), grey=False)
    path.write_bytes(path.read_bytes()[:-12])
    np.testing.assert_array_equal(decode_picture(path, (5, 5), grey=False), written)


@examples(40)
@given(
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9).map(lambda shape: (*shape[:2], 3))),
    st.sampled_from((("png", {}), ("bmp", {}), ("ppm", {}), ("webp", {"lossless": True}), ("tif", {}), ("tga", {}))),
    st.booleans(),
)
def test_any_picture_is_read_as_it_was_written(tmp_path, pixels, kind, grey):
    suffix, arguments = kind
    written = pixels[..., 0] if grey and suffix != "webp" else pixels
    path = saved(tmp_path, Image.fromarray(written), f"any.{suffix}", **arguments)
    found = decode_picture(path, written.shape[:2], grey=written.ndim == 2)
    np.testing.assert_array_equal(found, written.reshape(found.shape))
