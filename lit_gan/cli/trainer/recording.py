"""What a command writes of itself into its run folder: how it was started, and how it ended."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import yaml

from lit_gan.cli.failures import keep_traceback
from lit_gan.cli.trainer.run_identity import result_of
from lit_gan.cli.trainer.run_messages import queue_again, say_how_to_go_on
from lit_gan.cli.trainer.unused_run import UnusedRun
from lit_gan.engine.stored_configuration import escaped
from lit_gan.errors import RunError, RunStopped, UserError
from lit_gan.launch.ranks import is_rank_zero
from lit_gan.runs.checkpoint_files import load_checkpoint
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.heartbeat import Heartbeat
from lit_gan.runs.shown_path import shown


class Recording:
    """The record of one command in the folder that it has taken; of ranks other than 0 only their own tracebacks.

    Args:
        run: The folder, which this process has taken or joined.
        place: What was there before it was taken.
        resumed: Whether a run goes on in it.
        anew: Whether the same command begins another run.
    """

    def __init__(self, run: RunFolder, place: UnusedRun, *, resumed: bool, anew: bool = False) -> None:
        self.run = run
        self.resumed = resumed
        self._anew = anew
        self.first_round = 0
        self._place = place
        self._speaks = is_rank_zero(os.environ)

    def begin(self, config: Mapping[str, Any], seed: int | None, checkpoint: str | None) -> None:
        """Writes what the command will do.

        Args:
            config: The resolved configuration.
            seed: The seed of the run.
            checkpoint: What training starts from, if anything.
        """
        self.first_round = 0 if checkpoint is None else int(load_checkpoint(checkpoint).get("global_step", 0))
        if not self._speaks:
            return
        self.run.write_config(yaml.safe_dump(escaped(result_of(config)), sort_keys=False))
        self.run.write_environment(seed=seed)

    def finish(self, reason: str = "") -> None:
        """Everything has been done.

        Args:
            reason: Why, where it was sooner than planned.
        """
        self.run.mark("finished", reason)
        self.run.release()

    def end_by(self, ending: BaseException, rounds: int, planned: int | None = None) -> None:
        """Marks how training ended before its time, says how it goes on, and queues a preempted job again.

        Args:
            ending: What ended it.
            rounds: How many there had been; a folder that nothing was trained in is removed after a user's error.
            planned: How many there were to be, where that is known.
        """
        if isinstance(ending, UserError) and (self.resumed or rounds in (0, self.first_round)):
            self.take_back()
            return
        stopped = _is_stop(ending)
        self._mark(ending, stopped=stopped)
        if stopped and self._speaks:
            of_all = f" of {planned:,}" if planned is not None else ""
            by_time = isinstance(ending, RunStopped) and ending.reason == "max_time"
            ended = f"ended by max_time after {rounds:,}{of_all} rounds" if by_time else "stopped"
            say_how_to_go_on(self.run, ended, anew=self._anew)
        self._queue_again_after(ending)

    def _queue_again_after(self, ending: BaseException) -> None:
        if isinstance(ending, RunStopped) and ending.requeue and self._speaks:
            queue_again()

    def _mark(self, ending: BaseException, *, stopped: bool) -> None:
        reason = "interrupted" if isinstance(ending, (KeyboardInterrupt, SystemExit)) else f"{ending}"
        with suppress(OSError):  # a full disk, which is told: then the free lock says that nothing runs any more
            if not stopped and not isinstance(ending, (UserError, RunError)):
                keep_traceback(ending, self.run.path)
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
            self._place.remove(self.run.path)

    @contextmanager
    def of_an_evaluation(self, config: Mapping[str, Any], seed: int | None) -> Iterator[None]:
        """The record of an evaluation that has a folder of its own.

        Args:
            config: The resolved configuration.
            seed: The seed.
        """
        try:
            with Heartbeat(self.run):
                self.begin(config, seed, checkpoint=None)
                yield
        except UserError:
            self.take_back()
            raise
        except BaseException as error:
            self._mark(error, stopped=_is_stop(error))
            self._queue_again_after(error)
            raise
        self.finish()

    def say_that_it_goes_on(self) -> None:
        """Tells the user that no new run is begun."""
        if self.resumed and self._speaks:
            print(
                f"lit-gan: continuing {shown(self.run.path)} after round {self.first_round} "
                "(--resume never starts anew)."
            )


def _is_stop(ending: BaseException) -> bool:
    return isinstance(ending, (KeyboardInterrupt, SystemExit, RunStopped))
