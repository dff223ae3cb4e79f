"""Lightning's own loggers: pictures, the configuration, and where files of a training lie beside their runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.wandb.run import RunAtWandb

_TABLES = (CSVMetrics, CSVLogger)  # whoever looks at them looks into the folder, where the pictures are
_KNOW_IT = (CSVMetrics, RunAtWandb)  # the run folder keeps the configuration, and W&B's run is begun with it


def give_picture(logger: Logger, name: str, picture: torch.Tensor, rounds: int) -> bool:
    """Gives a logger a picture, ``(3, height, width)`` in [0, 1], as its kind of logger takes one.

    Args:
        logger: Any. One with ``log_image(key, images, step=...)``, as W&B's, is given it by that.
        name: What the picture is called.
        picture: The picture.
        rounds: How many rounds there have been; TensorBoard and MLflow show it where the numbers of that round are.

    Returns:
        Whether nothing is missed: false for a logger that is not known to take pictures.
    """
    index = max(rounds - 1, 0)
    if hasattr(logger, "log_image"):
        logger.log_image(name, [picture], step=rounds)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, index)
    elif isinstance(logger, MLFlowLogger):
        levels = picture.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
        logger.experiment.log_image(logger.run_id, levels, key=name, step=index)
    else:
        return isinstance(logger, _TABLES)
    return True


def folder_of_training(trainer: Trainer) -> str | None:
    """Where the files of a training of one's own lie: the folder of its first logger; on all ranks, which agree on it.

    MLflow takes each folder in its own for an experiment: there it is that of the run, beside Lightning's checkpoints.
    """
    first = trainer.loggers[0] if trainer.loggers else None
    if not isinstance(first, MLFlowLogger) or first.save_dir is None:
        return trainer.log_dir
    place = str(Path(first.save_dir, str(first.name), str(first.version))) if trainer.is_global_zero else None
    return trainer.strategy.broadcast(place)


def tell_configuration(loggers: Iterable[Logger], config: Mapping[str, Any]) -> None:
    """Gives the configuration of a run, as hyper-parameters, to the loggers that are not begun with it.

    Lightning gives them what a module saves; a GAN that is built of instances has nothing to save.
    """
    for logger in loggers:
        if not isinstance(logger, _KNOW_IT):
            logger.log_hyperparams(dict(config))
