"""What `lit-gan sample` does once its options are read: draws, and writes; torch is imported for it alone."""

import argparse
from pathlib import Path

import torch

from lit_gan.callbacks.row_labels import class_labels, described
from lit_gan.cli.parsing.class_number import class_number
from lit_gan.cli.parsing.run_arguments import run_folder_of
from lit_gan.cli.samples_file import PICTURES, TENSORS, Grid, check_target, replace_by_samples, write_beside
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.runs.checkpoint_files import resolve_checkpoint
from lit_gan.sampling import sample


def draw(options: argparse.Namespace) -> str:
    """Draws samples and writes them."""
    if options.out is not None:
        check_target(Path(options.out), (*PICTURES, *TENSORS))
    gan = GAN.load_from_checkpoint(options.checkpoint, map_location="cpu", allow=options.allow)
    condition = _condition(gan, options.condition, options.num)
    if condition is None and options.num > 0:
        condition = gan.sample_condition(options.num)
    try:
        how = {"method": options.method, "truncation": options.truncation}
        samples = sample(gan, options.num, rng=options.seed, condition=condition, **how)
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise UserError(f"--num {options.num}: so many samples do not fit into memory; draw fewer.") from error
    if options.method != "latent" and gan.calibration is None:
        print("lit-gan: D is asked as it is: the checkpoint has no calibration, which a validation in training takes.")
    labels = class_labels(gan, condition)
    grid = Grid(options.columns, labels, described(options.num, options.columns, labels))
    if options.out is not None:
        return replace_by_samples(Path(options.out), samples, grid)
    run = run_folder_of(resolve_checkpoint(options.checkpoint))
    return write_beside((run or Path()) / "samples.png", samples, grid)


def _condition(gan: GAN, given: str | None, num: int) -> torch.Tensor | None:
    if given is None:
        return None
    if not isinstance(gan, ConditionalGAN):
        raise UserError(f"--condition {given}: the checkpoint holds a {type(gan).__name__}, which takes none.")
    return torch.full((max(num, 0),), class_number(given, gan.class_names, gan.num_classes))
