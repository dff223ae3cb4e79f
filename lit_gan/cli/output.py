"""What is printed when nobody reads it any more: nothing, and the command goes on."""

import os
import sys
from typing import Any, TextIO


class Unread:
    """A stream whose reader may leave, as that of `lit-gan fit | head -1` does: no reason to end a training."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a text, or drops it."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        """Writes what is held back, or drops it."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self._stream, name)


def heed_no_reader() -> None:
    """From here on this process's output may be left unread."""
    sys.stdout = Unread(sys.stdout)
