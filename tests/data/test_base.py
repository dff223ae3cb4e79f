from types import SimpleNamespace

import pytest
import torch

from lit_gan.data.base import InMemoryDataModule
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import UserError


class Bytes(InMemoryDataModule):
    image_shape, num_classes, value_range = (1, 2, 3), 0, (-1.0, 1.0)

    def __init__(self, num=2500, labels=None, shape=(1, 2, 3), **arguments):
        super().__init__(**arguments)
        generator = torch.Generator().manual_seed(0)
        self.levels = torch.randint(256, (num, *shape), dtype=torch.uint8, generator=generator)
        self.labels, self.loads = labels, 0

    def load(self):
        self.loads += 1
        rows = ImageDataset(self.levels, self.labels, LinearScaling(255, (-1, 1)))
        return {"train": rows, "val": rows, "test": rows}


def test_data_are_loaded_once_and_only_when_needed():
    data = Bytes()
    assert data.loads == 0
    data.setup("fit")
    data.setup("test")
    data.train_dataloader()
    data.images("val")
    assert data.loads == 1


def test_pixel_means_are_exact_in_the_loaders_range():
    data = Bytes()
    expected = (data.levels.double() / 255 * 2 - 1).mean(dim=0)
    means = data.pixel_means()
    assert means.shape == (1, 2, 3)
    assert means.dtype == torch.float32
    torch.testing.assert_close(means, expected.float(), rtol=0, atol=1e-7)


def test_images_are_those_of_the_loader_in_order():
    data = Bytes(eval_batch_size=999)
    torch.testing.assert_close(data.images("val"), torch.cat(list(data.val_dataloader())), rtol=0, atol=0)
    assert data.images("val", limit=7).shape == (7, 1, 2, 3)
    assert data.images("val", limit=9999).shape == (2500, 1, 2, 3)


def test_images_leave_the_bytes_as_they_are():
    data = Bytes()
    before = data.levels.clone()
    data.images("train").zero_()
    next(iter(data.train_dataloader())).zero_()
    assert torch.equal(data.levels, before)


def test_round_size_and_place_come_from_the_trainer():
    data = Bytes(batch_size=10)
    data.trainer = SimpleNamespace(
        global_rank=1,
        world_size=2,
        lightning_module=SimpleNamespace(minibatches_per_round=3),
        overfit_batches=0,
    )
    assert next(iter(data.train_dataloader())).shape == (30, 1, 2, 3)
    assert len(data.train_dataloader()) == 1250 // 30
    torch.testing.assert_close(torch.cat(list(data.test_dataloader())), data.images("test")[1::2])


def test_other_lightning_modules_get_one_minibatch():
    data = Bytes(batch_size=10)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, lightning_module=None, overfit_batches=0)
    assert next(iter(data.train_dataloader())).shape == (10, 1, 2, 3)


def test_text_is_short_and_loads_nothing():
    data = Bytes()
    assert str(data) == "Bytes(image_shape=(1, 2, 3), num_classes=0)"
    assert data.loads == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size = 0: expected a whole number of at least 1"),
        ({"batch_size": 2.5}, r"batch_size = 2\.5: expected a whole number"),
        ({"batch_size": True}, "batch_size = True: expected a whole number"),
        ({"eval_batch_size": -1}, "eval_batch_size = -1: expected a whole number of at least 1"),
        ({"seed": -1}, "seed = -1: expected a whole number of at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        Bytes(**arguments)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Bytes(num=0), "Bytes: the train split is empty; expected at least one image"),
        (
            Bytes(shape=(3, 2, 3)),
            r"Bytes: images of shape \(3, 2, 3\) in the train split, expected \(1, 2, 3\)",
        ),
        (Bytes(labels=torch.zeros(2500).long()), "Bytes: labels in the train split with num_classes = 0"),
    ],
)
def test_what_a_subclass_loads_is_checked_and_not_kept(data, message):
    for _ in range(2):
        with pytest.raises(UserError, match=message):
            data.setup()


def test_missing_labels_are_an_error():
    class Labelled(Bytes):
        num_classes = 3

    with pytest.raises(UserError, match="Labelled: no labels in the train split with num_classes = 3"):
        Labelled().setup()


def test_unknown_split_and_limit_are_errors():
    with pytest.raises(UserError, match="split = 'valid': expected one of train, val, test"):
        Bytes().images("valid")
    with pytest.raises(UserError, match="limit = 0: expected a whole number of at least 1"):
        Bytes().images("val", limit=0)
