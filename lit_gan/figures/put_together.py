"""A film of the pictures that lie in a folder, whatever they show."""

from pathlib import Path

from lit_gan.figures.film import Frames, labelled_frames, numbered, write_film
from lit_gan.figures.game import game_film
from lit_gan.figures.game_frames import read_game_frames
from lit_gan.figures.writing import drawn_plainly


def film_of(folder: Path, target: Path, seconds: float, stem: str = "frame") -> bool:
    """Puts the pictures in a folder together.

    Args:
        folder: Of the pictures: images, or games of one dimension.
        target: The film, ``.gif`` or ``.webp``.
        seconds: How long it takes.
        stem: What the names of the images begin with.

    Returns:
        Whether there are two pictures or more, and a film has been written.
    """
    images = numbered(folder, stem, Frames(folder).suffix)
    if images:
        return write_film(list(labelled_frames(images)), target, seconds)
    with drawn_plainly():
        return write_film(
            game_film([(frame.rounds, frame.game) for frame in read_game_frames(folder)]), target, seconds
        )
