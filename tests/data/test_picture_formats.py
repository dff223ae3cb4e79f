"""Which suffixes are read: those whose pixels the installed Pillow decodes."""

import numpy as np
import pytest
from PIL import Image, ImageFile

from lit_gan.data.picture import decode_picture
from lit_gan.data.picture_formats import looks_like_a_picture, readable_suffixes

# What everybody has; each is written and read again.
_USUAL = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif", ".tif", ".tiff"),
    *(".jp2", ".j2k", ".ico", ".icns", ".tga", ".qoi", ".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".sgi", ".dds", ".mpo"),
)


@pytest.mark.parametrize("suffix", _USUAL)
def test_a_suffix_is_read_and_its_picture_is_right(suffix, tmp_path):
    if looks_like_a_picture(suffix):
        pytest.skip(f"this Pillow was built without {suffix}")
    picture, path = Image.new("RGB", (32, 32), (255, 255, 255)), tmp_path / f"x{suffix}"
    picture.convert("1" if suffix == ".pbm" else "RGB").save(path)
    assert suffix in readable_suffixes()
    np.testing.assert_allclose(decode_picture(path, (4, 4), grey=False), 255, atol=1)


@pytest.mark.parametrize("suffix", [".eps", ".wmf", ".emf", ".mpg", ".h5", ".hdf", ".grib", ".ps", ".iim", ".pdf"])
def test_what_pillow_does_not_decode_by_itself_is_not_read(suffix):
    assert suffix not in readable_suffixes()


def test_what_looks_like_a_picture_is_known_in_small_letters():
    known = {".heic": True, ".svg": True, ".cr2": True, ".jxl": True, ".png": False, ".txt": False, "": False}
    assert {suffix: looks_like_a_picture(suffix) for suffix in known} == known


def test_a_reader_that_is_registered_with_pillow_is_used(monkeypatch, tmp_path):
    class Heic(ImageFile.ImageFile):
        format = "HEIC"

        def _open(self):
            self._mode, self._size = "L", (2, 2)
            self.tile = [("raw", (0, 0, 2, 2), 4, ("L", 0, 1))]

    monkeypatch.setitem(Image.EXTENSION, ".heic", "HEIC")
    monkeypatch.setitem(Image.OPEN, "HEIC", (Heic, lambda prefix: prefix.startswith(b"heic")))
    (tmp_path / "x.heic").write_bytes(b"heic" + bytes([9, 9, 9, 9]))
    assert ".heic" in readable_suffixes()
    assert not looks_like_a_picture(".heic")
    assert np.unique(decode_picture(tmp_path / "x.heic", (2, 2), grey=True)).tolist() == [9]


def test_a_format_that_pillow_was_built_without_looks_like_a_picture(monkeypatch):
    monkeypatch.delitem(Image.EXTENSION, ".avif", raising=False)
    assert ".avif" not in readable_suffixes()
    assert looks_like_a_picture(".avif")


def test_the_content_decides_and_not_the_suffix(tmp_path):
    Image.new("L", (2, 2), 9).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert np.unique(decode_picture(tmp_path / "x.jpg", (2, 2), grey=True)).tolist() == [9]
    (tmp_path / "y.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n"
    )  # no program is started for it
    with pytest.raises(OSError, match="cannot identify"):
        decode_picture(tmp_path / "y.png", (2, 2), grey=True)
