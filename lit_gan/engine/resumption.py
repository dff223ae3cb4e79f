"""What Lightning needs to write checkpoints of a GAN, and to go on from them exactly."""

import re
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from lit_gan.engine.lightning_seam import callbacks_of, saves_by_time, validates_by_time
from lit_gan.errors import UserError


def check_checkpoints(trainer: Trainer) -> None:
    """Refuses a checkpoint callback that would never write one, and ranks that would not write it together.

    Lightning 2.6 does not read ``train_time_interval`` under manual optimisation, and says nothing; and it asks each
    rank's own clock whether a ``val_check_interval`` of time has passed. Names of files become such, see
    :func:`name_files_not_folders`.
    """
    if trainer.world_size > 1 and validates_by_time(trainer):
        raise UserError(
            f"val_check_interval by time on {trainer.world_size} devices: each would ask its own clock, and wait for "
            "the others for ever: expected a number of rounds, or a share of an epoch."
        )
    for callback in trainer.checkpoint_callbacks:
        if not isinstance(callback, ModelCheckpoint):
            continue
        name_files_not_folders(callback)
        plain = type(callback).on_train_batch_end is ModelCheckpoint.on_train_batch_end
        if plain and saves_by_time(callback):
            raise UserError(
                f"{type(callback).__name__}(train_time_interval=...) writes nothing under manual optimisation in "
                "Lightning 2.6: expected lit_gan.callbacks.RunCheckpoint with the same arguments."
            )


def keep_configured_patience(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Lets ``EarlyStopping`` go on with the patience that is asked for, and without the reason of an earlier ending."""
    states = checkpoint.get("callbacks") or {}
    for callback in callbacks_of(trainer):
        if isinstance(callback, EarlyStopping) and callback.state_key in states:
            kept = {"patience": callback.patience, "stopping_reason_message": None}
            states[callback.state_key] = {**states[callback.state_key], **kept}


def name_files_not_folders(checkpoint: ModelCheckpoint) -> None:
    """Spells the metrics in a checkpoint's ``filename`` without their slash, which would make folders of it.

    Lightning writes the metric's name before its value: ``{epoch}-{val/loss_d:.3f}`` gives a folder ``epoch=3-val``.

    Example:
        >>> checkpoint = ModelCheckpoint(filename="{epoch}-{val/loss_d:.3f}")
        >>> name_files_not_folders(checkpoint)
        >>> checkpoint.filename
        'epoch={epoch}-val_loss_d={val/loss_d:.3f}'
    """
    groups = re.findall(r"\{([^:}]*)", checkpoint.filename or "")
    if checkpoint.filename is None or not checkpoint.auto_insert_metric_name or not any("/" in name for name in groups):
        return

    def spelt(group: re.Match[str]) -> str:
        return group[1].replace("/", "_") + checkpoint.CHECKPOINT_EQUALS_CHAR + group[0]

    checkpoint.filename = re.sub(r"\{([^:}]*)[^}]*\}", spelt, checkpoint.filename)
    checkpoint.auto_insert_metric_name = False
