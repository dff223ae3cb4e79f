"""Pictures of a run: images laid out in a grid, as a PNG in the run folder and with every logger that takes them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import BinaryIO

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torchvision.utils import make_grid

from lit_gan.errors import UserError
from lit_gan.figures.row_labels import with_row_labels
from lit_gan.generative import GenerativeModule
from lit_gan.loggers.lightnings import folder_of_training, give_picture
from lit_gan.runs.relative_path import relative_to_cwd

CHANNELS = (1, 3)  # grey, or red, green and blue
# Pixels; smaller images and grids are enlarged, or nobody can read them.
_SMALLEST_SIDE, _SHORTEST_GRID = 28, 600
_PADDING = 2  # pixels between images


class PictureCallback(Callback, ABC):
    """Draws a picture every so many rounds, and one more at the end.

    Args:
        every_n_rounds: Rounds between pictures; 0 for only the one at the end.
        folder: Where the PNGs go. If ``None``: ``samples/`` in the run folder; with a Trainer of one's own in the
            folder of its first logger (without one in ``default_root_dir``), or ``samples-2/``, ... where an earlier
            training has left pictures there.
    """

    def __init__(self, every_n_rounds: int, folder: str | None) -> None:
        self.every_n_rounds = every_n_rounds
        self.folder = folder
        self._place: Path | None = None  # of the present training's pictures
        self._said = False  # which loggers are given none

    @abstractmethod
    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draws the picture of the present round; on rank 0 alone."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Chooses the folder, before this training has pictures there; on all ranks, which agree on it."""
        log_dir = folder_of_training(trainer) if self.folder is None else None
        self._place = folder_for(self.folder, trainer, log_dir)

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

    def show(self, trainer: Trainer, name: str, grid: torch.Tensor, file: str, description: str = "") -> None:
        """Writes a picture of the present round, and gives it to the loggers; the PNG says of itself what it shows."""
        folder = self._place or folder_for(self.folder, trainer, None)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{file}-{trainer.global_step:06d}.png"
        save_picture(grid, target, target.suffix, description)
        without = [each for each in trainer.loggers if not give_picture(each, name, grid, trainer.global_step)]
        if without and not self._said:
            self._said = True
            names, place = " and ".join(type(logger).__name__ for logger in without), relative_to_cwd(folder)
            trainer.lightning_module.print(
                f"lit-gan: {names} cannot be given pictures: those of {type(self).__name__} are in {place} alone (a "
                "logger with a method log_image(key, images, step) gets them, too)."
            )


def folder_for(
    given: str | None, trainer: Trainer, log_dir: str | None, name: str = "samples", files: str = "*.png"
) -> Path:
    """Where the pictures of this training go: where the user says, else beside those of the trainings before it."""
    if given is not None:
        return Path(given)
    root = Path(log_dir or trainer.default_root_dir)
    taken = next(number for number in count() if not any(_numbered(root, name, number + 1).glob(files)))
    goes_on = trainer.global_step > 0
    return _numbered(root, name, taken if goes_on and taken else taken + 1)


def _numbered(root: Path, name: str, number: int) -> Path:
    return root / (name if number == 1 else f"{name}-{number}")


def save_picture(grid: torch.Tensor, file: Path | BinaryIO, suffix: str, description: str = "") -> None:
    """Writes a picture, ``(3, height, width)`` in [0, 1], of the same bits as torchvision's ``save_image``."""
    said = PngInfo()
    if description:
        said.add_text("Description", description)
    options = {"pnginfo": said} if suffix == ".png" else {}
    as_picture(grid).save(file, format=Image.registered_extensions()[suffix], **options)


def as_picture(grid: torch.Tensor) -> Image.Image:
    """A picture of ``(3, height, width)`` in [0, 1]."""
    levels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", torch.uint8)
    return Image.fromarray(levels.numpy())


def grid_image(images: torch.Tensor, columns: int, labels: Sequence[str] | None = None) -> torch.Tensor:
    """Lays images out in a grid.

    Small images are enlarged by a whole number, each pixel repeated, until the grid's longer side has 600 pixels and
    each image is 28 high.

    Example:
        >>> grid_image(torch.zeros(100, 1, 28, 28), columns=10).shape
        torch.Size([3, 862, 862])
    """
    num, channels, height, width = images.shape
    if channels not in CHANNELS:
        raise UserError(f"images with {channels} channels cannot be shown: expected 1 (grey) or 3 (colour).")
    factor = _enlargement(num, height, width, columns)
    enlarged = images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    grid: torch.Tensor = make_grid(enlarged.float(), nrow=columns, padding=_PADDING)
    return grid if labels is None else with_row_labels(grid, labels, columns, factor * height + _PADDING)


def _enlargement(num: int, height: int, width: int, columns: int) -> int:
    across = min(columns, num)
    down = -(-num // across)
    to_side = min(
        -(-(_SHORTEST_GRID - _PADDING * (images + 1)) // (images * side))
        for images, side in ((across, width), (down, height))
    )
    return max(to_side, -(-_SMALLEST_SIDE // height), 1)
