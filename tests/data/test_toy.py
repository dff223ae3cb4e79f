import pytest
import torch

from lit_gan.data import ToyDataModule
from lit_gan.data.mixtures import Line, Ring
from lit_gan.errors import UserError


@pytest.mark.parametrize(("mixture", "shape"), [(Line(), (1, 1, 1)), (Ring(), (1, 1, 2)), (None, (1, 1, 2))])
def test_points_are_images_of_one_row(mixture, shape):
    data = ToyDataModule(mixture, num_train=50, batch_size=20)
    assert data.image_shape == shape
    assert next(iter(data.train_dataloader())).shape == (20, *shape)


def test_splits_have_their_sizes_and_share_no_point():
    data = ToyDataModule(num_train=300, num_validation=200, num_test=100)
    sets = [data.images(split) for split in ("train", "val", "test")]
    assert [len(images) for images in sets] == [300, 200, 100]
    assert len(torch.cat(sets).flatten(1).unique(dim=0)) == 600


def test_points_are_the_same_for_every_seed():
    assert torch.equal(ToyDataModule(seed=0).images("train"), ToyDataModule(seed=1).images("train"))


def test_points_lie_within_the_range():
    data = ToyDataModule()
    low, high = data.value_range
    images = data.images("train")
    assert low <= float(images.min()) < float(images.max()) <= high


@pytest.mark.parametrize("name", ["num_train", "num_validation", "num_test"])
def test_sizes_are_checked(name):
    with pytest.raises(UserError, match=f"{name} = 0: expected a whole number of at least 1"):
        ToyDataModule(**{name: 0})
