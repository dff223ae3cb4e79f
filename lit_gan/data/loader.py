"""The loaders: a training order that is a function of (seed, epoch), an evaluation that counts each row once.

They are plain iterables. Lightning replaces the sampler of a torch ``DataLoader`` under several ranks and
pads the last batches with repeated rows; these it leaves alone, and the sharding is here, where it is exact.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from lit_gan.data.dataset import Batch, ImageDataset
from lit_gan.errors import UserError
from lit_gan.randomness import stream
from lit_gan.sharding import Share


class EpochOrder:
    """Which rows this rank sees in an epoch, and in what order.

    The order of all ranks together is a random permutation, drawn from the stream (seed, "order", epoch).
    Rank r takes every ``world_size``-th place from the r-th on, the ragged end cut off, so that all ranks see
    equally many.

    Args:
        num_rows: Rows of the data set, at least ``world_size``.
        seed: The seed of the run.
        rank: This process's number among all.
        world_size: How many processes there are.
        shuffle: False keeps the file's order in every epoch (Lightning's ``overfit_batches``).

    Example:
        >>> order = EpochOrder(7, seed=0, rank=1, world_size=3, shuffle=False)
        >>> order.rows()
        tensor([1, 4])
    """

    def __init__(self, num_rows: int, *, seed: int, rank: int, world_size: int, shuffle: bool = True) -> None:
        self.num_rows = num_rows
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_rows // self.world_size

    def rows(self) -> Tensor:
        """This rank's rows of the epoch, in order."""
        if self.shuffle:
            order = torch.randperm(self.num_rows, generator=stream(self.seed, "order", self.epoch))
        else:
            order = torch.arange(self.num_rows)
        return order[self.rank :: self.world_size][: len(self)].contiguous()


class MinibatchLoader:
    """Yields, for every round of Algorithm 1, as many fresh minibatches as the round needs, as one batch.

    No example comes twice in an epoch; the rows at the end that fill no batch are dropped. Lightning saves
    :meth:`state_dict` in every checkpoint and restores it, so that a run resumed in the middle of an epoch
    sees the batches that were still to come, and no other.

    Args:
        dataset: The training rows.
        batch_size: m, rows per rank and minibatch.
        minibatches_per_round: How many minibatches a batch holds (k of Algorithm 1).
        seed: The seed of the run.
        rank: This process's number among all.
        world_size: How many processes there are.
        shuffle: False serves the rows in the file's order.

    Raises:
        UserError: One batch asks for more rows than there are.

    Example:
        >>> dataset = ImageDataset(torch.zeros(10, 1, 2, 2), None, lambda images: images)
        >>> loader = MinibatchLoader(dataset, batch_size=2, minibatches_per_round=2)
        >>> len(loader), next(iter(loader)).shape
        (2, torch.Size([4, 1, 2, 2]))
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        batch_size: int,
        minibatches_per_round: int = 1,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
    ) -> None:
        # Not `dataset`: by that name Lightning takes a loader for a torch DataLoader and rebuilds it.
        self._dataset = dataset
        self.sampler = EpochOrder(len(dataset), seed=seed, rank=rank, world_size=world_size, shuffle=shuffle)
        self.rows_per_batch = batch_size * minibatches_per_round
        self._position = (0, 0)  # epoch, batches of it that were yielded
        self._resumed = False
        if self.rows_per_batch > len(self.sampler):
            most = len(self.sampler) // minibatches_per_round
            raise UserError(
                f"batch_size = {batch_size}, times {minibatches_per_round} minibatches per round, times "
                f"{world_size} ranks asks for {self.rows_per_batch * world_size} rows at once, and the training set "
                f"has {len(dataset)}: "
                + (f"lower batch_size to at most {most}." if most else "lower k or the number of devices.")
            )

    def __len__(self) -> int:
        return len(self.sampler) // self.rows_per_batch

    def __iter__(self) -> Iterator[Batch]:
        # A generator, so that this runs at the first batch: Lightning asks for the iterator before it sets
        # the epoch.
        epoch = self.sampler.epoch
        resumed_here = self._resumed and self._position[0] == epoch
        first = self._position[1] if resumed_here else 0
        self._resumed = False
        rows = self.sampler.rows()
        for batch in range(first, len(self)):
            # Before the yield: whoever saves a checkpoint while a batch is worked on has had that batch.
            self._position = (epoch, batch + 1)
            yield self._dataset.batch(rows[batch * self.rows_per_batch : (batch + 1) * self.rows_per_batch], epoch)

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands, the same on every rank.

        Returns:
            ``epoch``, and ``batch``: how many batches of that epoch were yielded.
        """
        epoch, batch = self._position
        return {"epoch": self.sampler.epoch, "batch": batch if epoch == self.sampler.epoch else 0}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next pass go on where ``state`` was taken, unless another epoch is set before it begins.

        Args:
            state: What :meth:`state_dict` returned.
        """
        self.sampler.set_epoch(state["epoch"])
        self._position = (state["epoch"], state["batch"])
        self._resumed = True


class EvaluationLoader:
    """Yields a split in its order, every example exactly once over all ranks.

    Rank r has the rows r, r + world_size, ...; nothing is padded. All ranks yield equally many batches, so that
    what they do together per batch stays in step: where the rows do not share out evenly, the last batch of some
    ranks holds one row more.

    Args:
        dataset: The rows of the split.
        batch_size: Rows per rank and batch; the last batch may hold fewer, or one more.
        rank: This process's number among all.
        world_size: How many processes there are.

    Raises:
        UserError: There are fewer rows than ranks.

    Example:
        >>> dataset = ImageDataset(torch.arange(5.0).reshape(5, 1, 1, 1), None, lambda images: images)
        >>> [batch.flatten().tolist() for batch in EvaluationLoader(dataset, batch_size=2)]
        [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    def __init__(self, dataset: ImageDataset, *, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        if len(dataset) < world_size:
            raise UserError(
                f"{world_size} ranks cannot share the {len(dataset)} images of an evaluation split: use at "
                f"most {len(dataset)} devices."
            )
        self._dataset = dataset
        self._batch_size = batch_size
        self.share = Share(rank, world_size)  # told, for whoever must know where a row stands in the split
        self._rows = torch.arange(rank, len(dataset), world_size)
        self._num_batches = -(-(len(dataset) // world_size) // batch_size)

    def __len__(self) -> int:
        return self._num_batches

    def __iter__(self) -> Iterator[Batch]:
        edges = [batch * self._batch_size for batch in range(self._num_batches)]
        for start, stop in zip(edges, [*edges[1:], len(self._rows)], strict=True):
            yield self._dataset.batch(self._rows[start:stop])
