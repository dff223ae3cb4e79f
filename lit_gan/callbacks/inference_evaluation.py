"""What an inference network has learnt: pictures while it trains, and its baselines in a test."""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lit_gan.callbacks.pictures import CHANNELS, PictureCallback, grid_image
from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.inference import LabelledImages, compare, nearest_samples
from lit_gan.extensions.encoding import EncodingModule
from lit_gan.functional.display import to_display_range
from lit_gan.generative import GenerativeModule
from lit_gan.randomness import stream


class InferenceEvaluation(PictureCallback):
    """Shows what an :class:`lit_gan.InferenceNetwork` makes of held-out images, and compares it in a test.

    ``reconstruction-ROUND.png``: the first validation images, their reconstructions G(E(x)), and for each the nearest
    of 10,000 samples. ``real-interpolation-ROUND.png``: in each row two of these images, and between them what G makes
    of the latents on the way from the one's to the other's. Without real images, samples are in their place.

    ``lit-gan test`` logs, beside the module's ``test/latent_r2`` and ``test/reconstruction_error``:

    - ``test/reconstruction_error_pca``: that of as many principal components of the training images as z has numbers;
    - ``test/reconstruction_error_nearest_sample``: that of the nearest of 10,000 samples;
    - ``test/nearest_neighbour_accuracy``, where there are labels: how many test images have the class of the nearest
      training image in E(x); and ``test/nearest_neighbour_accuracy_pixels``, in the pixels themselves.

    A module of another kind is left alone.

    Args:
        num_images: Images in the pictures; 0 switches these off.
        steps: Images of an interpolation, both real ones not counted.
        every_n_rounds: Rounds between pictures; there is one more at the end. 0 for only that one.
        folder: Where the PNGs go; see :class:`SampleGrid`.

    Raises:
        UserError: If a number is out of its range.

    Example:
        >>> callbacks = [InferenceEvaluation(num_images=5, every_n_rounds=1000)]
    """

    def __init__(
        self, num_images: int = 10, steps: int = 8, every_n_rounds: int = 0, folder: str | None = None
    ) -> None:
        for name, value, least in (
            ("num_images", num_images, 0),
            ("steps", steps, 2),
            ("every_n_rounds", every_n_rounds, 0),
        ):
            if value < least:
                raise UserError(f"InferenceEvaluation {name} = {value}: expected at least {least}.")
        super().__init__(every_n_rounds, folder)
        self.num_images = num_images
        self.steps = steps

    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draws both pictures of the present round."""
        if not isinstance(module, EncodingModule) or self.num_images == 0:
            return
        x = _held_out_images(trainer, module, self.num_images)
        if x.shape[1] not in CHANNELS:
            return
        rows = {
            "image": to_display_range(x, module.value_range),
            "G(E(x))": module.reconstruct(x).cpu(),
            "nearest sample": nearest_samples(module, x),
        }
        labels = [name for name in rows for _ in x]
        after = f"after {trainer.global_step} rounds"
        said = f"held-out images, their reconstructions and the nearest of 10,000 samples, {after}"
        grid = grid_image(torch.cat([*rows.values()]), len(x), labels)
        self.show(trainer, "reconstructions", grid, file="reconstruction", description=said)
        if len(x) > 1:
            said = f"each row leads from one held-out image to another through the latent space of G, {after}"
            walks = grid_image(self._walks(module, x).cpu(), self.steps + 2)
            self.show(trainer, "real_interpolations", walks, file="real-interpolation", description=said)

    def _walks(self, module: EncodingModule, x: Tensor) -> Tensor:
        """Between the first two images, the next two, ...; in each row the real ones stand at the ends."""
        fractions = torch.linspace(0, 1, self.steps, dtype=module.dtype)  # type: ignore[arg-type]
        z, shown = module.encode(x).cpu(), to_display_range(x, module.value_range).cpu()
        rows = []
        for one in range(0, len(x) - 1, 2):
            way = module.latent.between(z[one], z[one + 1], fractions)
            rows += [shown[one : one + 1], module.decode(way).cpu(), shown[one + 1 : one + 2]]
        return torch.cat(rows)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares with the baselines, where the data are in memory."""
        data: Any = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, EncodingModule) or not _has_images(data):
            return
        train, test = (LabelledImages(data.images(split), data.dataset(split).labels) for split in ("train", "test"))
        results = {f"test/{name}": value for name, value in compare(pl_module, train, test).items()}
        pl_module.log_dict(results, reduce_fx="max", sync_dist=True)  # every rank has computed the same


def _has_images(data: Any) -> bool:
    return isinstance(data, InMemoryDataModule) and data.dataset("val").images.numel() > 0


def _held_out_images(trainer: Trainer, module: EncodingModule, num: int) -> Tensor:
    data: Any = getattr(trainer, "datamodule", None)
    if _has_images(data):
        images: Tensor = data.images("val", num)
        return images.to(module.dtype)
    return module.sample_data(num, rng=stream(module.seed, "held-out images")).cpu()
