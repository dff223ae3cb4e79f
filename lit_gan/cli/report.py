"""`lit-gan report`: all of one run, or of several beside each other, on one page."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.cli.parsing.shipped import shipped_file
from lit_gan.errors import DONE, UserError
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.relative_path import relative_to_cwd

_FORMATS = ("html", "md", "json")


def main(verb: str, arguments: list[str]) -> int:
    """Writes the report, and says where."""
    options = _parser(verb).parse_args(arguments)
    folders = [Path(folder) for folder in options.runs]
    for folder in folders:
        if not folder.exists():
            raise UserError(f"{folder} does not exist: expected a run folder, such as runs/mnist/ID.")
    out = _target(options.out, options.format, folders)
    text = report(folders, options.format)
    try:
        write_atomically(out, text)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}): give --out FILE.") from error
    print(f"lit-gan: wrote {relative_to_cwd(out.absolute())} ({len(text.encode()) / 1e6:.1f} MB)")
    return DONE


def report(folders: Sequence[Path], kind: str) -> str:
    """The text of a report."""
    from lit_gan.reporting.report import write_report  # noqa: PLC0415 -- Jinja2 and Pillow, for a command that is right

    return write_report(folders, kind, shipped_file)


def _target(given: str | None, kind: str, folders: Sequence[Path]) -> Path:
    if given is None:
        return folders[0] / f"report.{kind}" if len(folders) == 1 else Path(f"report.{kind}")
    out = Path(given)
    if out.is_dir():
        raise UserError(f"--out {given} is a folder: expected a file, such as {out / f'report.{kind}'}.")
    if not out.absolute().parent.is_dir():
        raise UserError(f"--out {given}: there is no folder {out.parent}; make it, or give another file.")
    return out


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run folder; several are compared")
    parser.add_argument(
        "--out",
        help="the file; one that is there is replaced (default: report.html in the run folder; of several runs, in the "
        "working directory)",
    )
    parser.add_argument("--format", choices=_FORMATS, default="html", help="what it is written as (default: html)")
    return parser
