"""`lit-gan figures`: the paper's figures of a run, for screens and for print."""

import argparse
from importlib import import_module
from pathlib import Path

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.cli.parsing.run_arguments import run_folder_of
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_FORMATS = "png,pdf"


def main(verb: str, arguments: list[str]) -> int:
    """Draws what applies to a run, and says what does not."""
    options = _parser(verb).parse_args(arguments)
    if not options.run:
        raise UserError("expected a run folder, got an empty name.")
    for name, least in (("rows", 1), ("columns", 1), ("steps", 2)):
        if getattr(options, name) < least:
            raise UserError(f"--{name} {getattr(options, name)}: expected at least {least}.")
    if not 0 < options.seconds < float("inf"):
        raise UserError(f"--seconds {options.seconds}: expected a number above 0.")
    checkpoint = resolve_checkpoint(options.run)
    run = run_folder_of(checkpoint)
    if run is None:
        raise UserError(
            f"{options.run} is no run folder (it has no run.json): expected one, such as runs/quickstart/ID; "
            "`lit-gan sample` draws from a checkpoint alone."
        )
    if options.out is not None and Path(options.out).is_file():
        raise UserError(f"--out {options.out}: that is a file: expected a folder, which is made if it is not there.")
    import_module("lit_gan.cli.run_figures").draw(options, checkpoint, run)  # torch, for a command that is worth it
    return 0


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__)
    parser.add_argument("run", help="a run folder, or a checkpoint in one")
    parser.add_argument("--out", metavar="FOLDER", help="where the files go (default: figures/ in the run folder)")
    parser.add_argument(
        "--format",
        default=_FORMATS,
        metavar="LIST",
        help=f"some of png, pdf, svg, with commas between (default: {_FORMATS})",
    )
    parser.add_argument("--rows", type=int, default=6, help="rows of figures 2 and 3, and of pairs (default: 6)")
    parser.add_argument(
        "--columns", type=int, default=8, help="samples in a row of figure 2, half as many pairs (default: 8)"
    )
    parser.add_argument("--steps", type=int, default=10, help="images in a row of figure 3 (default: 10)")
    parser.add_argument(
        "--film", metavar="{gif,webp}", default="gif", help="the film's format (default: gif; webp is smaller)"
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="how long the film takes (default: 8)")
    parser.add_argument("--root", metavar="DIR", help="where the training data are now, if they were moved")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="import MODULE if the run names it; repeatable",
    )
    return parser
