"""Near-duplicates among the samples, as one thing that is measured on them."""

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from lit_gan.evaluation.generated import share_of_rows
from lit_gan.evaluation.images import EvaluationImages
from lit_gan.functional.neighbours import near_duplicates, rows_looked_at, spread_places


class NearDuplicateMeasurement:
    """The share of samples that nearly repeat another one, beside that of real images.

    Args:
        images: The held-out images.
        num: How many samples will come, over all ranks; a thousand of them, or as many as there are images, are kept.
        trainer: Whose rank this is.
    """

    def __init__(self, images: EvaluationImages, num: int, trainer: Trainer) -> None:
        self.num = num
        self._images, self._trainer = images, trainer
        self._real = images.in_units(torch.cat([images.for_sigma, images.reported])).flatten(1).cpu()
        wanted = rows_looked_at(num, len(self._real), self._real.shape[1])
        self._places, self._own = spread_places(num, wanted), share_of_rows(num, trainer)
        self._seen, self._kept = self._own.start, list[Tensor]()

    def begin(self) -> "NearDuplicateMeasurement":
        """No samples yet."""
        self._seen, self._kept = self._own.start, []
        return self

    def take(self, samples: Tensor, condition: Tensor | None = None) -> None:
        """Takes in a batch of samples, in data space."""
        here = self._places[(self._places >= self._seen) & (self._places < self._seen + len(samples))] - self._seen
        self._seen += len(samples)
        self._kept.append(self._images.in_units(samples[here.to(samples.device)]).flatten(1).float().cpu())

    def results(self) -> dict[str, Tensor]:
        """``near_duplicates`` and ``near_duplicates_real``, the same on every rank."""
        kept = torch.cat([self._real[:0].float(), *self._kept])
        if self._trainer.world_size > 1:
            device = self._trainer.strategy.root_device
            kept = torch.cat([part.cpu() for part in gather_all_tensors(kept.to(device))])
        found = near_duplicates(kept, self._real)
        self.begin()
        return {"near_duplicates": torch.tensor(found.share), "near_duplicates_real": torch.tensor(found.real)}
