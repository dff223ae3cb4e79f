"""Pictures of a run: images laid out in a grid, as a PNG in the run folder and with every logger that takes them."""

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torchvision.utils import make_grid, save_image

from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule

CHANNELS = (1, 3)  # grey, or red, green and blue
_SMALLEST_SIDE = 28  # pixels; smaller images are enlarged, or nobody can read them


class PictureCallback(Callback, ABC):
    """Draws a picture every so many rounds, and one more at the end.

    Args:
        every_n_rounds: Rounds between pictures; 0 for only the one at the end.
        folder: Where the PNGs go; ``samples/`` in the run folder if ``None``.
    """

    def __init__(self, every_n_rounds: int, folder: str | None) -> None:
        self.every_n_rounds = every_n_rounds
        self.folder = folder

    @abstractmethod
    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draws the picture of the present round; on rank 0 alone."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """A picture every ``every_n_rounds`` rounds."""
        if self._is_due(trainer):
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last picture, where it is not there already."""
        if not self._is_due(trainer):
            self._draw(trainer, pl_module)

    def _is_due(self, trainer: Trainer) -> bool:
        return self.every_n_rounds > 0 and trainer.global_step % self.every_n_rounds == 0

    @rank_zero_only
    def _draw(self, trainer: Trainer, module: LightningModule) -> None:
        if isinstance(module, GenerativeModule):  # any other cannot sample
            self.draw(trainer, module)

    def show(self, trainer: Trainer, name: str, grid: torch.Tensor, file: str) -> None:
        """Writes a picture, and gives it to the loggers.

        Args:
            trainer: Whose loggers; the picture is of its present round.
            name: What loggers call it.
            grid: ``(3, height, width)`` in [0, 1].
            file: What the PNG's name begins with; the number of rounds follows.
        """
        folder = Path(self.folder or Path(trainer.default_root_dir) / "samples")
        folder.mkdir(parents=True, exist_ok=True)
        save_image(grid, folder / f"{file}-{trainer.global_step:06d}.png")
        for logger in trainer.loggers:
            _log(logger, name, grid, trainer.global_step)


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


def _log(logger: Logger, name: str, grid: torch.Tensor, step: int) -> None:
    if hasattr(logger, "log_image"):  # W&B's, and any that has the same
        logger.log_image(name, [grid], step=step)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, grid, max(step - 1, 0))  # where the numbers of that round are
