"""What an inpainting GAN has learnt: pictures of completions while it trains, and its numbers in a test."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lit_gan.callbacks.pictures import CHANNELS, PictureCallback, grid_image
from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.completions import REPORTED, completion_classes, completion_errors, completion_likelihood
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.evaluation.reference_classifiers import reference_classifier
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.extensions.masks import NAMED_MASKS, named_mask
from lit_gan.functional.display import to_display_range
from lit_gan.generative import GenerativeModule
from lit_gan.randomness import stream

_HIDDEN = 0.5  # the grey that stands for what is hidden


class CompletionEvaluation(PictureCallback):
    """Shows how an :class:`lit_gan.InpaintingGAN` completes held-out images, and measures it in a test.

    ``completion-ROUND.png``: in each row a validation image, what is visible of it, and completions of that.

    ``lit-gan test`` logs for each of the masks ``pixels``, ``stripes``, ``border``, ``left_half`` and ``top_half``, as
    ``test/completion_error_left_half``; over the hidden pixels, in [0, 1]:

    - ``error``, ``error_best``: the mean squared error of all completions, and of the best of each image;
      beside them ``error_mean_fill`` (the mean training image) and ``error_nearest`` (the training image whose visible
      part is the nearest);
    - ``spread``: the standard deviation of a pixel over z;
    - ``parzen_nll``, in nats: that of test images under windows on completed training images; beside it
      ``parzen_nll_mean_fill`` and ``parzen_nll_nearest``;
    - with labels, ``agreement``: how many completions the reference classifier reads as the class of their image, and
      ``entropy``, in nats, of the classes that the completions of one image are read as. Beside them
      ``test/classifier_accuracy``, of that classifier on the test images themselves.

    A module of another kind is left alone.

    Args:
        num_completions: Of each image, in the picture and in the test.
        num_images: Test images that are completed, at most; rows of the picture are one for each mask by name.
        every_n_rounds: Rounds between pictures; there is one more at the end. 0 for only that one.
        folder: Where the PNGs go; see :class:`SampleGrid`.
        classifiers: Where reference classifiers are kept; as ``lit-gan baselines`` does if ``None``.

    Raises:
        UserError: If a number is out of its range.

    Example:
        >>> callbacks = [CompletionEvaluation(num_completions=4, every_n_rounds=1000)]
    """

    def __init__(
        self,
        num_completions: int = 8,
        num_images: int = 1000,
        every_n_rounds: int = 0,
        folder: str | None = None,
        classifiers: str | None = None,
    ) -> None:
        limits = {"num_completions": (num_completions, 2), "num_images": (num_images, 1)}
        for name, (value, least) in {**limits, "every_n_rounds": (every_n_rounds, 0)}.items():
            if value < least:
                raise UserError(f"CompletionEvaluation {name} = {value}: expected at least {least}.")
        super().__init__(every_n_rounds, folder)
        self.num_completions = num_completions
        self.num_images = num_images
        self.classifiers = classifiers

    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draws the picture of the present round."""
        data: Any = getattr(trainer, "datamodule", None)
        if not isinstance(module, InpaintingGAN) or not isinstance(data, InMemoryDataModule):
            return
        x = data.images("val", len(NAMED_MASKS)).to(module.dtype)
        if x.shape[1] not in CHANNELS:
            return
        rng = stream(module.seed, "completion picture")
        rows, labels = [], []
        for image, name in zip(x, NAMED_MASKS, strict=False):
            mask = named_mask(name, *x.shape[-2:]).to(x)
            rows += [completion_row(module, image, mask, self.num_completions, rng)]
            labels += [name] * (self.num_completions + 2)
        said = (
            f"each row: a held-out image, what is visible of it, and {self.num_completions} completions; the rows are "
            f"of the masks {', '.join(NAMED_MASKS)}; G after {trainer.global_step} rounds"
        )
        grid = grid_image(torch.cat(rows), self.num_completions + 2, labels)
        self.show(trainer, "completions", grid, file="completion", description=said)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measures, where the data are in memory."""
        data: Any = getattr(trainer, "datamodule", None)
        if isinstance(pl_module, InpaintingGAN) and isinstance(data, InMemoryDataModule):
            found = self._results(pl_module, data)
            results = {f"test/{name}": value for name, value in found.items()}
            pl_module.log_dict(results, reduce_fx="max", sync_dist=True)  # every rank has computed the same

    def _results(self, gan: InpaintingGAN, data: InMemoryDataModule) -> dict[str, float]:
        train, val = (data.images(split, 10_000).to(gan.dtype) for split in ("train", "val"))
        test, labels = data.images("test", self.num_images).to(gan.dtype), data.dataset("test").labels
        folder = KEPT if self.classifiers is None else Path(self.classifiers)
        classifier = None if labels is None else reference_classifier(data, folder, say=gan.print)
        found: dict[str, float] = {} if classifier is None else {"classifier_accuracy": classifier.test_accuracy}
        for mask in REPORTED:
            numbers = completion_errors(gan, train, test, mask, self.num_completions)
            numbers |= completion_likelihood(gan, train, val[:1000], test, mask)
            if classifier is not None and labels is not None:
                numbers |= completion_classes(gan, classifier, test, labels[: len(test)], mask, self.num_completions)
            found |= {f"completion_{name}_{mask.replace('-', '_')}": value for name, value in numbers.items()}
        return found


def completion_row(gan: InpaintingGAN, image: Tensor, mask: Tensor, num: int, rng: int | torch.Generator) -> Tensor:
    """An image, what is visible of it, and its completions, ``(num + 2, C, H, W)`` in [0, 1] on the CPU.

    Args:
        gan: What completes.
        image: ``(C, H, W)`` in data space.
        mask: ``(H, W)`` of 0 and 1.
        num: Completions.
        rng: A seed or a generator.
    """
    shown = to_display_range(image[None], gan.value_range).cpu()
    visible = torch.where(mask.cpu() > 0, shown, torch.full_like(shown, _HIDDEN))
    return torch.cat([shown, visible, gan.complete(image[None], mask, num, rng=rng)[0].cpu()])
