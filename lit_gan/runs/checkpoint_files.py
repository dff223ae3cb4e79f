"""Finding a run's newest checkpoint, or its best, and reading it without running anything that is in it."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_gan.errors import UserError, in_short
from lit_gan.runs.checkpoint_outline import fault_of_outline
from lit_gan.torch_files import fault_of_file, load_mapped, unless_known

if TYPE_CHECKING:
    from torch.serialization import MAP_LOCATION

#: The checkpoint that a run goes on from, and the one before it.
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


def newest_checkpoint(folder: Path | str) -> Path | None:
    """The checkpoint to go on from: ``last.ckpt``, or else the newest other one that is whole.

    Args:
        folder: The folder of the checkpoints; it need not exist.

    Returns:
        Its path, or None where there is none. One that is cut short or damaged inside is left out with a warning
        that names it; one that is whole and holds what must not be loaded is for :func:`load_checkpoint` to refuse.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": {}}, Path(folder, "round=10.ckpt"))
        ...     newest_checkpoint(folder).name
        'round=10.ckpt'
    """
    paths = sorted(Path(folder).glob("*.ckpt"), key=_age_key, reverse=True)
    for path in paths:
        fault = checkpoint_fault(path)
        if fault is None:
            return path
        warnings.warn(f"The checkpoint {path} is left out: {fault}.", stacklevel=2)
    return None


def _age_key(path: Path) -> tuple[bool, int, str]:
    try:
        written = path.stat().st_mtime_ns
    except OSError:  # a link to a file that is gone: the check of its content says so
        written = 0
    return path.name == LAST, written, path.name


def best_checkpoints(folder: Path | str, known: Iterable[str] = ()) -> list[Path]:
    """The best checkpoint of a run: by what chose it, and not by the names of the files, which say when it was written.

    Args:
        folder: The folder of the checkpoints; it need not exist, and may have been moved.
        known: What a training of this process knows to be the best; what lies elsewhere does not count.

    Returns:
        The one; none where none was chosen; several where two monitors chose, or no checkpoint says which of the
        ``best-*.ckpt`` it is.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": {}}, Path(folder, "best-000010.ckpt"))
        ...     [path.name for path in best_checkpoints(folder)]
        ['best-000010.ckpt']
    """
    paths = sorted(Path(folder).glob("*.ckpt"), key=lambda path: (len(path.name), path.name))
    here = {str(path.resolve()) for path in paths}
    names = {Path(path).name for path in known if path and os.path.realpath(path) in here} or _named_best(paths)
    chosen = [path for path in paths if path.name in names]
    return chosen or [path for path in paths if path.name.startswith("best-")]


def _named_best(paths: Sequence[Path]) -> set[str]:
    """What the newest one with a word on it calls the best: each was told before it was written which it is."""
    said: dict[tuple[int, bool], set[str]] = {}
    for path in paths:
        content = _glance(path)
        states = [state for state in content.get("callbacks", {}).values() if isinstance(state, dict)]
        named = {str(state.get("best_model_path") or "") for state in states if state.get("monitor")} - {""}
        if named:
            said[content.get("global_step", 0), path.name == LAST] = {Path(each).name for each in named}
    return said[max(said)] if said else set()


def _glance(path: Path) -> dict[str, Any]:
    """What is in a checkpoint, its tensors unread; nothing where it cannot be read."""
    try:
        content = load_mapped(path)
    except MemoryError:
        raise
    except Exception:  # a damaged file makes the reader raise anything at all
        return {}
    return content if isinstance(content, dict) and fault_of_outline(content) is None else {}


def resolve_checkpoint(path: Path | str) -> Path:
    """The checkpoint file that a path given by the user stands for.

    Args:
        path: A checkpoint file, a run folder, or a folder of checkpoints.

    Returns:
        The file itself, or the folder's newest whole checkpoint (``last.ckpt`` if there is one).

    Raises:
        UserError: When the path is empty, there is no such path, or no checkpoint that can be read in the folder.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as run:
        ...     Path(run, "checkpoints").mkdir()
        ...     torch.save({"state_dict": {}}, Path(run, "checkpoints", "last.ckpt"))
        ...     resolve_checkpoint(run).relative_to(run).as_posix()
        'checkpoints/last.ckpt'
    """
    if not str(path):
        raise UserError("expected a run folder or a checkpoint, got an empty name.")
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


def load_checkpoint(
    path: Path | str, map_location: "MAP_LOCATION" = "cpu", *, mmap: bool | None = None
) -> dict[str, Any]:
    """Read a Lightning checkpoint; nothing in it is ever executed (``weights_only=True``).

    Args:
        path: A checkpoint, or a folder as in :func:`resolve_checkpoint`.
        map_location: Where the tensors go, as in ``torch.load``; the CPU.
        mmap: Whether the tensors are mapped from the file instead of copied: for a look at the checkpoint. What
            stays in use must not hang on a file that may be replaced or removed. None: where they go to the CPU.

    Returns:
        Its content.

    Raises:
        UserError: When it is missing, broken, not a checkpoint, holds anything but tensors and plain values, or a
            part of it is of another kind than a Trainer writes.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": {"w": torch.ones(2)}}, Path(folder, "last.ckpt"))
        ...     load_checkpoint(Path(folder, "last.ckpt"))["state_dict"]["w"]
        tensor([1., 1.])
    """
    import torch  # noqa: PLC0415 - finding a checkpoint must not cost an import of torch

    file = resolve_checkpoint(path)
    fault = fault_of_file(file)
    if fault is not None:
        raise UserError(f"{file} cannot be read as a checkpoint: {fault}; give another one.")
    mmap = map_location == "cpu" if mmap is None else mmap
    try:
        content = load_mapped(file)
        if map_location != "cpu" or not mmap:
            content = torch.load(file, map_location=map_location, weights_only=True, mmap=mmap)
    except MemoryError:
        raise
    except Exception as error:  # a forged file makes the reader raise anything at all
        raise UserError(_refusal(file, error)) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError(
            f"{file} is no Lightning checkpoint: it holds a {type(content).__name__} without a state_dict; "
            "give one that was written by `lit-gan fit`."
        )
    fault = fault_of_outline(content)
    if fault is not None:
        raise UserError(f"checkpoint {file} is not as a Trainer writes it: {fault}; give another one.")
    return content


def ended_epochs(checkpoint: Mapping[str, Any]) -> int:
    """How many epochs had ended when a checkpoint was written.

    Args:
        checkpoint: Its content.

    Example:
        >>> ended_epochs({"epoch": 4})
        4
    """
    try:  # Lightning 2.6 counts the one that is just ending here, and not in `epoch`
        return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
    except (KeyError, TypeError):  # not there, or not as Lightning writes it, which it says when it takes it back
        return int(checkpoint.get("epoch", 0))


def checkpoint_fault(path: Path) -> str | None:
    """What keeps a file from being read: it is cut short, or other bytes are in it than were written.

    Every byte is read and compared with its checksum: 0.6 s for 1 GB that was written lately, half of what loading
    it takes.

    Args:
        path: The file.

    Returns:
        The fault in words; None if the file is whole, whatever it holds.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "last.ckpt").touch()
        ...     checkpoint_fault(Path(folder, "last.ckpt"))
        'it is empty'
    """
    return fault_of_file(path) or unless_known(_fault_of_reading, path)


def _fault_of_reading(path: Path) -> str | None:
    """Damage to the index of the file, of which torch's reader forgives less than Python's."""
    try:
        load_mapped(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes the reader raise anything at all
        return None if _foreign(path) else f"it cannot be loaded ({_first_line(error)})"
    return None


def _refusal(file: Path, error: Exception) -> str:
    """Why a whole file was not read: forbidden objects in it, or nothing that torch can read."""
    foreign = _foreign(file)
    if foreign:
        return (
            f"{file} holds more than tensors and plain values ({in_short(', '.join(foreign))}), and nothing "
            "of it was run: give a checkpoint written by `lit-gan fit`."
        )
    return f"{file} cannot be loaded ({_first_line(error)}): give another checkpoint."


def _foreign(file: Path) -> list[str]:
    """The names of everything in it that would be called or built; they are read, not looked up."""
    import torch  # noqa: PLC0415 - as above

    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # too strange for even listing
        return []


def _first_line(error: Exception) -> str:
    first_line = str(error).partition("\n")[0]
    return in_short(f"{type(error).__name__}: {first_line}")
