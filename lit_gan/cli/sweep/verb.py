"""`lit-gan sweep`: a W&B sweep file on one's own machines, without a server."""

import argparse
from importlib import import_module
from importlib.util import find_spec

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.cli.parsing.shipped import find
from lit_gan.errors import UserError
from lit_gan.installation import install_command

_MOST_WORKERS = 1024


def main(verb: str, arguments: list[str]) -> int:
    """Runs a sweep to its end (0), or until it is preempted (75) or interrupted (130): the same command goes on."""
    options = _parser(verb).parse_args(arguments)
    for name in ("workers", "count"):
        number = getattr(options, name)
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}: expected at least 1.")
    if options.workers > _MOST_WORKERS:
        raise UserError(f"--workers {options.workers}: expected at most {_MOST_WORKERS}.")
    if options.storage == "":
        raise UserError("--storage: expected a file, as in runs/NAME.journal, got an empty name.")
    find(options.file, "sweeps")  # told at once where there is none
    if find_spec("optuna") is None:
        raise UserError(f"`lit-gan sweep` needs Optuna, which is not installed: {install_command('sweep')}.")
    code: int = import_module("lit_gan.cli.sweep.run").run(options)
    return code


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", help="a file as `wandb sweep` takes it, or the name of a shipped sweep")
    parser.add_argument(
        "--storage", help="the journal, shared by all commands on all machines (default: runs/NAME.journal)"
    )
    parser.add_argument("--workers", type=int, default=1, help="how many trials run here at a time (default: 1)")
    parser.add_argument(
        "--count", type=int, help="how many trials the whole sweep has (default: the size of the grid, or run_cap)"
    )
    return parser
