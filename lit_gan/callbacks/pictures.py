"""Pictures of a run: images laid out in a grid, as a PNG in the run folder and with every logger that takes them."""

from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torchvision.utils import make_grid, save_image

from lit_gan.errors import UserError

CHANNELS = (1, 3)  # grey, or red, green and blue
_SMALLEST_SIDE = 28  # pixels; smaller images are enlarged, or nobody can read them


def grid_image(images: torch.Tensor, columns: int) -> torch.Tensor:
    """Lays images out in a grid.

    Args:
        images: ``(N, C, H, W)`` in [0, 1], with one or three channels.
        columns: Images per row.

    Returns:
        One picture ``(3, height, width)`` in [0, 1], each image at least 28 pixels high, whole pixels repeated.

    Raises:
        UserError: If the images have another number of channels.

    Example:
        >>> grid_image(torch.zeros(6, 1, 28, 28), columns=3).shape
        torch.Size([3, 62, 92])
    """
    channels, height = images.shape[1:3]
    if channels not in CHANNELS:
        raise UserError(f"images with {channels} channels cannot be shown: expected 1 (grey) or 3 (colour).")
    enlarged = images.repeat_interleave(factor := -(-_SMALLEST_SIDE // height), dim=2).repeat_interleave(factor, dim=3)
    grid: torch.Tensor = make_grid(enlarged.float(), nrow=columns, padding=2)
    return grid


def show(trainer: Trainer, name: str, grid: torch.Tensor, file: Path) -> None:
    """Writes a picture, and gives it to the loggers.

    Args:
        trainer: Whose loggers; the picture is of its present round.
        name: What loggers call it.
        grid: ``(3, height, width)`` in [0, 1].
        file: The PNG.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    save_image(grid, file)
    for logger in trainer.loggers:
        _log(logger, name, grid, trainer.global_step)


def _log(logger: Logger, name: str, grid: torch.Tensor, step: int) -> None:
    if hasattr(logger, "log_image"):  # W&B's, and any that has the same
        logger.log_image(name, [grid], step=step)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, grid, step)
