"""Finding a run's newest checkpoint and reading it without running anything that is in it."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError

_LAST = "last.ckpt"


def newest_checkpoint(folder: Path | str) -> Path | None:
    """The checkpoint to go on from: ``last.ckpt``, or else the newest other one that is whole.

    Args:
        folder: The folder of the checkpoints; it need not exist.

    Returns:
        Its path, or None where there is none. One that is broken is left out with a warning that names it.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": {}}, Path(folder, "round=10.ckpt"))
        ...     newest_checkpoint(folder).name
        'round=10.ckpt'
    """
    paths = sorted(Path(folder).glob("*.ckpt"), key=_age_key, reverse=True)
    for path in paths:
        fault = _fault(path)
        if fault is None:
            return path
        warnings.warn(f"The checkpoint {path} is left out: {fault}.", stacklevel=2)
    return None


def _age_key(path: Path) -> tuple[bool, int, str]:
    try:
        written = path.stat().st_mtime_ns
    except OSError:  # a link to a file that is gone: the check of its content says so
        written = 0
    return path.name == _LAST, written, path.name


def resolve_checkpoint(path: Path | str) -> Path:
    """The checkpoint file that a path given by the user stands for.

    Args:
        path: A checkpoint file, a run folder, or a folder of checkpoints.

    Returns:
        The file itself, or the folder's newest whole checkpoint (``last.ckpt`` if there is one).

    Raises:
        UserError: When there is no such path, or no checkpoint that can be read in the folder.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as run:
        ...     Path(run, "checkpoints").mkdir()
        ...     torch.save({"state_dict": {}}, Path(run, "checkpoints", "last.ckpt"))
        ...     resolve_checkpoint(run).relative_to(run).as_posix()
        'checkpoints/last.ckpt'
    """
    given = Path(path)
    if not given.exists():
        raise UserError(f"{given} does not exist: give the path of a checkpoint (.ckpt) or of a run folder.")
    if given.is_file():
        return given
    inside = given / "checkpoints"
    found = newest_checkpoint(inside if inside.is_dir() else given)
    if found is None:
        raise UserError(
            f"{given} holds no checkpoint that can be read: give a run folder with *.ckpt files under "
            "checkpoints/, or the path of a checkpoint."
        )
    return found


def load_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a Lightning checkpoint onto the CPU; nothing in it is ever executed (``weights_only=True``).

    Args:
        path: A checkpoint, or a folder as in :func:`resolve_checkpoint`.

    Returns:
        Its content; the tensors are mapped from the file, not copied.

    Raises:
        UserError: When it is missing, broken, not a checkpoint, or holds anything but tensors and plain
            values.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": {"w": torch.ones(2)}}, Path(folder, "last.ckpt"))
        ...     load_checkpoint(Path(folder, "last.ckpt"))["state_dict"]["w"]
        tensor([1., 1.])
    """
    import torch  # noqa: PLC0415 - finding a checkpoint must not cost an import of torch

    file = resolve_checkpoint(path)
    fault = _fault(file)
    if fault is not None:
        raise UserError(f"{file} cannot be read as a checkpoint: {fault}; give another one.")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make the reader raise anything at all
        raise UserError(_refusal(file, error)) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError(
            f"{file} is no Lightning checkpoint: it holds a {type(content).__name__} without a state_dict; "
            "give one that was written by `lit-gan fit`."
        )
    return content


def _fault(path: Path) -> str | None:
    """What is wrong with the file as a container; None if it is whole."""
    try:
        if path.stat().st_size == 0:
            return "it is empty"
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "it is cut short, or no checkpoint at all (a checkpoint is a zip file with its index at the end)"
    except OSError as error:
        return f"it cannot be opened ({error.strerror})"
    if any(name.endswith("constants.pkl") for name in names):
        return "it is a TorchScript archive, which holds code"
    if not any(name.endswith("data.pkl") for name in names):
        return "it is a zip file, but not one written by torch.save"
    return None


def _refusal(file: Path, error: Exception) -> str:
    """Why a whole container was not read: forbidden objects in it, or damaged content."""
    import torch  # noqa: PLC0415 - as above

    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:  # damaged beyond even listing
        foreign = []
    if foreign:
        return (
            f"{file} holds more than tensors and plain values ({', '.join(sorted(foreign))}), and nothing "
            "of it was run: give a checkpoint written by `lit-gan fit`."
        )
    first_line = str(error).partition("\n")[0]
    return f"{file} is damaged ({type(error).__name__}: {first_line}): give another checkpoint."
