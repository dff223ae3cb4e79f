"""The process of one trial: started so that it does not outlive its command, and stopped in good order."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lit_gan.errors import UserError
from lit_gan.launch.child_process import ends_with_parent
from lit_gan.runs.lock import RunLock

# A checkpoint of a gigabyte takes six seconds, a round some; whoever has not left after that hangs.
_PATIENCE_SECONDS = 300.0


class TrialProcess:
    """A trial's command, running.

    It holds the trial's lock together with `lit-gan sweep`: as long as it lives, even as an orphan, nobody takes the
    trial up. On Linux the kernel ends it with that command; elsewhere it is waited for.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], out: Path, err: Path, lock: RunLock) -> None:
        self._err = err
        self._stop_since: float | None = None
        shared = lock.duplicates()
        try:
            with out.open("ab") as out_file, err.open("ab") as err_file:
                self._err_start = err_file.tell()
                self._process = subprocess.Popen(  # noqa: S603 -- no shell: the command of the user's own file
                    command,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=out_file,
                    stderr=err_file,
                    process_group=0,  # Ctrl-C in the terminal is the command's, which stops the trial in good order
                    pass_fds=shared,
                    # SIGTERM, not SIGKILL: a run saves what it has, and a launcher takes its ranks along.
                    preexec_fn=ends_with_parent(signal.SIGTERM),  # noqa: PLW1509 -- the command has one thread
                )
        except (FileNotFoundError, PermissionError) as error:
            raise UserError(f"command: {command[0]} cannot be run ({error.strerror}).") from error
        finally:
            for descriptor in shared:
                os.close(descriptor)

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs. One that was asked to end has five minutes."""
        if self._stop_since is not None and time.monotonic() - self._stop_since > _PATIENCE_SECONDS:
            self.kill()
        return self._process.poll()

    def stop(self, number: signal.Signals) -> None:
        """Asks it once to end after the round: by SIGTERM (as the tracker does), or SIGUSR1 (preempted)."""
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
