"""A thread that says, every half minute, that a run is alive."""

import threading
import warnings
from types import TracebackType

from lit_gan.runs.folder import RunFolder

BEAT_SECONDS = 30.0  # a quarter of the age at which a heartbeat stops counting (record.FRESH_SECONDS)


class Heartbeat:
    """Beats a run folder's heart until told to stop: for the machines on which its lock cannot be seen.

    A heartbeat that cannot be written (full disk, file server away) never ends a run: it warns once and tries
    on. Ranks other than 0 write nothing.

    Args:
        folder: Whose heart it is.
        every: Seconds between beats.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     folder = RunFolder.create(root, "quickstart", {"lr": 0.1}, environ={})
        ...     with Heartbeat(folder):
        ...         folder.is_alive()
        True
    """

    def __init__(self, folder: RunFolder, every: float = BEAT_SECONDS) -> None:
        self._folder = folder
        self._every = every
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Beat once, here, so that errors of the first write are seen, and go on in a thread."""
        self._folder.beat()
        self._over.clear()
        self._thread = threading.Thread(target=self._beat_on, name="lit-gan heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; nothing happens if there is none."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _beat_on(self) -> None:
        warned = False
        while not self._over.wait(self._every):
            try:
                self._folder.beat()
            except OSError as error:
                if not warned:
                    warnings.warn(f"The run's heartbeat cannot be written: {error}", stacklevel=2)
                warned = True

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
