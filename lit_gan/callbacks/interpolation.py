"""Walks through latent space while a GAN trains: the paper's figure 3."""

import torch
from lightning.pytorch import Trainer

from lit_gan.callbacks.pictures import CHANNELS, PictureCallback, grid_image
from lit_gan.errors import UserError
from lit_gan.figures.row_labels import class_labels
from lit_gan.figures.walks import walks
from lit_gan.generative import GenerativeModule


class Interpolation(PictureCallback):
    """Saves rows of images between two random latents as PNG, and gives them to the loggers, as ``interpolations``.

    A row goes from one draw of the latent distribution to another along :meth:`lit_gan.latents.Latent.between`. The
    draws are a function of the run's seed alone; nothing is picked. A conditional GAN keeps one condition in each row,
    whose name stands before it. A module that cannot ``sample`` is left alone.

    Args:
        rows: How many walks; 0 switches it off.
        steps: Images in each, both ends included.
        every_n_rounds: Rounds between pictures; there is one more at the end. 0 for only that one.
        folder: Where the PNGs go. If ``None``: ``samples/`` in the run folder; with a Trainer of one's own in the
            folder of its first logger (without one in ``default_root_dir``), or ``samples-2/``, ... where an earlier
            training has left pictures there.

    Raises:
        UserError: If a number is out of its range.

    Example:
        >>> callbacks = [Interpolation(rows=6, steps=12, every_n_rounds=2000)]

    Reference:
        Goodfellow et al. 2014, figure 3: digits on straight lines in the full latent space.
    """

    def __init__(self, rows: int = 4, steps: int = 10, every_n_rounds: int = 0, folder: str | None = None) -> None:
        if rows < 0:
            raise UserError(f"interpolation.rows = {rows}: expected 0 (off) or more.")
        if steps < 2:
            raise UserError(f"interpolation.steps = {steps}: expected at least 2, the ends.")
        if every_n_rounds < 0:
            raise UserError(f"interpolation.every_n_rounds = {every_n_rounds}: expected 0 (only at the end) or more.")
        super().__init__(every_n_rounds, folder)
        self.rows = rows
        self.steps = steps

    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draws the walks of the present round."""
        if self.rows == 0:
            return
        condition = module.sample_condition(self.rows)
        images = walks(module, self.rows, self.steps, condition).cpu()
        if images.shape[1] in CHANNELS:  # else the grid of samples has said that they cannot be shown
            classes = class_labels(module, condition)
            labels = None if classes is None else [name for name in classes for _ in range(self.steps)]
            said = (
                f"each row goes from one random latent on the left to another on the right in {self.steps} images; "
                f"G after {trainer.global_step} rounds"
            )
            grid = grid_image(images, self.steps, labels)
            self.show(trainer, "interpolations", grid, file="interpolation", description=said)

    def images(self, module: GenerativeModule) -> torch.Tensor:
        """The walks' images.

        Args:
            module: Whose generator.

        Returns:
            A tensor ``(rows * steps, C, H, W)`` in [0, 1], row after row.
        """
        return walks(module, self.rows, self.steps, module.sample_condition(self.rows))
