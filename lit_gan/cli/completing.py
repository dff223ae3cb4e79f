"""What `lit-gan complete` does once its options are read; torch is imported for it alone."""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from lit_gan.callbacks.completion_evaluation import completion_row
from lit_gan.cli.parsing.run_arguments import run_folder_of
from lit_gan.cli.samples_file import PICTURES, TENSORS, Grid, check_target, samples_writer, write_beside, write_named
from lit_gan.data.picture import decode_picture
from lit_gan.errors import UserError, in_short
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.extensions.masks import NAMED_MASKS, named_mask
from lit_gan.generative import GenerativeModule
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_WHITE = 255


def complete(options: argparse.Namespace) -> str:
    """Completes a picture, and writes what comes of it; tells where."""
    out = None if options.out is None else Path(options.out)
    if out is not None:
        check_target(out, (*PICTURES, *TENSORS))
    gan = GenerativeModule.load_from_checkpoint(options.checkpoint, map_location="cpu", allow=options.allow)
    if not isinstance(gan, InpaintingGAN):
        raise UserError(
            f"{options.checkpoint} holds a {type(gan).__name__}, which completes nothing: expected an InpaintingGAN, "
            "as of `lit-gan fit --config digits_inpainting`."
        )
    channels, height, width = gan.sample_condition(1)[:, :-1].shape[1:]
    levels = _picture("--image", options.image, (height, width), grey=channels == 1)
    if gan.value_range is None or channels not in (1, 3):
        raise UserError(f"{options.checkpoint}: its data are no pixel levels, and no picture can be made one of them.")
    low, high = gan.value_range
    image = low + (high - low) * levels
    row = completion_row(gan, image.to(gan.dtype), _mask(options.mask, height, width), options.num, options.seed)
    said = f"an image, what is visible of it ({options.mask}), and {options.num} completions"
    grid = Grid(options.num + 2, description=said)
    if out is None:
        run = run_folder_of(resolve_checkpoint(options.checkpoint))
        return write_beside((run or Path()) / "completions.png", samples_writer(row, grid))
    return write_named(out, samples_writer(row[2:] if out.suffix.lower() in TENSORS else row, grid))


def _mask(given: str, height: int, width: int) -> Tensor:
    if given in NAMED_MASKS:
        return named_mask(given, height, width)
    if not Path(given).is_file():
        raise UserError(f"--mask {given}: expected one of {', '.join(NAMED_MASKS)}, or a picture.")
    levels = _picture("--mask", given, None, grey=True)[0]
    if tuple(levels.shape) != (height, width):
        raise UserError(
            f"--mask {given} has {levels.shape[0]} x {levels.shape[1]} pixels (height x width): expected those of the "
            f"model's images, {height} x {width}."
        )
    return (levels >= 0.5).to(torch.get_default_dtype())


def _picture(option: str, file: str, size: tuple[int, int] | None, *, grey: bool) -> Tensor:
    """``(C, H, W)`` in [0, 1]; of its own size, or of another one that it is scaled to cover."""
    try:
        if size is None:
            with Image.open(file) as opened:
                size = opened.height, opened.width
        pixels = decode_picture(Path(file), size, grey=grey)
    except UserError as error:
        raise UserError(f"{option} {file}: {error}") from error
    except Exception as error:  # Pillow has exceptions of many kinds for what is damaged
        reason = in_short(error)
        raise UserError(f"{option} {file}: expected a picture that can be read: {reason}") from error
    return torch.tensor(pixels).permute(2, 0, 1).float() / _WHITE  # a copy: what is decoded may be read-only
