"""The `lit-gan` command: finds the verb, and turns every ending into an exit code.

Nothing heavy is imported before a verb is known, so that `lit-gan --help` answers at once.
"""

import errno
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from importlib import import_module

from lit_gan import __version__
from lit_gan.cli.output import heed_no_reader
from lit_gan.cli.parsing.shipped import shipped_names
from lit_gan.errors import DISK_FULL, DONE, FAILED, INTERRUPTED, USER_ERROR, RunError, RunStopped, UserError
from lit_gan.launch.ranks import is_rank_zero, rank_in_job
from lit_gan.launch.sweep_trial import is_local_trial
from lit_gan.runs.atomic_write import NO_SPACE

# verb -> (module with `main(verb, arguments) -> exit code`, what it does)
_VERBS = {
    "fit": ("lit_gan.cli.trainer.run", "train a GAN; the same command again continues a stopped run"),
    "validate": ("lit_gan.cli.trainer.run", "evaluate a run or a checkpoint on the validation data"),
    "test": ("lit_gan.cli.trainer.run", "evaluate a run or a checkpoint on the test data"),
    "predict": ("lit_gan.cli.trainer.run", "write samples of a run or a checkpoint to a .pt file"),
    "baselines": ("lit_gan.cli.baselines", "score real images, k-means centres and noise on a data set's protocol"),
    "sweep": ("lit_gan.cli.sweep.verb", "run a W&B sweep file on one's own machines, without a server"),
    "sample": ("lit_gan.cli.sample", "draw a grid of samples from a checkpoint, no data needed"),
    "complete": ("lit_gan.cli.complete", "fill in what is hidden of a picture, by the checkpoint of an InpaintingGAN"),
    "export": ("lit_gan.cli.export", "write the generator as ONNX, TorchScript or safetensors, with a model card"),
    "runs": ("lit_gan.cli.runs", "list the runs of a folder, compare some, delete weights that are not needed"),
    "report": ("lit_gan.cli.report", "write all of a run, or of several, on one page that opens anywhere"),
    "figures": ("lit_gan.cli.figures", "draw the paper's figures of a run, and a film of its training"),
    "schema": (
        "lit_gan.cli.schema",
        "print the JSON Schema of configurations, by which editors complete and check them",
    ),
    "submit": ("lit_gan.cli.submit.verb", "queue a command on a Slurm cluster, or run the same job here"),
}

_ON_ALL_RANKS = ("fit", "validate", "test")
# What other programs call a verb.
_CALLED_ELSEWHERE = {
    **dict.fromkeys(("train", "run", "resume"), "fit"),
    **dict.fromkeys(("eval", "evaluate", "valid", "score"), "validate"),
    **dict.fromkeys(("generate", "infer", "inference"), "sample"),
    **dict.fromkeys(("inpaint", "fill"), "complete"),
    **dict.fromkeys(("onnx", "torchscript", "convert", "save"), "export"),
    **dict.fromkeys(("plot", "draw", "film"), "figures"),
    **dict.fromkeys(("tune", "search", "agent"), "sweep"),
    **dict.fromkeys(("list", "ls", "compare", "prune"), "runs"),
    **dict.fromkeys(("html", "summary", "summarize"), "report"),
    **dict.fromkeys(("sbatch", "slurm", "launch"), "submit"),
}
_LONGEST = 4000  # letters of a line
_LOOKED_AT = ("fit", "validate", "test", "predict", "baselines")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, that of the process if ``None``.

    Returns:
        0 done, or stopped by the tracker; 1 a failure during a run; 2 something the user can mend, told in one line;
        75 preempted, to be queued again; 130 stopped by Ctrl-C.
    """
    # A process of its own heeds no signal once training is over: a second SIGTERM must not change its exit code.
    if arguments is None:
        heed_no_reader()
    with nullcontext() if arguments is None else _preserved_signals():
        code = _ending(list(sys.argv[1:] if arguments is None else arguments))
        if code != DONE:
            _keep_the_exit_code()
    if arguments is None and "torch" in sys.modules:
        import_module("lit_gan.engine.c_library").end_without_destructors()
    return code


def _keep_the_exit_code() -> None:
    if "SLURM_STEP_ID" in os.environ:
        import_module("lit_gan.cli.srun").keep_the_exit_code()


@contextmanager
def _preserved_signals() -> Iterator[None]:
    """Gives the signals back to whom they belong: Ctrl-C in a notebook is the notebook's again after a training."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None is a handler that is not Python's, and cannot be set; nor can the two that nobody can catch.
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


def _ending(arguments: list[str]) -> int:
    try:
        return _dispatch(arguments)
    except UserError as error:
        print(f"lit-gan: error{_place()}: {_line(error)}", file=sys.stderr)
        return DISK_FULL if _is_left_by_a_full_disk(error) else USER_ERROR
    except RunStopped as stop:
        _keep_the_exit_code()  # on every rank: one that is killed on its way out (143) would hide the first one's code
        # One rank speaks for all: the first bad exit code makes srun and torchrun end the others at once.
        return stop.exit_code if is_rank_zero(os.environ) else DONE
    except RunError as failure:
        print(f"lit-gan: failed{_place()}: {_line(failure)}", file=sys.stderr)
        return DISK_FULL if _is_left_by_a_full_disk(failure) else FAILED
    except KeyboardInterrupt:
        print("lit-gan: stopped by Ctrl-C.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        return _unforeseen(error)


def _line(error: Exception) -> str:
    """What an error says, on one line: the value that it quotes may be a whole file."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _unforeseen(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        print(f"lit-gan: error: {str(error.filename)[:60]}...: the name is too long for a file.", file=sys.stderr)
        return USER_ERROR
    failures = import_module("lit_gan.cli.failures")
    if os.environ.get(failures.VARIABLE) == "1":
        traceback.print_exception(error)
    print(f"lit-gan: failed{_place()}: {failures.failure(error)}", file=sys.stderr)
    return FAILED


def _is_left_by_a_full_disk(error: BaseException) -> bool:
    """Whether this is a trial that its worker can go on with as soon as there is space."""
    return is_local_trial() and any(
        isinstance(cause, OSError) and cause.errno in NO_SPACE for cause in _with_causes(error)
    )


def _with_causes(error: BaseException) -> list[BaseException]:
    """An error and what it came from, each once: what is told of an error may itself have been among its causes."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__
    return found


def _place() -> str:
    """Which rank speaks, where it is not the first."""
    if is_rank_zero(os.environ):
        return ""
    return f" (rank {rank_in_job(os.environ)})"


def _dispatch(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help", "help"):
        _show(_help())
        return DONE
    if verb in ("-V", "--version"):
        print(f"lit-gan {__version__}")
        return DONE
    if verb not in _VERBS:
        raise UserError(_no_such_verb(verb))
    if verb in _LOOKED_AT:
        topic = import_module("lit_gan.cli.parsing.help_page").help_topic(arguments[1:])
        if topic is not None and topic != "all":
            _add_the_working_directory()
            _show(_help_on(verb, topic))
            return DONE
        if topic == "all":
            arguments = [verb, "--help"]
        import_module("lit_gan.cli.parsing.first_look").look(verb, arguments[1:])  # before heavy imports
    if verb in _ON_ALL_RANKS:
        code: int | None = import_module("lit_gan.cli.srun").start_again_under_srun(arguments)  # before heavy imports
        if code is not None:
            return code
    _add_the_working_directory()
    # A rank may ask a store that has just gone with its host: torch would print a page of C++ frames beside our line.
    if "torch" not in sys.modules:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        import_module("lit_gan.cli.deferred_torchmetrics").defer_torchmetrics()
    return _run(verb, arguments[1:])


def _run(verb: str, arguments: list[str]) -> int:
    run = _imported(verb)
    try:
        return run(verb, arguments)
    except SystemExit as ending:  # argparse, after `--help` has been shown
        return int(ending.code or DONE)


def _imported(verb: str) -> Callable[[str, list[str]], int]:
    """What runs the verb. Among five thousand modules that are being imported, no collection of garbage finds any.

    Each would look through all that are there: a quarter of the time from the command to the first round.
    """
    enabled = "torch" not in sys.modules and gc.isenabled()
    if enabled:
        gc.collect()
        gc.disable()
    try:
        run: Callable[[str, list[str]], int] = import_module(_VERBS[verb][0]).main
    finally:
        if enabled:
            gc.freeze()  # they stay to the end
            gc.enable()
    return run


def _show(text: str) -> None:
    """Prints a page; a reader who has left, as `head` does, has seen enough of it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end


def _add_the_working_directory() -> None:
    """A network of one's own is a module beside the configuration that names it, as for `python -m lit_gan`."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _help_on(verb: str, topic: str) -> str:
    if topic:
        text: str = import_module("lit_gan.cli.parsing.class_help").class_help(topic)
    else:
        text = import_module("lit_gan.cli.parsing.help_page").help_page(verb, _VERBS[verb][1])
    return text


def _no_such_verb(verb: str) -> str:
    alike = get_close_matches(verb, [*_VERBS, *_CALLED_ELSEWHERE], n=1)
    meant = f"did you mean {_CALLED_ELSEWHERE.get(alike[0], alike[0])}?" if alike else "`lit-gan --help` tells more."
    return f"unknown command {verb!r}: expected one of {', '.join(_VERBS)}; {meant}"


def _help() -> str:
    verbs = "\n".join(f"  {verb:<10} {text}" for verb, (_, text) in _VERBS.items())
    return f"""usage: lit-gan VERB [options]

Generative adversarial networks on PyTorch Lightning.

verbs:
{verbs}

Start with:
  lit-gan fit --config quickstart                   handwritten digits, two minutes, no download
  lit-gan fit --config mnist --data.init_args.root DIR   the paper's MNIST run
  lit-gan sample runs/quickstart/ID --num 64 --out grid.png
  lit-gan sweep digits_quick --workers 2            four short runs, and the best of them

shipped configurations: {", ".join(shipped_names("configs"))}
shipped sweeps: {", ".join(shipped_names("sweeps"))}

`lit-gan VERB --help` lists the options of a verb, `lit-gan --version` the version."""
