"""What keeps a training from beginning, found before anything is built or made for it."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from lit_gan.cli.parsing.explanation import ArgumentError
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import ended_epochs, load_checkpoint
from lit_gan.runs.shown_path import shown

_LIGHTNINGS_EPOCHS = 1000  # where nothing else is said


def check_something_is_left(checkpoint: str | Path, trainer: Any) -> None:
    """Refuses to train on from a checkpoint that is as far as the training goes.

    Args:
        checkpoint: Where it would start from.
        trainer: The options of the Trainer.

    Raises:
        UserError: If not one round would be trained.
    """
    content = load_checkpoint(checkpoint)
    rounds, epochs = int(content.get("global_step", 0)), ended_epochs(content)
    steps, most = trainer.max_steps, trainer.max_epochs
    if most is None and steps < 0 and trainer.max_time is None:
        most = _LIGHTNINGS_EPOCHS
    if trainer.fast_dev_run:
        return
    if 0 <= steps <= rounds:
        reached, more = f"round {rounds} of {steps}", "rounds (--trainer.max_steps N)"
    elif most is not None and 0 <= most <= epochs:
        reached, more = f"epoch {epochs} of {most} (round {rounds})", "epochs (--trainer.max_epochs N)"
    else:
        return
    path = shown(Path(checkpoint))
    raise UserError(
        f"--ckpt_path {path}: the checkpoint is at {reached}, and nothing is left to train: give more {more}, or begin "
        f"anew with its weights (--init_from {path} in place of --ckpt_path)."
    )


def check_groups(parser: Any, options: Any) -> None:
    """Refuses a value in the place of a group of options, which jsonargparse takes from a file.

    Args:
        parser: The parser of the verb.
        options: What it found.

    Raises:
        ArgumentError: For the first such group.
    """
    for name in parser.groups:
        if name in options and not isinstance(options[name], Namespace):
            found = "nothing" if options[name] is None else options[name]
            raise ArgumentError((name,), f"expected keys and values, got {found}")
