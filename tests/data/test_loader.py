from itertools import chain

import lightning.pytorch as pl
import pytest
import torch

from lit_gan.data.base import InMemoryDataModule
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.loader import EvaluationLoader, MinibatchLoader
from lit_gan.errors import UserError


def rows_dataset(num, labels=False):
    """A data set whose images say which row they are."""
    rows = torch.arange(num)
    return ImageDataset(rows.reshape(num, 1, 1, 1), 10 * rows if labels else None, lambda images: images.float())


def rows_of(batches):
    return [batch.flatten().long().tolist() for batch in batches]


def test_order_is_a_function_of_seed_and_epoch_only():
    first, second = (MinibatchLoader(rows_dataset(50), batch_size=10, seed=3) for _ in range(2))
    second.sampler.set_epoch(4)
    list(second)
    second.sampler.set_epoch(0)
    assert rows_of(first) == rows_of(second)


@pytest.mark.parametrize(("seed", "epoch"), [(4, 0), (3, 1)])
def test_order_changes_with_seed_and_with_epoch(seed, epoch):
    one, other = (MinibatchLoader(rows_dataset(50), batch_size=10, seed=value) for value in (3, seed))
    other.sampler.set_epoch(epoch)
    assert rows_of(one) != rows_of(other)


def test_epoch_repeats_no_row_and_drops_the_ragged_end():
    batches = rows_of(MinibatchLoader(rows_dataset(47), batch_size=10))
    assert [len(batch) for batch in batches] == [10] * 4
    assert len(set(chain(*batches))) == 40


def test_round_holds_disjoint_minibatches():
    loader = MinibatchLoader(rows_dataset(100), batch_size=7, minibatches_per_round=3)
    assert len(loader) == 4
    for batch in rows_of(loader):
        minibatches = [set(batch[start : start + 7]) for start in (0, 7, 14)]
        assert len(batch) == 21
        assert len(set.union(*minibatches)) == 21


@pytest.mark.parametrize("epoch", [0, 5])
def test_ranks_partition_the_order_of_one_process(epoch):
    def all_rows(**place):
        loader = MinibatchLoader(rows_dataset(41), batch_size=4, seed=1, **place)
        loader.sampler.set_epoch(epoch)
        return list(chain(*rows_of(loader)))

    alone, first, second = all_rows(), all_rows(rank=0, world_size=2), all_rows(rank=1, world_size=2)
    assert len(first) == len(second) == 20
    assert alone[0::2] == first
    assert alone[1::2] == second


def test_labels_go_with_their_images():
    for images, labels in MinibatchLoader(rows_dataset(30, labels=True), batch_size=10):
        assert labels.dtype == torch.int64
        torch.testing.assert_close(labels, 10 * images.flatten().long())


def test_without_shuffling_every_epoch_is_the_file_in_order():
    loader = MinibatchLoader(rows_dataset(10), batch_size=5, shuffle=False)
    loader.sampler.set_epoch(3)
    assert rows_of(loader) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch_size": 6, "minibatches_per_round": 2},
            "^batch_size = 6, times 2 minibatches per round, times 1 ranks asks for 12 rows at once, and the train",
        ),
        ({"batch_size": 6, "world_size": 2}, "asks for 12 rows .* has 10: lower batch_size to at most 5."),
        ({"batch_size": 1, "minibatches_per_round": 11}, "has 10: lower k or the number of devices."),
    ],
)
def test_batch_larger_than_the_data_set_is_an_error(arguments, message):
    with pytest.raises(UserError, match=message):
        MinibatchLoader(rows_dataset(10), **arguments)


def test_state_restores_the_middle_of_an_epoch():
    loader = MinibatchLoader(rows_dataset(50), batch_size=5)
    loader.sampler.set_epoch(2)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    state = loader.state_dict()
    assert state == {"epoch": 2, "batch": 3}

    resumed = MinibatchLoader(rows_dataset(50), batch_size=5)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert rows_of(resumed) == rows_of(batches)


def test_state_is_used_once():
    loader = MinibatchLoader(rows_dataset(50), batch_size=5)
    loader.load_state_dict({"epoch": 1, "batch": 8})
    assert len(list(loader)) == 2
    assert len(list(loader)) == 10


def test_state_is_dropped_when_another_epoch_begins():
    loader = MinibatchLoader(rows_dataset(50), batch_size=5)
    loader.load_state_dict({"epoch": 1, "batch": 10})
    loader.sampler.set_epoch(2)
    assert loader.state_dict() == {"epoch": 2, "batch": 0}
    assert len(list(loader)) == 10


def test_new_pass_after_a_broken_off_one_starts_at_the_beginning():
    loader = MinibatchLoader(rows_dataset(50), batch_size=5)
    next(iter(loader))
    assert len(list(loader)) == 10


@pytest.mark.parametrize(
    ("num", "world_size", "batch_size"), [(25, 1, 10), (25, 2, 4), (11, 2, 5), (3, 3, 10), (7, 3, 1)]
)
def test_evaluation_serves_every_row_once_in_equally_many_batches(num, world_size, batch_size):
    loaders = [
        EvaluationLoader(rows_dataset(num), batch_size=batch_size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    served = [rows_of(loader) for loader in loaders]
    for rank, batches in enumerate(served):
        assert list(chain(*batches)) == list(range(rank, num, world_size))
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert 1 <= len(batches[-1]) <= batch_size + (world_size > 1)
        assert len(batches) == len(loaders[0])


def test_fewer_evaluation_rows_than_ranks_is_an_error():
    with pytest.raises(UserError, match=r"4 ranks cannot share the 3 images .* use at most 3 devices"):
        EvaluationLoader(rows_dataset(3), batch_size=1, world_size=4)


class RowsDataModule(InMemoryDataModule):
    image_shape, num_classes, value_range = (1, 1, 1), 0, (0.0, 60.0)

    def load(self):
        return {"train": rows_dataset(60), "val": rows_dataset(25), "test": rows_dataset(7)}


class Recorder(pl.LightningModule):
    """Trains nothing of use, and writes down what it is given."""

    def __init__(self, minibatches_per_round=1):
        super().__init__()
        self.minibatches_per_round = minibatches_per_round
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []
        self.evaluated = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch.flatten().long().tolist()))
        return self.weight * batch.mean()

    def validation_step(self, batch, batch_idx):
        self.evaluated += batch.flatten().long().tolist()

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAt(pl.Callback):
    def __init__(self, step, path, hook):
        self.step, self.path, self.hook = step, path, hook

    def save(self, trainer, hook):
        if trainer.global_step == self.step and hook == self.hook and not trainer.sanity_checking:
            trainer.save_checkpoint(self.path)

    def on_train_batch_end(self, trainer, *_):
        self.save(trainer, "batch end")

    def on_validation_end(self, trainer, *_):
        self.save(trainer, "validation end")

    def on_train_epoch_end(self, trainer, *_):
        self.save(trainer, "epoch end")


def trainer(**arguments):
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **arguments,
    )


def shuffled(module):
    return [rows for _, rows in module.seen]


# An epoch has 60 // (5 * k) batches: 12 with k = 1, 6 with k = 2.
@pytest.mark.parametrize(
    ("step", "hook", "k"),
    [
        (1, "batch end", 1),
        (5, "batch end", 1),
        (12, "batch end", 1),
        (12, "validation end", 1),
        (12, "epoch end", 1),
        (19, "batch end", 1),
        (4, "batch end", 2),
        (24, "epoch end", 1),
    ],
)
def test_resumed_training_sees_exactly_the_batches_of_an_uninterrupted_one(tmp_path, step, hook, k):
    checkpoint = tmp_path / "stopped.ckpt"
    whole = Recorder(minibatches_per_round=k)
    save = SaveAt(step, checkpoint, hook)
    trainer(max_epochs=3, callbacks=[save]).fit(whole, RowsDataModule(batch_size=5, seed=9))

    resumed = Recorder(minibatches_per_round=k)
    trainer(max_epochs=3).fit(resumed, RowsDataModule(batch_size=5, seed=9), ckpt_path=checkpoint, weights_only=True)

    assert len(whole.seen) == 36 // k
    assert resumed.seen == whole.seen[step:]


def test_lightning_gives_every_epoch_its_own_order_and_every_round_its_rows():
    module = Recorder(minibatches_per_round=3)
    trainer(max_epochs=2).fit(module, RowsDataModule(batch_size=5, seed=9))
    epochs = [list(chain(*(rows for epoch, rows in module.seen if epoch == number))) for number in (0, 1)]
    assert [len(rows) for rows in shuffled(module)] == [15] * 8
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(60))
    assert epochs[0] != epochs[1]


def test_lightning_evaluates_every_row_once_in_order():
    module, data = Recorder(), RowsDataModule(eval_batch_size=10)
    trainer().validate(module, data, verbose=False)
    trainer().test(module, data, verbose=False)
    assert module.evaluated == [*range(25), *range(7)]


def test_overfit_batches_shows_the_same_batch_in_every_epoch():
    module = Recorder()
    with pytest.warns(UserWarning, match="requested to overfit"):
        trainer(max_epochs=2, overfit_batches=1).fit(module, RowsDataModule(batch_size=5))
    assert shuffled(module) == [[0, 1, 2, 3, 4]] * 2
