"""How figures are written: the same bytes each time, in the formats of screens and of papers."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import matplotlib as mpl
from matplotlib.figure import Figure

from lit_gan.errors import UserError
from lit_gan.runs.atomic_write import replace_atomically

FORMATS = ("png", "pdf", "svg")
#: Of rasters: fine enough for print.
DPI = 300
# What would make two files of one figure differ.
_NO_DATE: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "lit-gan",
    "pdf.fonttype": 42,  # letters that a printer takes, and a reader can search
}


@contextmanager
def drawn_plainly() -> Iterator[None]:
    """Within this context figures look the same whatever the reader's own settings of matplotlib."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def write_figure(figure: Figure, folder: Path, name: str, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Writes a figure in each of the formats, whole or not at all.

    Args:
        figure: The figure; drawn within :func:`drawn_plainly`.
        folder: Where the files go; made where it is not there.
        name: Of the files, without suffix.
        formats: Of ``FORMATS``.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in formats:
        target = folder / f"{name}.{kind}"

        def save(file: BinaryIO, kind: str = kind) -> None:
            figure.savefig(file, format=kind, dpi=DPI, metadata=_NO_DATE[kind])

        write_file(target, save)
        written.append(target)
    return written


def write_file(target: Path, save: Callable[[BinaryIO], object]) -> None:
    """Replaces a file by what is written to a stream, whole or not at all."""

    def write(descriptor: int) -> None:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            save(cast(BinaryIO, file))

    replace_atomically(target, write)


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats, each once.

    Raises:
        UserError: If one is not among those that there are.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise UserError(
                f"--format {','.join(formats)}: expected some of {', '.join(FORMATS)}, with commas between."
            )
    return tuple(dict.fromkeys(formats))
