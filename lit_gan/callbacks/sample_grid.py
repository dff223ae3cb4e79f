"""Grids of samples while a GAN trains."""

import warnings

from lightning.pytorch import Trainer

from lit_gan.callbacks.pictures import CHANNELS, PictureCallback, grid_image
from lit_gan.errors import UserError
from lit_gan.figures.row_labels import class_labels, described
from lit_gan.generative import GenerativeModule
from lit_gan.randomness import stream


class SampleGrid(PictureCallback):
    """Saves a grid of samples as PNG, and gives it to every logger that takes images, as ``samples``.

    The latents are a function of the run's seed alone, so that each grid shows the same draws as the one before it,
    further trained; nothing is picked. Small images are enlarged. The rows of a conditional GAN have the names of their
    classes before them. A module that cannot ``sample`` is left alone.

    Args:
        num_samples: Pictures in the grid; 0 switches it off.
        every_n_rounds: Rounds between grids; there is one more at the end. 0 for only that one.
        columns: Pictures per row; 10 where ``None``, so that a conditional GAN with ten classes shows one per row.
        folder: Where the PNGs go. If ``None``: ``samples/`` in the run folder; with a Trainer of one's own in the
            folder of its first logger (without one in ``default_root_dir``), or ``samples-2/``, ... where an earlier
            training has left pictures there.

    Raises:
        UserError: If a number is out of its range.

    Example:
        >>> callbacks = [SampleGrid(num_samples=64, columns=8, every_n_rounds=2000)]
    """

    def __init__(
        self, num_samples: int = 100, every_n_rounds: int = 500, columns: int | None = None, folder: str | None = None
    ) -> None:
        if num_samples < 0:
            raise UserError(f"sample_grid.num_samples = {num_samples}: expected 0 (off) or more.")
        if every_n_rounds < 0:
            raise UserError(f"sample_grid.every_n_rounds = {every_n_rounds}: expected 0 (only at the end) or more.")
        if columns is not None and columns < 1:
            raise UserError(f"sample_grid.columns = {columns}: expected at least 1.")
        super().__init__(every_n_rounds, folder)
        self.num_samples = num_samples
        self.columns = columns or 10

    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draws the grid of the present round."""
        if self.num_samples == 0:
            return
        condition = module.sample_condition(self.num_samples)
        samples = module.sample(self.num_samples, rng=stream(module.seed, "sample grid"), condition=condition).cpu()
        if samples.shape[1] in CHANNELS:
            labels = class_labels(module, condition)
            said = described(self.num_samples, self.columns, labels, trainer.global_step)
            self.show(trainer, "samples", grid_image(samples, self.columns, labels), file="round", description=said)
        else:
            warnings.warn(f"no sample grid: images with {samples.shape[1]} channels cannot be shown.", stacklevel=2)
            self.num_samples = 0
