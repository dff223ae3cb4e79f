"""One `lit-gan sweep` from the journal to the plots."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

from optuna import logging
from rich.console import Console

from lit_gan.cli.parsing.shipped import find
from lit_gan.cli.sweep.display import live_trials
from lit_gan.errors import DONE, RunError, UserError
from lit_gan.launch.slurm import queue_again
from lit_gan.runs.fingerprint import short_names
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.tuning.command import LIT_GAN
from lit_gan.tuning.sampling import number_of_trials
from lit_gan.tuning.slots import Slots
from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_file import load_sweep
from lit_gan.tuning.sweep_layout import SweepLayout
from lit_gan.tuning.trial_environment import shares_of_devices


def run(options: argparse.Namespace) -> int:
    """Checks everything, and then works."""
    logging.set_verbosity(logging.ERROR)
    _print_what_cannot_be_encoded()
    sweep = load_sweep(find(options.file, "sweeps"))
    total = number_of_trials(sweep, options.count)
    if total is None:
        raise UserError(f"--count: expected how many trials there are: a {sweep.method} sweep has no end of its own.")
    if sweep.program == LIT_GAN:
        import_module("lit_gan.cli.sweep.check").check_options(sweep, options.file)  # imports torch
    layout = SweepLayout(Path(options.storage or f"runs/{sweep.word}.journal"))
    return _Search(SweepStudy.begin(sweep, layout), options.workers, total).run()


def _print_what_cannot_be_encoded() -> None:
    """Lets an output of few letters, as `LC_ALL=C` may give one, show any value instead of ending the sweep."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a program that calls the command may have put another there
            stream.reconfigure(errors="backslashreplace")


class _Search:
    """What happens here in a sweep."""

    def __init__(self, study: SweepStudy, workers: int, total: int) -> None:
        self._study, self._workers, self._total = study, workers, total
        self._sweep, self._layout = study.sweep, study.layout
        self._names = short_names(list(study.sweep.parameters))

    def run(self) -> int:
        """Works until all trials are over, or until it is told to stop."""
        if self._study.trials():
            journal = relative_to_cwd(self._layout.journal)
            print(f"lit-gan: going on with {journal}: {self._ended()} of {self._total} trials are over.", flush=True)
        code, requeue = (DONE, False) if self._study.is_over(self._total) else self._work()
        self._print_results(code)
        if requeue:
            queue_again()
        return code

    def _ended(self) -> int:
        return sum(trial.state.is_finished() for trial in self._study.trials())

    def _work(self) -> tuple[int, bool]:
        """The exit code, and whether Slurm is to start this again."""
        slots = Slots(self._study, self._total, shares_of_devices(_devices(self._workers), self._workers))
        with _signals_go_to(slots.ask):
            try:
                with live_trials(self._study, self._names, Console()) as show:
                    while slots.turn():
                        show()
                    show()
            except UserError as error:
                if slots.are_busy:  # it is told at the very end, too, which may be minutes from now
                    print(f"lit-gan: the other trials stop at the end of a round: {error}", flush=True)
                raise
            finally:
                slots.close()
        return slots.code, slots.requeue

    def _print_results(self, code: int) -> None:
        """Writes and names what there is at the end; also at the end of a part of it."""
        best = self._study.best()
        if best is not None:
            # The pictures need matplotlib and scikit-learn, and nothing before them does.
            files = import_module("lit_gan.tuning.results").write_results(self._study, best, self._names)
            parameters = ", ".join(f"{self._names[name]}={value}" for name, value in best.params.items())
            print(f"lit-gan: the best of {len(self._study.trials())} trials is {best.number}: {parameters}")
            print(f"  {self._sweep.metric:<14} {best.value}")
            for name, path in files.items():
                print(f"  {name:<14} {relative_to_cwd(path)}")
        elif code == DONE:
            raise RunError(
                f"none of {self._total} trials ran to its end; what they printed is in "
                f"{relative_to_cwd(self._layout.workers)}."
            )
        if code != DONE:
            print(f"lit-gan: stopped; the same command goes on with {relative_to_cwd(self._layout.journal)}.")


@contextmanager
def _signals_go_to(ask: Callable[[signal.Signals], None]) -> Iterator[None]:
    def heed(number: int, _frame: FrameType | None) -> None:
        ask(signal.Signals(number))
        if number == signal.SIGINT:
            sys.stderr.write("\nlit-gan: the trials stop at the end of a round; Ctrl-C again ends them at once.\n")

    before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _devices(workers: int) -> Sequence[str]:
    """The GPUs of this machine that have to be shared out."""
    if workers == 1:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device.strip() for device in visible.split(",") if device.strip()]
    return [str(index) for index in range(import_module("torch").cuda.device_count())]
