"""What `lit-gan sample` does once its options are read: draws, and writes; torch is imported for it alone."""

import argparse
import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import torch

from lit_gan.callbacks.pictures import as_picture, grid_image
from lit_gan.cli.parsing.run_arguments import run_folder_of
from lit_gan.cli.samples_file import PICTURES, TENSORS, Grid, check_target, samples_writer, write_beside, write_named
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.figures.film import check_film_format, write_film
from lit_gan.figures.row_labels import class_labels, described
from lit_gan.figures.walks import round_trips
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.runs.checkpoint_files import resolve_checkpoint
from lit_gan.sampling import sample

FILMS = (".gif", ".webp")
_SHOWN = 20  # names, where there are more
_STEPS, _SECONDS = 24, 2.0  # of a walk from one latent to the next


def draw(options: argparse.Namespace) -> str:
    """Draws samples and writes them."""
    if options.out is not None:
        check_target(Path(options.out), (*PICTURES, *TENSORS) if options.walk is None else FILMS)
    if options.walk is not None and options.out is not None:
        check_film_format("--out", Path(options.out).suffix.lower().removeprefix("."))
    gan = GenerativeModule.load_from_checkpoint(options.checkpoint, map_location="cpu", allow=options.allow)
    condition = _condition(gan, options.condition, options.num)
    if condition is None and options.num > 0:
        condition = gan.sample_condition(options.num)
    if options.walk is not None:
        return _film(gan, options, condition)
    try:
        samples = _samples(gan, options, condition)
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise UserError(f"--num {options.num}: so many samples do not fit into memory; draw fewer.") from error
    if options.method != "latent" and isinstance(gan, GAN) and gan.calibration is None:
        print("lit-gan: D is asked as it is: the checkpoint has no calibration, which a validation in training takes.")
    labels = class_labels(gan, condition)
    if labels is None and options.seeds is not None:
        labels = [str(seed) for seed in options.seeds]
    grid = Grid(options.columns, labels, described(options.num, options.columns, labels))
    if options.out is not None:
        return write_named(Path(options.out), samples_writer(samples, grid))
    return write_beside(_beside(options) / "samples.png", samples_writer(samples, grid))


def _samples(gan: GenerativeModule, options: argparse.Namespace, condition: torch.Tensor | None) -> torch.Tensor:
    how = {"method": options.method, "truncation": options.truncation}
    if options.seeds is None:
        return sample(gan, options.num, rng=options.seed, condition=condition, **how)
    each = [None] * options.num if condition is None else list(condition[:, None])
    drawn = (sample(gan, 1, rng=seed, condition=own, **how) for seed, own in zip(options.seeds, each, strict=True))
    return torch.cat([*drawn])


def _film(gan: GenerativeModule, options: argparse.Namespace, condition: torch.Tensor | None) -> str:
    """Pictures that each walk from latent to latent, laid out in a grid."""
    if options.num < 1:
        raise UserError(f"--num {options.num}: expected at least 1 sample.")
    latent = gan.latent if options.truncation is None else gan.latent.truncated(options.truncation)
    seeds = options.seeds or [options.seed]
    num = options.walk * options.num // len(seeds)
    drawn = [latent.sample(num, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    stops = torch.cat(drawn).view(options.num, options.walk, -1)
    labels = class_labels(gan, condition)
    columns = min(options.columns, math.ceil(math.sqrt(options.num)))
    moments = round_trips(gan, latent, stops, _STEPS, condition)
    pictures = [as_picture(grid_image(images.cpu(), columns, labels)) for images in moments]

    def write(target: Path) -> None:
        write_film(pictures, target, seconds=_SECONDS * options.walk, held=1)

    return (
        write_beside(_beside(options) / "walk.gif", write)
        if options.out is None
        else write_named(Path(options.out), write)
    )


def _beside(options: argparse.Namespace) -> Path:
    return run_folder_of(resolve_checkpoint(options.checkpoint)) or Path()


def _condition(gan: GenerativeModule, given: str | None, num: int) -> torch.Tensor | None:
    if given is None:
        return None
    if not isinstance(gan, ConditionalGAN):
        raise UserError(f"--condition {given}: the checkpoint holds a {type(gan).__name__}, which takes none.")
    if gan.num_classes is None:
        raise UserError(
            f"--condition {given}: this {type(gan).__name__} is conditioned on vectors or images, not on classes: "
            "leave it out for conditions of its training, or draw in Python by gan.sample(num, condition=...)."
        )
    return torch.full((max(num, 0),), class_number(given, gan.class_names, gan.num_classes))


def class_number(given: str, names: Sequence[str], num_classes: int) -> int:
    """The number of a class; a name counts before a number, for the rows of grids have names.

    Example:
        >>> class_number("dog", ["cat", "dog"], 2), class_number("0", ["cat", "dog"], 2)
        (1, 0)
    """
    if given in names:
        return list(names).index(given)
    if _is_number(given) and 0 <= int(given) < num_classes:
        return int(given)
    numbers = [str(number) for number in range(num_classes)]
    if not names or list(names) == numbers:
        unnamed = "" if names or _is_number(given) else " (the checkpoint holds no names of classes)"
        raise UserError(f"--condition {given}: expected a class from 0 to {num_classes - 1}{unnamed}.")
    shown = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
    by_small_letters = {name.lower(): name for name in names}
    close = get_close_matches(given.lower(), by_small_letters, n=1)
    hint = f"; did you mean {by_small_letters[close[0]]}?" if close else "."
    raise UserError(f"--condition {given}: expected one of {shown}, or its number from 0 to {num_classes - 1}{hint}")


def _is_number(text: str) -> bool:
    return text.lstrip("+-").isdecimal()
