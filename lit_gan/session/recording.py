"""What one command, or one script, writes of itself into its run folder and says: how it began, and how it ended."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import format_exception
from typing import Any, Literal

from lit_gan.engine.stored_configuration import escaped
from lit_gan.errors import RunError, RunStopped, UserError
from lit_gan.launch.ranks import is_rank_zero, rank_in_job
from lit_gan.launch.slurm import queue_again
from lit_gan.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.heartbeat import Heartbeat
from lit_gan.runs.plain_data import dump_yaml
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.runs.resume import choose_run_folder
from lit_gan.session.ending import Ending
from lit_gan.session.errors import user_errors

#: Where the runs are.
RUNS = "runs"
#: What goes on when it is started again.
Starter = Literal["command", "script"]


class Recording:
    """The record of one command in the folder that it takes; of ranks other than 0 only their own tracebacks.

    Args:
        name: The ``<config>`` of ``runs/<config>/<id>``.
        config: What a run's numbers follow from, see :func:`lit_gan.session.identity.result_of`.
        seed: The seed of the run.
        resume: See :func:`choose_run_folder`.
        run_dir: The folder itself, where it is named.
        starter: What was started.

    Raises:
        UserError: See :func:`choose_run_folder`.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        seed: int | None,
        *,
        resume: str = "auto",
        run_dir: Path | str | None = None,
        starter: Starter = "command",
    ) -> None:
        self._unused = UnusedRun(Path(run_dir or Path(RUNS, name)))
        with user_errors():  # of a full disk
            self.run, self.resumed = choose_run_folder(RUNS, name, config, resume=resume, run_dir=run_dir)
        self.config, self._seed = config, seed
        self._starter = starter
        self._anew = resume == "never"
        self.first_round = 0
        self._speaks = is_rank_zero(os.environ)

    def begin(self, checkpoint: Path | str | None) -> None:
        """Writes what will be done, from this checkpoint on."""
        self.first_round = 0 if checkpoint is None else int(load_checkpoint(checkpoint).get("global_step", 0))
        if not self._speaks:
            return
        self.run.write_config(dump_yaml(escaped(self.config)))
        self.run.write_environment(seed=self._seed)

    def finish(self, reason: str = "") -> None:
        """Everything has been done; the reason is told where it was sooner than planned."""
        self.run.mark("finished", reason)
        self.run.release()

    def end_by(self, ending: BaseException, rounds: int, planned: int | None = None) -> None:
        """Marks how training ended before its time, says how it goes on, and queues a preempted job again."""
        if isinstance(ending, UserError) and (self.resumed or rounds in (0, self.first_round)):
            self.take_back()
            return
        stopped = _is_stop(ending)
        self._mark(ending, stopped=stopped)
        if stopped and self._speaks:
            of_all = f" of {planned:,}" if planned is not None else ""
            by_time = isinstance(ending, RunStopped) and ending.reason == "max_time"
            self._say_how_to_go_on(f"ended by max_time after {rounds:,}{of_all} rounds" if by_time else "stopped")
        self._queue_again_after(ending)

    def _queue_again_after(self, ending: BaseException) -> None:
        if isinstance(ending, RunStopped) and ending.requeue and self._speaks:
            queue_again()

    def _mark(self, ending: BaseException, *, stopped: bool) -> None:
        reason = "interrupted" if isinstance(ending, (KeyboardInterrupt, SystemExit)) else f"{ending}"
        with suppress(OSError):  # a full disk, which is told: then the free lock says that nothing runs any more
            if not stopped and not isinstance(ending, (UserError, RunError)):
                _keep_traceback(ending, self.run.path)
            self.run.mark("stopped" if stopped else "failed", reason)
        self.run.release()

    def take_back(self) -> None:
        """Removes the folder of a run that never trained: its command was wrong, and there is nothing to keep."""
        if not self._speaks:
            return
        if self.resumed:
            self.run.mark("stopped", "it could not go on")
        self.run.release()
        if not self.resumed:
            self._unused.remove(self.run.path)

    @contextmanager
    def of_an_evaluation(self) -> Iterator[None]:
        """The record of an evaluation that has a folder of its own."""
        try:
            with Heartbeat(self.run):
                self.begin(checkpoint=None)
                yield
        except UserError:
            self.take_back()
            raise
        except BaseException as error:
            self._mark(error, stopped=_is_stop(error))
            self._queue_again_after(error)
            raise
        self.finish()

    # -- What is said -----------------------------------------------------------------------------------------------

    def say_that_it_goes_on(self) -> None:
        """Tells the user that no new run is begun."""
        if self.resumed and self._speaks:
            anew = "--resume never starts anew" if self._starter == "command" else "another folder begins anew"
            print(f"lit-gan: continuing {relative_to_cwd(self.run.path)} after round {self.first_round} ({anew}).")

    def _say_how_to_go_on(self, ended: str) -> None:
        checkpoint = newest_checkpoint(self.run.checkpoints)
        start = "from the start" if checkpoint is None else f"after round {load_checkpoint(checkpoint)['global_step']}"
        place = relative_to_cwd(self.run.path)
        way = f"--resume {place} in place of --resume never" if self._anew else f"the same {self._starter}"
        print(f"\nlit-gan: {ended} in {place}; {way} continues it {start}.")

    def say_where_everything_is(self, ending: Ending, seconds: float, score: str | None = None) -> None:
        """Prints what this command has done, how good that is, and where the newest of everything is."""
        if not self._speaks:
            return
        minutes, rest = divmod(round(seconds), 60)
        own = f"{ending.rounds - ending.before} rounds"
        in_all = f" in this {self._starter}, {ending.rounds} in all," if ending.before else ""
        newest = max(self.run.samples.glob("*.png"), default=None)
        metrics = self.run.metrics if self.run.metrics.exists() else None
        found = {"samples": newest, "metrics": metrics, "checkpoint": newest_checkpoint(self.run.checkpoints)}
        found |= {"report": self.run.report} if self.run.report.is_file() else {}
        print(f"lit-gan: finished {own}{in_all} in {minutes}:{rest:02d} min ({ending.reason}):")
        if score is not None:
            print(f"  {'score':<10} {score}")
        for name, path in found.items():
            print(f"  {name:<10} {'none' if path is None else relative_to_cwd(path)}")
        say_where_the_profile_is(self.run, "fit")


class UnusedRun:
    """Knows what was there before a run folder was made, or what it is to be made in, and removes the rest."""

    def __init__(self, place: Path) -> None:
        place = place.absolute()
        self._absent = [folder for folder in (place, *place.parents) if not folder.exists()]
        self._present = set(place.iterdir()) if place.is_dir() else set()
        self._place = place

    def remove(self, run: Path) -> None:
        """Removes what was made of a run folder that this process has given up; what was there before stays."""
        if run == self._place:
            made = [path for path in run.iterdir() if path not in self._present]
        elif run in self._present:  # named by the environment, and empty
            made = [run / "run.json", run / "run.lock"]
        else:
            made = [run]
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        with suppress(OSError):  # another run has been made beside this one meanwhile
            for folder in self._absent:
                folder.rmdir()


def say_where_the_profile_is(run: RunFolder, stage: str) -> None:
    """Prints where a profiler left its files of a stage, if it wrote any; a table it shows by itself."""
    for path in sorted(run.path.glob(f"{stage}-*")):
        print(f"  {'profile':<10} {relative_to_cwd(path)}")


def _keep_traceback(error: BaseException, folder: Path) -> None:
    """Writes an error's traceback into a run folder, a file for each rank that fails, and has the error say where."""
    name = "traceback.txt" if is_rank_zero(os.environ) else f"traceback-rank-{rank_in_job(os.environ)}.txt"
    target = folder / name
    target.write_text("".join(format_exception(error)))
    error.add_note(f"the whole traceback is in {os.path.relpath(target)}")


def _is_stop(ending: BaseException) -> bool:
    return isinstance(ending, (KeyboardInterrupt, SystemExit, RunStopped))
