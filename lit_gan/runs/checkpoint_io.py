"""Checkpoints that are written whole or not at all, as a plugin of Lightning's Trainer."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from lit_gan.errors import RunError
from lit_gan.runs.atomic_write import NO_SPACE, remove_leftovers, replace_atomically, write_all
from lit_gan.runs.checkpoint_files import LAST, PREVIOUS, checkpoint_fault, load_checkpoint, newest_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, syncs it and renames it; reads nothing that could be executed.

    ``last.ckpt`` is kept as ``previous.ckpt`` when it is replaced, so that a newest file that breaks later always
    has a whole one before it. Addresses with a scheme (``s3://...``) are written as Lightning does.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plugin, last = AtomicCheckpointIO(), Path(folder, "last.ckpt")
        ...     for step in (1, 2):
        ...         plugin.save_checkpoint({"state_dict": {}, "global_step": step}, last)
        ...     sorted(path.name for path in Path(folder).iterdir()), plugin.load_checkpoint(last)["global_step"]
        (['last.ckpt', 'previous.ckpt'], 2)
    """

    def __init__(self) -> None:
        super().__init__()
        self._whole: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Replace the file, or leave everything as it was.

        Args:
            checkpoint: What ``torch.save`` takes.
            path: The file; its folder is made.
            storage_options: None; anything else is a TypeError, as in Lightning.

        Raises:
            RunError: When the system refuses, for want of space as a rule.
        """
        if storage_options is not None or _is_remote(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        target = Path(path).absolute()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(target.parent, "*.ckpt")
            replace_atomically(target, partial(_write, checkpoint), kept_as=self._previous_file(target))
        except OSError as error:
            raise RunError(_write_failure(target, error)) from error
        self._whole.add(target)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = lambda storage, _: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint; nothing in it is executed, whatever was asked for.

        Args:
            path: The file.
            map_location: Where the tensors go, as in ``torch.load``.
            weights_only: Not used: always as if True.

        Raises:
            UserError: When it is missing, broken, or holds anything but tensors and plain values.
        """
        if _is_remote(path):
            return super().load_checkpoint(path, map_location, weights_only=True)
        # Copied, not mapped: parts of it stay in use while the file is replaced, or its disk goes away.
        content = load_checkpoint(path, map_location, mmap=False)
        self._whole.add(Path(path).absolute())
        return content

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint, or the link to one; never what a link points to, and never a folder.

        Args:
            path: The file; it need not exist. One that cannot be removed costs no run: there is a warning.
        """
        if _is_remote(path):
            super().remove_checkpoint(path)
            return
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(f"The checkpoint {path} was not removed ({error.strerror}).", stacklevel=2)

    def _previous_file(self, target: Path) -> Path | None:
        """Where the file that is replaced goes on; a broken one must not take the place of the whole one before."""
        if target.name != LAST or (target not in self._whole and checkpoint_fault(target) is not None):
            return None
        return target.with_name(PREVIOUS)


class _Sink:
    """What torch writes into: never raises, since torch's writer in C++ may end the process over an exception.

    It also would tell a full disk as "unexpected pos 240960 vs 240912".
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = 0
        self._failure: BaseException | None = None

    def write(self, data: bytes | memoryview) -> int:
        if self._failure is None:
            try:
                write_all(self._descriptor, data, self._size)
            except BaseException as failure:  # a full disk, or Ctrl-C: raised again by `finish`
                self._failure = failure
        self._size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self) -> None:
        if self._failure is not None:
            raise self._failure


def _write(checkpoint: dict[str, Any], descriptor: int) -> None:
    sink = _Sink(descriptor)
    with _checksums():
        torch.save(checkpoint, cast(IO[bytes], sink))
    sink.finish()


@contextmanager
def _checksums() -> Iterator[None]:
    """Damage is found by them later, also where somebody has switched them off for files of their own."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(True)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


def _write_failure(target: Path, error: OSError) -> str:
    newest = newest_checkpoint(target.parent)
    left = "there is none before it" if newest is None else f"the earlier ones are intact, the newest is {newest.name}"
    goes_on = "starts again" if newest is None else "goes on from there"
    mend = "free some space" if error.errno in NO_SPACE else "mend that"
    return f"checkpoint {target} was not written ({error.strerror}); {left}: {mend}, and the same command {goes_on}."


def _is_remote(path: str | Path) -> bool:
    return "://" in str(path)
