"""From where a training starts: what is settled or refused before anything is built or made for it."""

from pathlib import Path
from typing import Any

from lit_gan.cli.parsing.run_arguments import is_typed
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import ended_epochs, load_checkpoint
from lit_gan.runs.relative_path import relative_to_cwd

_GOES_ON, _BEGINS = "ckpt_path", "init_from"
_LIGHTNINGS_EPOCHS = 1000  # where nothing else is said


def check_start(options: Any, arguments: list[str]) -> None:
    """Goes on from a checkpoint or begins with its weights; what is typed beats a configuration."""
    if options.get(_GOES_ON) is not None and options.get(_BEGINS) is not None:
        typed = [name for name in (_GOES_ON, _BEGINS) if is_typed(f"--{name}", arguments)]
        if len(typed) != 1:
            raise UserError(
                "--ckpt_path goes on with all that a checkpoint holds, --init_from begins anew with its weights: "
                "expected one of them."
            )
        options[_GOES_ON if typed == [_BEGINS] else _BEGINS] = None
    if options.get(_BEGINS) is None and options.get("init_part") is not None:
        if is_typed("--init_part", arguments):
            raise UserError(
                f"--init_part {options.init_part}: expected --init_from PATH with it, the weights to begin with."
            )
        options.init_part = None
    if options.get(_GOES_ON) is not None:
        _check_something_is_left(options[_GOES_ON], options.trainer)


def _check_something_is_left(checkpoint: str | Path, trainer: Any) -> None:
    """Refuses to train on from a checkpoint that is as far as the training goes."""
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
    path = relative_to_cwd(Path(checkpoint))
    raise UserError(
        f"--ckpt_path {path}: the checkpoint is at {reached}, and nothing is left to train: give more {more}, or begin "
        f"anew with its weights (--init_from {path} in place of --ckpt_path)."
    )
