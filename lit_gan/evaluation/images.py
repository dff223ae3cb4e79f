"""The held-out images of the Parzen protocol: which of them choose sigma, which are reported on, in which range."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import CombinedLoader
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.sharding import Share, evaluation_loaders, share_of

Split = Literal["val", "test"]

# Section 5 of the paper, and the authors' parzen_ll.py: the first 1,000 validation images choose sigma.
_SIGMA_IMAGES = 1000


@dataclass(frozen=True)
class EvaluationImages:
    """What one evaluation compares the samples with.

    Args:
        for_sigma: Images that sigma is chosen on, ``(M, C, H, W)``.
        reported: Images whose likelihood is reported, ``(N, C, H, W)``.
        value_range: The values that black and white became; ``None`` where the data are no pixel levels: then a
            likelihood is not comparable with those of data in [0, 1].
        declared: Whether the data have said so; they may have said nothing.
        labels_for_sigma: The classes of ``for_sigma``, ``(M,)``, where images of lit_gan.data have them.
        labels: The classes of ``reported``, ``(N,)``, likewise.
    """

    for_sigma: Tensor
    reported: Tensor
    value_range: tuple[float, float] | None
    declared: bool = True
    labels_for_sigma: Tensor | None = None
    labels: Tensor | None = None

    @property
    def no_pixel_levels(self) -> str:
        """What a likelihood of data that are no pixel levels cannot do, and the way out where they said nothing."""
        apart = "is not comparable with published numbers, nor with those of other data"
        if self.declared:
            return f"these data are no pixel levels in [0, 1]: their Parzen log-likelihood (sigma by EM) {apart}."
        low, high = (float(value) for value in torch.aminmax(self.reported))
        seen = "all lie in [0, 1]" if low >= 0 and high <= 1 else f"lie in [{low:.3g}, {high:.3g}]"
        example = "[0.0, 1.0]" if low >= 0 else "[-1.0, 1.0]"
        return (
            f"these data declare no range of pixel levels (the values {seen}): their Parzen log-likelihood (sigma by "
            f"EM) {apart}. If they are pixel levels, say what black and white are by an attribute value_range = "
            f"{example} of the data module (--data.init_args.value_range '{example}' where its class takes it)."
        )

    def in_units(self, images: Tensor) -> Tensor:
        """Images in the units of the density: black is 0 and white is 1 where the data are pixel levels."""
        if self.value_range in (None, (0.0, 1.0)):
            return images
        low, high = self.value_range
        return (images - low) / (high - low)


def evaluation_images(
    trainer: Trainer, module: LightningModule, split: Split, *, needs_sigma: bool
) -> list[EvaluationImages]:
    """The images of an evaluation, of each fold where the data have folds and this is a test."""
    data: Any = getattr(trainer, "datamodule", None)
    ours = isinstance(data, InMemoryDataModule)  # not by its methods: a reader's own may have others of these names
    if split == "test" and ours:
        found = folds_of(data)
    elif split == "test":
        val = _validation_images(trainer, module) if needs_sigma and data is not None else torch.empty(0)
        num = _num_for_sigma(len(val), _SIGMA_IMAGES)
        test = _from_loaders(evaluation_loaders(trainer), trainer, module)
        found = [EvaluationImages(val[:num], test, *_pixel_range(data))]
    else:
        val = data.images("val") if ours else _from_loaders(evaluation_loaders(trainer), trainer, module)
        num = _num_for_sigma(len(val), _SIGMA_IMAGES)
        labels = data.dataset("val").labels if ours else None
        classes = (None, None) if labels is None else (labels[:num], labels[num:])
        found = [EvaluationImages(val[:num], val[num:], *_pixel_range(data), *classes)]
    if needs_sigma and not all(len(images.for_sigma) for images in found):
        raise UserError(
            "parzen.sigma = null chooses sigma on validation images, of which there are none: expected data with at "
            "least 2 of them, or a fixed --parzen.sigma."
        )
    return found


def folds_of(data: Any) -> list[EvaluationImages]:
    """A test with a data module of lit_gan.data: sigma on validation images, the report on test images."""
    found = []
    for val, test in data.evaluation_folds():
        num = _num_for_sigma(len(val), data.num_sigma_images)
        found.append(EvaluationImages(val[:num], test, *_pixel_range(data), *_labels_of_a_test(data, num)))
    return found


def _labels_of_a_test(data: Any, num: int) -> tuple[Tensor | None, Tensor | None]:
    """Those of the images that choose sigma and of those reported on; of data with folds nobody asks for them."""
    if type(data).evaluation_folds is not InMemoryDataModule.evaluation_folds:
        return None, None
    val, test = data.dataset("val").labels, data.dataset("test").labels
    return (None, None) if val is None else (val[:num], test)


def _pixel_range(data: Any) -> tuple[tuple[float, float] | None, bool]:
    """The range of the pixels, and whether it is declared; data with a range are pixels unless they say otherwise."""
    value_range = getattr(data, "value_range", None)
    are_pixels = getattr(data, "in_pixel_range", None)
    if are_pixels is False:
        return None, True
    return (None, False) if value_range is None else (tuple(value_range), True)


def _validation_images(trainer: Trainer, module: LightningModule) -> Tensor:
    """Those of any data module, of which a test alone has set up no more than the test data."""
    data: Any = getattr(trainer, "datamodule", None)
    data.setup("validate")
    return _from_loaders(CombinedLoader(data.val_dataloader(), "sequential").flattened, trainer, module)


def _num_for_sigma(num_images: int, wanted: int | None) -> int:
    """The first 1,000; the first half of fewer than 2,000; all where the data set says so."""
    if wanted is None:
        return num_images
    return wanted if num_images >= 2 * wanted else num_images // 2


def _from_loaders(loaders: list[Any], trainer: Trainer, module: LightningModule) -> Tensor:
    """All examples of the loaders as the module sees them, each once, the same on every rank."""
    split_batch: Any = module.split_batch
    found = []
    for loader in loaders:
        share = share_of(loader, trainer.global_rank, trainer.world_size)
        with isolate_rng():  # any loader of torch draws a seed from the global generator, as a training one does
            rows = torch.cat([split_batch(batch)[0].cpu() for batch in loader])
        found.append(_gathered(rows[: len(share.places(0, len(rows)))], share, trainer.strategy.root_device))
    return torch.cat(found)


def _gathered(rows: Tensor, share: Share, device: torch.device) -> Tensor:
    """The shares of all ranks as the list that they were dealt from."""
    if share.world_size == 1:
        return rows
    shares = [part.cpu() for part in gather_all_tensors(rows.to(device))]
    places = torch.cat([torch.arange(rank, len(part) * len(shares), len(shares)) for rank, part in enumerate(shares)])
    return torch.cat(shares)[places.argsort()]
