"""`lit-gan sample`: a grid of samples from a checkpoint, or a film of walks between them; no data needed."""

import argparse
import re
from importlib import import_module

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_MOST_SEEDS = 100_000
_METHODS = ("latent", "rejection", "langevin")  # of `lit_gan.sampling`, which imports torch


def main(verb: str, arguments: list[str]) -> int:
    """Draws samples and writes them."""
    options = _parser(verb).parse_args(arguments)
    resolve_checkpoint(options.checkpoint)
    if options.columns < 1:
        raise UserError(f"--columns {options.columns}: expected at least 1.")
    if not abs(options.seed) < 2**63:
        raise UserError(f"--seed {options.seed}: expected a whole number of at most 63 bits.")
    if options.method not in _METHODS:
        raise UserError(f"--method {options.method}: expected one of {', '.join(_METHODS)}.")
    options.seeds = None if options.seeds is None else seeds_of(options.seeds)
    if options.seeds is not None and options.num not in (None, len(options.seeds)):
        raise UserError(f"--num {options.num} beside --seeds, which are {len(options.seeds)}: expected one of the two.")
    if options.num is None:
        options.num = len(options.seeds or range(16 if options.walk is not None else 100))
    if options.walk is not None and options.walk < 2:
        raise UserError(f"--walk {options.walk}: expected at least 2 latents to walk between.")
    if options.walk is not None and options.method != "latent":
        raise UserError(f"--walk beside --method {options.method}: expected a walk between latents as they are drawn.")
    where = import_module("lit_gan.cli.drawing").draw(options)  # torch, for a command that is worth it
    what = "samples" if options.walk is None else f"walks of {options.walk} latents"
    print(f"lit-gan: wrote {options.num} {what} to {where}")
    return 0


def seeds_of(text: str) -> list[int]:
    """The seeds that a list of them names.

    Example:
        >>> seeds_of("0-3,12")
        [0, 1, 2, 3, 12]
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,18})\s*(?:-\s*(\d{1,18})\s*)?", part, re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first or last - first >= _MOST_SEEDS:
            raise UserError(
                f"--seeds {text}: expected whole numbers and ranges, such as 0-63 or 3,7,20-24, at most "
                f"{_MOST_SEEDS:,} of them."
            )
        seeds += range(first, last + 1)
    return seeds


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__)
    parser.add_argument("checkpoint", help="a checkpoint, or a run folder")
    parser.add_argument("--num", type=int, help="how many samples (default: 100, in a film 16)")
    parser.add_argument(
        "--out",
        help="a picture, or .pt for the tensor; a file that is there is replaced (default: samples.png, of a walk "
        "walk.gif, in the run folder, or samples-2.png, ... where there is one)",
    )
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal samples (default: 0)")
    parser.add_argument(
        "--seeds", metavar="LIST", help="one sample of each seed, say 0-63 or 3,7,20-24: what --num 1 --seed S draws"
    )
    parser.add_argument(
        "--walk",
        type=int,
        metavar="N",
        help="a film, .gif or .webp: each picture walks through N latents and back to the first",
    )
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
