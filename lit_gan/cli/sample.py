"""`lit-gan sample`: a grid of samples from a checkpoint, no data needed."""

import argparse
from importlib import import_module

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_METHODS = ("latent", "rejection", "langevin")  # of `lit_gan.sampling`, which imports torch


def main(verb: str, arguments: list[str]) -> int:
    """Draws samples and writes them."""
    try:
        options = _parser(verb).parse_args(arguments)
    except SystemExit as ending:  # --help
        return int(ending.code or 0)
    if not options.checkpoint:
        raise UserError("expected a run folder or a checkpoint, got an empty name.")
    resolve_checkpoint(options.checkpoint)
    if options.columns < 1:
        raise UserError(f"--columns {options.columns}: expected at least 1.")
    if not abs(options.seed) < 2**63:
        raise UserError(f"--seed {options.seed}: expected a whole number of at most 63 bits.")
    if options.method not in _METHODS:
        raise UserError(f"--method {options.method}: expected one of {', '.join(_METHODS)}.")
    where = import_module("lit_gan.cli.drawing").draw(options)  # torch, for a command that is worth it
    print(f"lit-gan: wrote {options.num} samples to {where}")
    return 0


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__)
    parser.add_argument("checkpoint", help="a checkpoint, or a run folder")
    parser.add_argument("--num", type=int, default=100, help="how many samples (default: 100)")
    parser.add_argument(
        "--out",
        help="a picture, or .pt for the tensor; a file that is there is replaced (default: samples.png in the run "
        "folder, or samples-2.png, ... where there is one)",
    )
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal samples (default: 0)")
    parser.add_argument("--columns", type=int, default=10, help="pictures per row (default: 10)")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="import MODULE if the checkpoint names it; repeatable",
    )
    parser.add_argument(
        "--condition", help="the class by its name or number, for a conditional GAN (default: each in turn)"
    )
    parser.add_argument(
        "--method",
        metavar="{latent,rejection,langevin}",
        default="latent",
        help="latents as they are drawn; those that D lets pass; or moved to where D takes them for examples (default: "
        "latent)",
    )
    parser.add_argument(
        "--truncation",
        type=float,
        metavar="T",
        help="latents from the middle of their distribution: within T standard deviations of a normal one, in a part T "
        "of the range of a uniform one (default: all of it)",
    )
    return parser
