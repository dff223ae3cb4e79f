"""Grids of samples while a GAN trains."""

import warnings
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.callbacks.pictures import CHANNELS, grid_image, show
from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.randomness import stream


class SampleGrid(Callback):
    """Saves a grid of samples as PNG, and gives it to every logger that takes images, as ``samples``.

    The latents are a function of the run's seed alone, so that each grid shows the same draws as the one before it,
    further trained; nothing is picked. A module that cannot ``sample`` is left alone.

    Args:
        num_samples: Pictures in the grid; 0 switches it off.
        every_n_rounds: Rounds between grids; there is one more at the end. 0 for only that one.
        columns: Pictures per row; 10 where ``None``, so that a conditional GAN with ten classes shows one per row.
        folder: Where the PNGs go; ``samples/`` in the run folder if ``None``.

    Raises:
        UserError: If a number is out of its range.
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
        self.num_samples = num_samples
        self.every_n_rounds = every_n_rounds
        self.columns = columns or 10
        self.folder = folder

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """A grid every ``every_n_rounds`` rounds."""
        if self.every_n_rounds and trainer.global_step % self.every_n_rounds == 0:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last grid, where it is not there already."""
        if not (self.every_n_rounds and trainer.global_step % self.every_n_rounds == 0):
            self._save(trainer, pl_module)

    @rank_zero_only
    def _save(self, trainer: Trainer, module: LightningModule) -> None:
        if not isinstance(module, GenerativeModule) or self.num_samples == 0:
            return
        samples = module.sample(self.num_samples, rng=stream(module.seed, "sample grid")).cpu()
        if samples.shape[1] not in CHANNELS:
            warnings.warn(f"no sample grid: images with {samples.shape[1]} channels cannot be shown.", stacklevel=2)
            self.num_samples = 0
            return
        folder = Path(self.folder or Path(trainer.default_root_dir) / "samples")
        file = folder / f"round-{trainer.global_step:06d}.png"
        show(trainer, "samples", grid_image(samples, self.columns), file)
