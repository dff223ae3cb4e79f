"""One picture file to one array of bytes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


def decode_picture(path: Path, size: tuple[int, int], *, grey: bool) -> NDArray[np.uint8]:
    """Reads a picture, turned upright, scaled to cover ``size`` and cut to it about its centre.

    The first frame of an animation is read. What is transparent becomes white.

    Args:
        path: A file of any format that Pillow reads.
        size: Height and width.
        grey: One channel in place of three.

    Returns:
        Shape (H, W, C), C being 1 or 3.

    Raises:
        OSError: The file is no picture, or is damaged (Pillow has further exceptions for some damages).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "wide.png")
        ...     Image.new("RGB", (20, 10), (255, 0, 0)).save(path)
        ...     decode_picture(path, (4, 4), grey=False)[0, 0]
        array([255,   0,   0], dtype=uint8)
    """
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened)
    if picture.has_transparency_data:
        # Through RGBA: without its transparency such a picture shows whatever colour its empty parts happen
        # to have.
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    elif picture.mode.startswith("I"):
        # Pillow cuts 16-bit levels off at 255 instead of scaling them.
        picture = Image.fromarray((np.asarray(picture).clip(0, 65535) // 257).astype(np.uint8))
    picture = picture.convert("L" if grey else "RGB")
    height, width = size
    picture = ImageOps.fit(picture, (width, height), method=Image.Resampling.BICUBIC)
    return np.asarray(picture).reshape(height, width, -1)
