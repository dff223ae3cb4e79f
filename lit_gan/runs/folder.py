"""The folder ``runs/<config>/<id>/`` that holds everything of one run, and who may write into it."""

import os
import threading
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError
from lit_gan.launch import ranks
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.environment import write_environment
from lit_gan.runs.layout import RunLayout, check_foreign
from lit_gan.runs.lock import RunLock
from lit_gan.runs.ownership import owner_of
from lit_gan.runs.record import RunRecord, Status, read_record

#: Looks at the record in a folder (None: there is no run), and raises UserError to leave the folder alone.
Check = Callable[[RunRecord | None], None]


class FolderInUse(UserError):  # noqa: N818 - a state of the folder, told as such
    """Another process is writing the run folder."""


class RunFolder(RunLayout):
    """One run on disk: paths, ``run.json``, and the lock that makes this process its only writer.

    ``RunFolder(path)`` and :meth:`open` only name a folder. :meth:`create`, :meth:`take` and
    :func:`lit_gan.runs.resume.choose_run_folder` make this process its writer until :meth:`release` or
    the end of the process, however it ends. Ranks other than 0 :meth:`join` the folder and write nothing of
    the run's record.

    Args:
        path: The folder; it need not exist.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     folder = RunFolder.create(root, "quickstart", {"lr": 0.1}, environ={"WANDB_RUN_ID": "3fa9x2"})
        ...     folder.mark("finished")
        ...     folder.release()
        ...     folder.path.relative_to(Path(root).absolute()).as_posix(), folder.read_record().status
        ('quickstart/3fa9x2', 'finished')
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._lock = RunLock(self.lock)
        self._record: RunRecord | None = None
        self._joined = False
        self._environ: MutableMapping[str, str] = os.environ
        # The heartbeat's thread writes, too; reentrant, so that a signal handler cannot lock itself out.
        self._writing = threading.RLock()

    @classmethod
    def open(cls, path: Path | str) -> "RunFolder":
        """A run that exists, to be read; the process does not become its writer.

        Args:
            path: The run folder.

        Raises:
            UserError: When there is no run in it.
        """
        folder = cls(path)
        if not folder.status.is_file():
            raise UserError(
                f"{path} is not a run folder (it has no run.json): give the path of one, such as runs/mnist/ID."
            )
        return folder

    @classmethod
    def create(
        cls,
        runs_root: Path | str,
        config_name: str,
        resolved_config: Mapping[str, Any],
        *,
        run_dir: Path | str | None = None,
        environ: MutableMapping[str, str] | None = None,
    ) -> "RunFolder":
        """A new folder with this process as its writer.

        Args:
            runs_root: Where the runs are, ``runs`` as a rule.
            config_name: The stem of the first ``--config``.
            resolved_config: What makes the run the run it is: the resolved configuration without the keys
                that do not change its result.
            run_dir: The folder itself, instead of ``runs_root/config_name/<id>``.
            environ: The environment that names the run and receives LIT_GAN_RUN_DIR; None means
                ``os.environ``.

        Returns:
            The folder, holding ``run.json``. An id that is taken is followed by ``-2``, ``-3``, ...

        Raises:
            UserError: When ``run_dir`` holds a run already or the folder cannot be made, or when this process
                is a rank that cannot know the folder without ``run_dir``.
        """
        environ = os.environ if environ is None else environ
        handed = ranks.path_from_rank_zero(environ)
        if handed or (run_dir is not None and not ranks.is_rank_zero(environ)):
            return cls.join(handed or str(run_dir), environ)
        if run_dir is not None:
            folder = cls(run_dir)
            folder.take(resolved_config, check=folder._must_be_unused, environ=environ)
            return folder
        if ranks.ranks_start_alone(environ) or not ranks.is_rank_zero(environ):
            raise ranks.run_dir_required()
        return cls._create_named(Path(runs_root) / config_name, resolved_config, environ)

    @classmethod
    def _create_named(
        cls, group: Path, resolved_config: Mapping[str, Any], environ: MutableMapping[str, str]
    ) -> "RunFolder":
        name = ranks.wandb_id(environ) or ranks.slurm_id(environ) or ranks.fresh_id()
        path, number = group / name, 1
        while True:
            try:
                path.mkdir(parents=True)  # atomic: of several processes, one makes it
            except FileExistsError:
                number += 1
                path = group / f"{name}-{number}"
            except OSError as error:
                raise _unusable(path, error) from error
            else:
                break
        folder = cls(path)
        folder.take(resolved_config, check=folder._must_be_unused, environ=environ)
        return folder

    @classmethod
    def join(cls, path: Path | str, environ: MutableMapping[str, str] | None = None) -> "RunFolder":
        """The folder that rank 0 writes, as the other ranks see it: ``mark`` and ``beat`` are left to rank 0.

        Args:
            path: The run folder; rank 0 may still be about to make it.
            environ: The environment that receives LIT_GAN_RUN_DIR, for the ranks that this one starts; None
                means ``os.environ``.
        """
        folder = cls(path)
        folder._joined = True
        folder._environ = os.environ if environ is None else environ
        folder._environ[ranks.RUN_DIR_VARIABLE] = str(folder.path)
        return folder

    def take(
        self,
        resolved_config: Mapping[str, Any],
        *,
        check: Check,
        environ: MutableMapping[str, str] | None = None,
    ) -> bool:
        """Make this process the folder's writer, or leave the folder as it is.

        Args:
            resolved_config: See :meth:`create`.
            check: Called under the lock with the record that is there; what it raises leaves the folder
                alone.
            environ: See :meth:`create`.

        Returns:
            Whether a run goes on (False: it starts).

        Raises:
            FolderInUse: When another process writes it.
            UserError: When the folder cannot be written, or what ``check`` raises.
        """
        environ = os.environ if environ is None else environ
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            taken = self._lock.acquire()
        except OSError as error:
            raise _unusable(self.path, error) from error
        if not taken:
            raise self._in_use(self._lock.holder())
        try:
            found = read_record(self.status)
            if found is not None and found.beats(locks_work=self._lock.is_held() is not None):
                raise self._in_use(f"process {found.pid} on {found.host}")
            check(found)
            step, owner = ranks.slurm_launch(environ), owner_of(environ)
            self._record = found.again(step, owner) if found else RunRecord.first(resolved_config, step, owner)
            self._record.write(self.status)
        except BaseException:
            self._lock.release()
            raise
        self._environ = environ
        environ[ranks.RUN_DIR_VARIABLE] = str(self.path)
        return found is not None

    def release(self) -> None:
        """Stop being the folder's writer; the record stays as it was last marked."""
        self._record = None
        self._lock.release()
        if self._environ.get(ranks.RUN_DIR_VARIABLE) == str(self.path):
            del self._environ[ranks.RUN_DIR_VARIABLE]

    def is_alive(self) -> bool:
        """Whether a process writes the folder now: by its lock, or, on another machine, by its heartbeat."""
        held = self._lock.is_held()
        if held:
            return True
        record = read_record(self.status)
        return record is not None and record.beats(locks_work=held is not None)

    def read_record(self) -> RunRecord:
        """What ``run.json`` says at this moment.

        Raises:
            UserError: When there is none, or it is not a record.
        """
        record = read_record(self.status)
        if record is None:
            raise UserError(f"{self.path} is not a run folder (it has no run.json): give the path of one.")
        return record

    def mark(self, status: Status, reason: str = "") -> None:
        """Write how the run stands; on ranks other than 0 nothing happens.

        Args:
            status: ``running``, ``stopped``, ``finished`` or ``failed``.
            reason: Why, in words; begins with :data:`lit_gan.runs.record.NAN` when the run failed by
                NaN and must not be gone on with.

        Raises:
            OSError: With the path, when it cannot be written.
        """
        self._rewrite(lambda record: record.marked(status, reason))

    def beat(self) -> None:
        """Write that the run is alive; on ranks other than 0 nothing happens.

        Raises:
            OSError: With the path, when it cannot be written.
        """
        self._rewrite(RunRecord.beaten)

    def _rewrite(self, change: Callable[[RunRecord], RunRecord]) -> None:
        if self._joined:
            return
        with self._writing:
            if self._record is None:
                raise RuntimeError(f"This process is not the writer of {self.path}: take the folder first.")
            self._record = change(self._record)
            self._record.write(self.status)

    def write_config(self, text: str) -> None:
        """Write ``config.yaml``.

        Args:
            text: The resolved configuration as YAML.

        Raises:
            OSError: With the path, when it cannot be written.
        """
        write_atomically(self.config, text)

    def write_environment(self, seed: int | None = None) -> None:
        """Write ``environment.json``.

        Args:
            seed: The seed of the run.

        Raises:
            OSError: With the path, when it cannot be written.
        """
        write_environment(self.environment, seed)

    def _must_be_unused(self, found: RunRecord | None) -> None:
        if found is not None:
            raise UserError(
                f"--run_dir {self.path} holds a run already, and a new one was asked for: give another "
                "path, or go on with it by --resume auto."
            )
        check_foreign(self)

    def _in_use(self, holder: str) -> FolderInUse:
        return FolderInUse(
            f"{self.path} is being written by {holder}: wait for it to end or stop it, or give another --run_dir."
        )


def _unusable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be used as a run folder ({error.strerror}): give another --run_dir PATH.")
