"""`lit-gan complete`: fills in what is hidden of a picture, several times, by a checkpoint alone."""

import argparse
from importlib import import_module
from pathlib import Path

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_MASKS = "left-half, right-half, top-half, bottom-half, border, stripes, pixels, nothing"


def main(verb: str, arguments: list[str]) -> int:
    """Completes a picture and writes what comes of it."""
    options = _parser(verb).parse_args(arguments)
    resolve_checkpoint(options.checkpoint)
    if not Path(options.image).is_file():
        raise UserError(f"--image {options.image}: there is no such file: expected a picture.")
    if options.num < 1:
        raise UserError(f"--num {options.num}: expected at least 1 completion.")
    if not abs(options.seed) < 2**63:
        raise UserError(f"--seed {options.seed}: expected a whole number of at most 63 bits.")
    where = import_module("lit_gan.cli.completing").complete(options)  # torch, for a command that is worth it
    print(f"lit-gan: wrote {options.num} completions to {where}")
    return 0


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__)
    parser.add_argument("checkpoint", help="a checkpoint of an InpaintingGAN, or a run folder")
    parser.add_argument(
        "--image", required=True, metavar="FILE", help="the picture, scaled to cover the model's image size"
    )
    parser.add_argument(
        "--mask",
        required=True,
        help=f"what stays visible: {_MASKS}; or a picture that is white where the image stays and black where it is "
        "filled in",
    )
    parser.add_argument("--num", type=int, default=8, help="how many completions (default: 8)")
    parser.add_argument(
        "--out",
        help="a picture (the image, what is visible of it, the completions), or .pt for the tensor of the completions; "
        "a file that is there is replaced (default: completions.png in the run folder, or completions-2.png, ...)",
    )
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal completions (default: 0)")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="import MODULE if the checkpoint names it; repeatable",
    )
    return parser
