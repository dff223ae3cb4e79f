"""What to say where files are missing: which, where they belong, and how to start without any."""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from lit_gan.errors import UserError

DOWNLOAD_ERRORS = (RuntimeError, OSError, HTTPException)
"""What torchvision's downloads raise: a wrong checksum, URLError and the disk's errors, a broken reply."""


def missing_files_error(data_set: str, paths: Sequence[Path], advice: str, cause: Exception | None = None) -> UserError:
    """The error for files that are not there.

    Example:
        >>> str(missing_files_error("X", [Path("/data/x.mat")], "ask for it"))
        'X: not found: /data/x.mat. To go on, ask for it; `--config quickstart` needs no files.'
    """
    where = ", ".join(str(path.absolute()) for path in paths)
    failure = ""
    if cause is not None:
        failure = f" The download failed ({' '.join(f'{type(cause).__name__}: {cause}'.split())})."
    return UserError(
        f"{data_set}: not found: {where}.{failure} To go on, {advice}; `--config quickstart` needs no files."
    )
