"""One picture file to one array of bytes."""

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, features
from PIL import __version__ as _pillow

from lit_gan.data.levels import DeepLevels, Kind, check_levels, levels_of, scaled_to_bytes
from lit_gan.data.picture_formats import readable_formats
from lit_gan.errors import UserError

_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # a tag of TIFF
_PNG_SIGNATURE, _PIECE = 8, 2**20  # bytes
_EDITION = 1  # of this file and of levels.py: to be raised with whatever makes other bytes of any picture


def decode_picture(
    path: Path, size: tuple[int, int], *, grey: bool, levels: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Reads a picture, turned upright, scaled to cover ``size`` and cut to it about its centre.

    The first frame of an animation is read. What is transparent becomes white.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "wide.png")
        ...     Image.new("RGB", (20, 10), (255, 0, 0)).save(path)
        ...     decode_picture(path, (4, 4), grey=False)[0, 0]
        array([255,   0,   0], dtype=uint8)
    """
    pixels, seen = read_picture(path, path, size, grey=grey, levels=levels)
    check_levels([] if seen is None else [seen], levels)
    return pixels


def read_picture(
    file: Path | BinaryIO, where: Path, size: tuple[int, int], *, grey: bool, levels: tuple[float, float] | None
) -> tuple[NDArray[np.uint8], DeepLevels | None]:
    """As :func:`decode_picture`, for one of many, which are checked together by :func:`check_levels`."""
    with Image.open(file, formats=readable_formats()) as picture:
        return _read(picture, where, size, grey=grey, levels=levels)


def _check_png(opened: Image.Image, where: Path) -> None:
    """Compares the checksums of the pixels' blocks, which Pillow passes over: a wrong bit may be another picture."""
    file: Any = getattr(opened, "fp", None)
    place = file.tell()
    file.seek(_PNG_SIGNATURE)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            break
        if name != b"IDAT":
            file.seek(length + 4, 1)
            continue
        checksum = zlib.crc32(name)
        while length and (piece := file.read(min(length, _PIECE))):
            checksum, length = zlib.crc32(piece, checksum), length - len(piece)
        if len(written := file.read(4)) == 4 and checksum != int.from_bytes(written, "big"):
            raise UserError(
                f"{where}: damaged: its pixels are not those that were written; mend or remove the picture."
            )
    file.seek(place)


def decoder() -> str:
    """Of what the bytes of a picture are a function, beside its file: this code, Pillow and what it decodes with.

    Example:
        >>> "Pillow" in decoder()
        True
    """
    known = {*features.codecs, *(features.modules.keys() & {"webp", "avif"})}  # the others decode nothing
    libraries = {name: features.version(name) for name in sorted(known)}
    libraries["libjpeg_turbo"] = features.version_feature("libjpeg_turbo")
    return repr((_EDITION, "Pillow", _pillow, libraries, sorted(readable_formats())))


def _read(
    opened: Image.Image, where: Path, size: tuple[int, int], *, grey: bool, levels: tuple[float, float] | None
) -> tuple[NDArray[np.uint8], DeepLevels | None]:
    if opened.format == "PNG":
        _check_png(opened, where)
    kind = _kind(opened)
    white_is_zero = getattr(opened, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    ImageOps.exif_transpose(opened, in_place=True)  # a picture that stands upright is not copied for it
    picture = opened
    seen = None if kind is None else _levels_in(where, kind, picture)
    if seen is not None and kind != "16-bit colour":
        picture = _as_bytes(picture, levels_of(seen, levels), white_is_zero=white_is_zero)
    picture = in_colours(picture, grey=grey)
    height, width = size
    picture = ImageOps.fit(picture, (width, height), method=Image.Resampling.BICUBIC)
    return np.asarray(picture).reshape(height, width, -1), seen


def in_colours(picture: Image.Image, *, grey: bool) -> Image.Image:
    """A picture of eight bits in any of Pillow's modes as grey or as red, green and blue, on white."""
    if picture.mode == "La":  # Pillow knows one way out of each of these two
        picture = picture.convert("LA")
    elif picture.mode == "LAB":
        picture = picture.convert("RGB")
    if picture.has_transparency_data:
        # Through RGBA: without its transparency such a picture shows whatever colour its empty parts happen
        # to have.
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    mode = "L" if grey else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)  # which would be a copy


def _kind(opened: Image.Image) -> Kind | None:
    """What levels of more than eight bits a picture has that is not yet loaded; afterwards Pillow does not say."""
    if opened.mode == "F":
        return "floating-point"
    if opened.mode == "I" and opened.format not in ("PNG", "PPM"):
        return "32-bit"
    if opened.mode.startswith("I"):
        return "16-bit"
    # Pillow keeps the upper byte of each, and with it no trace of how many levels there were.
    tiles: Any = getattr(opened, "tile", None) or [()]
    arguments = tiles[0][3:]
    return "16-bit colour" if any(_is_of_16_bits(opened, each) for each in arguments) else None


def _is_of_16_bits(opened: Image.Image, arguments: object) -> bool:
    raw_mode, *further = arguments if isinstance(arguments, tuple) else (arguments,)
    if opened.format == "PPM":  # its maximum follows
        return any(isinstance(each, int) and each > 255 for each in further)
    return isinstance(raw_mode, str) and ";16" in raw_mode


def _levels_in(path: Path, kind: Kind, picture: Image.Image) -> DeepLevels:
    if kind == "16-bit colour":
        bands: Any = [picture.getextrema()] if len(picture.getbands()) == 1 else picture.getextrema()
        shown = [band for name, band in zip(picture.getbands(), bands, strict=True) if name not in "Aa"]
        return DeepLevels(path, kind, min(low for low, _ in shown) * 257, max(high for _, high in shown) * 257)
    values = np.asarray(picture)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low + high):
        raise UserError(f"{path}: levels that are not finite (NaN or inf): mend or remove the picture.")
    return DeepLevels(path, kind, low, high)


def _as_bytes(picture: Image.Image, levels: tuple[float, float], *, white_is_zero: bool) -> Image.Image:
    """Pillow itself cuts such levels off at 255 instead of scaling them."""
    values = np.asarray(picture)
    pixels = scaled_to_bytes(values, levels)
    if white_is_zero:
        pixels = 255 - pixels
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        pixels = np.where(values == transparent, 255, pixels).astype(np.uint8)
    return Image.fromarray(pixels)
