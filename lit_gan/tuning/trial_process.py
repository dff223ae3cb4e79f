"""The process of one trial: started so that it does not outlive its worker, and stopped in good order."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lit_gan.errors import UserError
from lit_gan.launch.child_process import ends_with_parent

# A checkpoint of a gigabyte takes six seconds, a round some; whoever has not left after that hangs.
_PATIENCE_SECONDS = 300.0


class TrialProcess:
    """A trial's command, running.

    It holds a lock together with its worker: as long as it lives, even as an orphan, nobody takes the trial up. On
    Linux the kernel ends it with its worker; elsewhere it is waited for.

    Args:
        command: The program and its arguments.
        environ: Variables beside those of the worker.
        out: Where its standard output is appended.
        err: Where its standard error is appended.
        lock: The file that is locked.

    Raises:
        UserError: If there is no such program.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], out: Path, err: Path, lock: Path) -> None:
        self._err = err
        self._stop_since: float | None = None
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with suppress(OSError):  # a file system without locks: then the lock of the run's own folder is left
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with out.open("ab") as out_file, err.open("ab") as err_file:
                self._err_start = err_file.tell()
                self._process = subprocess.Popen(  # noqa: S603 -- no shell: the command of the user's own file
                    command,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=out_file,
                    stderr=err_file,
                    process_group=0,  # Ctrl-C in the terminal is the worker's, which stops the trial in good order
                    pass_fds=[descriptor],
                    # SIGTERM, not SIGKILL: a run saves what it has, and a launcher takes its ranks along.
                    preexec_fn=ends_with_parent(signal.SIGTERM),  # noqa: PLW1509 -- the worker has one thread
                )
        except (FileNotFoundError, PermissionError) as error:
            raise UserError(f"command: {command[0]} cannot be run ({error.strerror}).") from error
        finally:
            os.close(descriptor)

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None while it runs.

        Args:
            seconds: How long to wait for it.
        """
        if self._stop_since is not None and time.monotonic() - self._stop_since > _PATIENCE_SECONDS:
            self.kill()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, number: signal.Signals) -> None:
        """Asks it to end after the current round; nothing happens if it was asked before.

        Args:
            number: SIGTERM (stopped by the tracker), or SIGUSR1 (preempted).
        """
        if self._stop_since is None:
            self._stop_since = time.monotonic()
            self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once, with all that it has started in its group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def last_line_of_errors(self) -> str:
        """The last line that it printed to standard error, of this start."""
        with self._err.open("rb") as file:
            file.seek(self._err_start)
            lines = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
