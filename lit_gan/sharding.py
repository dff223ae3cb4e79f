"""Which of an evaluation's examples come to this process, so that each counts once whatever the number of ranks."""

from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset


@dataclass(frozen=True)
class Share:
    """One rank's part of a list that the ranks deal out in turns: the places rank, rank + world_size, ...

    Args:
        rank: This process's number among those that share.
        world_size: How many share; 1 where every process has the whole list.
        num_examples: How long the list is, where the shares are padded to equal lengths: what comes after the end are
            repeats. ``None`` where nothing is padded.

    Example:
        >>> share = Share(rank=1, world_size=3, num_examples=10)
        >>> list(share.places(0, 2)), list(share.places(2, 2))  # the fourth row would be the eleventh place: a repeat
        ([1, 4], [7])
    """

    rank: int = 0
    world_size: int = 1
    num_examples: int | None = None

    def places(self, start: int, rows: int) -> range:
        """Where the next rows of this share stand in the whole list.

        Args:
            start: How many rows of the share came before.
            rows: How many come now.

        Returns:
            The places, in order; fewer than ``rows`` where the last ones are repeats.
        """
        first = start * self.world_size + self.rank
        end = first + rows * self.world_size
        return range(first, end if self.num_examples is None else min(end, self.num_examples), self.world_size)


def share_of(loader: Any, rank: int, world_size: int) -> Share:
    """What part of its data a loader yields on this rank.

    A torch ``DataLoader`` shares its data out where its sampler knows of ``num_replicas``, as the one does that
    Lightning puts into it; else every rank sees all of it. A loader of another kind says its part by an attribute
    ``share``, as :class:`lit_gan.data.loader.EvaluationLoader` does; one that does not (an iterable data set neither)
    is taken to yield every ``world_size``-th example.

    Args:
        loader: What yields the batches.
        rank: This process's number.
        world_size: How many there are.

    Returns:
        The share.

    Example:
        >>> loader = DataLoader(range(5))
        >>> share_of(loader, rank=1, world_size=2)
        Share(rank=0, world_size=1, num_examples=None)
        >>> share_of(DataLoader(range(5), sampler=DistributedSampler(range(5), 2, 1)), rank=1, world_size=2)
        Share(rank=1, world_size=2, num_examples=5)
    """
    declared = getattr(loader, "share", None)
    if isinstance(declared, Share):
        return declared
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return Share(rank, world_size)
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)  # the loader's own is not used beside another's
    if isinstance(sampler, DistributedSampler):
        dealt: Any = sampler.dataset  # sized, or the sampler could not pad
        return Share(sampler.rank, sampler.num_replicas, len(dealt))
    dealt_out = any(hasattr(part, "num_replicas") for part in (sampler, loader.batch_sampler))
    return Share(rank, world_size) if dealt_out else Share()


def evaluation_loaders(trainer: Trainer) -> list[Any]:
    """The loaders of the validation or test that runs, one by one.

    Args:
        trainer: In an evaluation.
    """
    loaders = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
    return list(CombinedLoader(loaders, "sequential").flattened)
