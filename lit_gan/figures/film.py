"""A film of a training: pictures of it, a file each, thinned evenly as it goes on, and put together in the end."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import Image, ImageDraw, ImageFont, features

from lit_gan.errors import UserError
from lit_gan.figures.writing import write_file

FilmFormat = Literal["gif", "webp"]
_STRIP, _LETTERS = 26, 16  # pixels: of the strip that tells the round, of what stands in it
_HELD = 5  # how much longer the last picture stays
_SHORTEST = 20  # milliseconds, below which viewers slow a GIF down


class Frames:
    """The pictures of a film in a folder: ``frame-000120.png``, by round.

    Args:
        folder: Where they are; made with the first one.
        suffix: Of the files.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     frames = Frames(Path(folder), ".png")
        ...     for number in (0, 10, 20, 30, 35):
        ...         frames.path(number).touch()
        ...     frames.thin(20)
        ...     frames.rounds()
        [0, 20]
    """

    def __init__(self, folder: Path, suffix: str = ".png") -> None:
        self.folder = folder
        self.suffix = suffix

    def path(self, rounds: int) -> Path:
        """The file of a picture after so many rounds."""
        return self.folder / f"frame-{rounds:06d}{self.suffix}"

    def rounds(self) -> list[int]:
        """After how many rounds there is a picture, ascending."""
        return [number for number, _ in numbered(self.folder, "frame", self.suffix)]

    def thin(self, stride: int) -> None:
        """Leaves those whose round is a multiple of a number."""
        self._remove([number for number in self.rounds() if number % stride])

    def forget_after(self, rounds: int) -> None:
        """Removes those of later rounds: of a training that was killed, and goes on from an earlier one."""
        self._remove([number for number in self.rounds() if number > rounds])

    def _remove(self, rounds: Sequence[int]) -> None:
        for number in rounds:
            self.path(number).unlink(missing_ok=True)


def numbered(folder: Path, stem: str, suffix: str) -> list[tuple[int, Path]]:
    """The files ``STEM-ROUND.SUFFIX`` of a folder by round, ascending; other files are left aside."""
    found = []
    for path in folder.glob(f"{stem}-*{suffix}"):
        number = path.name.removeprefix(f"{stem}-").removesuffix(suffix)
        if number.isascii() and number.isdecimal():
            found.append((int(number), path))
    return sorted(found)


def stride_at(rounds: int, every: int, most: int) -> int:
    """How far pictures are apart after so many rounds: the first distance, doubled until there are not too many.

    A function of the rounds alone, so that a training that goes on has the film of one that was never stopped.

    Example:
        >>> [stride_at(rounds, every=10, most=4) for rounds in (0, 30, 40, 70, 80)]
        [10, 10, 20, 20, 40]
    """
    stride = every
    while rounds // stride + 1 > most:
        stride *= 2
    return stride


def write_film(
    pictures: Iterator[Image.Image] | Sequence[Image.Image], target: Path, seconds: float, held: int = _HELD
) -> bool:
    """Puts pictures together, each as long, the last one longer; one alone makes no film.

    Args:
        pictures: The pictures in their order; those of another size than the last are left out.
        target: The file, ``.gif`` or ``.webp``; replaced whole or not at all.
        seconds: How long the film takes, at the least; twenty milliseconds for each picture.
        held: How often as long as the others the last picture stays.

    Returns:
        Whether there are two pictures or more, and a film has been written.
    """
    shown = list(pictures)
    shown = [picture for picture in shown if picture.size == shown[-1].size]
    if len(shown) < 2:
        return False
    each = max(_SHORTEST, round(1000 * seconds / len(shown) / 10) * 10)  # a GIF knows hundredths of a second
    kind: FilmFormat = "webp" if target.suffix == ".webp" else "gif"
    durations = [*[each] * (len(shown) - 1), held * each]
    options = {"lossless": True, "method": 2} if kind == "webp" else {"optimize": False}
    first, *rest = shown if kind == "webp" else _with_palettes(shown)

    def save(file: BinaryIO) -> None:
        first.save(file, format=kind, save_all=True, append_images=rest, duration=durations, loop=0, **options)

    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, save)
    return True


def check_film_format(option: str, kind: str) -> None:
    """Refuses a format that cannot be written here.

    Raises:
        UserError: If it is none, or Pillow has been built without it.
    """
    if kind not in ("gif", "webp"):
        raise UserError(f"{option} = {kind}: expected gif or webp.")
    if kind == "webp" and not features.check("webp"):
        raise UserError(f"{option} = webp: this Pillow has been built without WebP: expected gif.")


def labelled_frames(files: Sequence[tuple[int, Path]]) -> Iterator[Image.Image]:
    """The pictures of some files, each with its round in a strip below; one that cannot be read is left out."""
    for rounds, path in files:
        try:
            with Image.open(path) as opened:
                picture = opened.convert("L") if _is_grey(opened) else opened.convert("RGB")
        except Exception as error:  # damaged bytes make the reader raise anything at all
            tell_left_out(path, error)
            continue
        yield with_strip(picture, f"round {rounds:,}")


def tell_left_out(path: Path, error: Exception) -> None:
    """Says in a line that a file cannot be read: a training is worth more than one picture of it."""
    told = f"{path} is no picture of a film ({type(error).__name__}) and is left out of it: remove it."
    warnings.warn(told, stacklevel=1)  # from here: once for each file, whoever reads it


def with_strip(picture: Image.Image, text: str) -> Image.Image:
    """A picture with a line of text below it, white on black."""
    whole = Image.new(picture.mode, (picture.width, picture.height + _STRIP))
    whole.paste(picture, (0, 0))
    scalable = features.check("freetype2")
    font = ImageFont.load_default(_LETTERS) if scalable else ImageFont.load_default()
    place = (8, picture.height + _STRIP // 2)
    white: int | tuple[int, int, int] = 255 if picture.mode == "L" else (255, 255, 255)
    if scalable:
        ImageDraw.Draw(whole).text(place, text, fill=white, font=font, anchor="lm")
    else:  # letters of one size, which know no anchor
        ImageDraw.Draw(whole).text((place[0], place[1] - 6), text, fill=white, font=font)
    return whole


def _is_grey(picture: Image.Image) -> bool:
    """Whether all three colours are the same everywhere; a GIF then loses nothing."""
    if picture.mode == "L":
        return True
    bands = picture.convert("RGB").split()
    return bands[0].tobytes() == bands[1].tobytes() == bands[2].tobytes()


def _with_palettes(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """As a GIF holds them, with 256 colours each."""
    how = {"colors": 256, "method": Image.Quantize.MEDIANCUT, "dither": Image.Dither.NONE}
    return [each if each.mode == "L" else each.quantize(**how) for each in pictures]  # type: ignore[arg-type]
