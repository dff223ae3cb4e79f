"""Silences what Lightning says that no user can mend, and tells the rest in one line."""

import logging
import warnings
from pathlib import Path

_TELL_RESULTS = ("profilers", "callbacks", "tuner")


def silence_what_users_cannot_mend() -> None:
    """Turns off Lightning's advice on other products and its warnings of what is right here; others take a line."""
    warnings.formatwarning = _in_one_line
    # What Lightning says at its start is advice on other products; its warnings stay.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    _let_results_through()
    # Lightning 2.6 with torch 2.14: its own use of a deprecated name.
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
    # Epochs shorter than the logging interval are what small data sets have; rounds are counted across epochs.
    warnings.filterwarnings("ignore", message="The number of training batches .* is smaller than the logging interval")
    # A checkpoint is taken between rounds here: there is no state before the optimisation to be saved instead.
    warnings.filterwarnings("ignore", message="Using ModelCheckpoint with manual optimization")
    # A checkpoint of another run, or a run folder that has been moved: there is no best model to be lost track of.
    warnings.filterwarnings("ignore", message="The dirpath has changed from")
    # One machine of a cluster is trained on without `srun` as well; in an allocation of several tasks we start it.
    warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used")
    # A batch that is nothing is an error of the GAN's, told once.
    warnings.filterwarnings("ignore", message="train_dataloader yielded None")
    # Evaluation needs none of the callbacks that trained.
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used to create")


def _let_results_through() -> None:
    """A profile, what a callback was told to be verbose about, the batch size that was found: results, no advice."""
    for package in _TELL_RESULTS:
        logging.getLogger(f"lightning.pytorch.{package}").setLevel(logging.INFO)
    # All of Lightning speaks through this one, too; who spoke stands in the record.
    everybody = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    everybody.setLevel(logging.INFO)
    if _is_a_result not in everybody.filters:
        everybody.addFilter(_is_a_result)


def _is_a_result(record: logging.LogRecord) -> bool:
    if record.levelno > logging.INFO or "`fast_dev_run`" in str(record.msg):
        return True
    return any(package in Path(record.pathname).parts for package in _TELL_RESULTS)


def _in_one_line(message: Warning | str, *_where: object, **_line: object) -> str:
    return f"lit-gan: warning: {' '.join(str(message).split())}\n"
