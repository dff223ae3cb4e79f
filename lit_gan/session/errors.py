"""What Lightning and torch say when arguments or a checkpoint do not fit, as errors that the user can mend."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb, walk_tb

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lit_gan.errors import RunError, UserError, in_short
from lit_gan.runs.atomic_write import NO_SPACE

_NO_LOADER = re.compile(
    r"An invalid dataloader was (?:returned from|passed to) (`.*?`)\. Found (.*?)\.(?: Either .*)?$"
)
_TAKES_BACK = "lightning.pytorch.trainer.connectors.checkpoint_connector"
_LIBRARIES = ("lit_gan", "lightning", "torch", "torchmetrics", "packaging")
_OTHER_OPTIMIZERS = "its optimisers are of another kind; give optimizer_g and optimizer_d as they were, or start anew"


@contextmanager
def user_errors(checkpoint: Path | str | None = None) -> Iterator[None]:
    """Within this context what Lightning refuses, and a checkpoint that does not fit, are the user's errors."""
    try:
        yield
    except MisconfigurationException as error:
        raise UserError(_one_line(error)) from error
    except (RuntimeError, LookupError, ArithmeticError, AttributeError, ValueError, TypeError, ImportError) as error:
        if isinstance(error, UserError):
            raise
        fault = _misfit(error)
        if fault is not None:
            raise UserError(f"checkpoint {checkpoint} does not fit the model: {fault}.") from error
        if not _refused_by_lightning(error):
            raise
        raise UserError(_one_line(error)) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise RunError(
            f"{error.filename or 'a file'} was not written ({error.strerror}); the checkpoints are intact: free some "
            "space, and the same command goes on from the newest."
        ) from error


@contextmanager
def trainer_argument_errors() -> Iterator[None]:
    """Within this context only arguments of the Trainer are checked: whatever it refuses is the user's to mend."""
    try:
        yield
    except UserError:
        raise
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise UserError(f"--trainer: {_one_line(error)}") from error


def _misfit(error: Exception) -> str | None:
    if _restores_an_optimizer(error):
        return _OTHER_OPTIMIZERS
    text = str(error.args[0]) if error.args else ""
    if text.startswith("Error(s) in loading state_dict"):
        faults = [line.strip(" \t.") for line in text.splitlines()[1:] if line.strip()]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return f"{faults[0]}{more}; give the model's own options, or another checkpoint"
    if text.startswith("Trying to restore"):  # the state of optimisers, or of schedules
        return "it holds weights only, and training goes on from a whole one"
    if text == "pytorch-lightning_version":
        return "no Trainer wrote it; give one that was written by `lit-gan fit`"
    if _cannot_be_taken_back(error):
        return f"what it holds cannot be taken back ({type(error).__name__}: {in_short(text)}); give another checkpoint"
    return None


def _restores_an_optimizer(error: BaseException) -> bool:
    """Whether torch was given the state of another kind of optimiser, which each kind tells in another way or not."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return any(
        frame.f_code.co_name == "load_state_dict" and str(frame.f_globals.get("__name__")).startswith("torch.optim.")
        for frame in frames
    )


def _cannot_be_taken_back(error: BaseException) -> bool:
    """Whether it came up while Lightning took a checkpoint back, in code that is none of the user's."""
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
    if _TAKES_BACK not in modules or isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError)):
        return False
    since = modules[modules.index(_TAKES_BACK) :]
    return all(name.partition(".")[0] in (*_LIBRARIES, *sys.stdlib_module_names) for name in since)


def _refused_by_lightning(error: BaseException) -> bool:
    """Whether Lightning's own line raised it, and not what it called; of a value it is Lightning's word in any case.

    An operation of torch has no frame of its own: only a ``raise`` tells a refusal from a failure such as a full GPU.
    """
    frame = [frame for frame, _ in walk_tb(error.__traceback__)][-1]
    if not str(frame.f_globals.get("__name__")).startswith("lightning."):
        return False
    line = extract_tb(error.__traceback__)[-1].line or ""
    return isinstance(error, (ValueError, TypeError)) or line.startswith("raise ")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return _NO_LOADER.sub(
        r"\1 gives \2: expected a DataLoader, or another collection of batches; leave the method out where there are "
        "no such data.",
        text,
    )
