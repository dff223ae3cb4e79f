"""Near-duplicates among the samples, as one thing that is measured on them."""

from collections.abc import Sequence

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
        parts = images.for_sigma, images.reported
        num_real, num_values = sum(map(len, parts)), images.reported.shape[1:].numel()
        wanted = rows_looked_at(num, num_real, num_values)
        # Those alone that are looked at: all of them would be the whole split once more, for as long as a run lasts.
        looked_at = spread_places(num_real, wanted).to(images.reported.device)
        self._real = images.in_units(rows_of(parts, looked_at)).flatten(1).cpu()
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


def rows_of(parts: Sequence[Tensor], places: Tensor) -> Tensor:
    """Some rows of tensors that are taken for one.

    Example:
        >>> rows_of([torch.arange(3), torch.arange(10, 13)], torch.tensor([2, 3, 5]))
        tensor([ 2, 10, 12])
    """
    starts = [sum(map(len, parts[:index])) for index in range(len(parts))]
    here = [
        places[(places >= start) & (places < start + len(part))] - start
        for start, part in zip(starts, parts, strict=True)
    ]
    return torch.cat([part[own] for part, own in zip(parts, here, strict=True)])
