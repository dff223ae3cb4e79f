"""What training sees of a row in an epoch is a function of the seed, the epoch and the row, and of nothing else."""

import numpy as np
import pytest
import real_formats
import torch

from lit_gan.data import ImageFolderDataModule
from lit_gan.data.loader import MinibatchLoader
from lit_gan.data.random_views import CentreOf, RandomViews


def pictures(root, num=40):
    real_formats.write_image_folder(root, classes=(), num_per_class=num)
    return root


def all_windows(image, size):
    """Every window of an image (C, H, W), as it is and mirrored."""
    height, width = size
    places = [(y, x) for y in range(image.shape[1] - height + 1) for x in range(image.shape[2] - width + 1)]
    found = [image[:, y : y + height, x : x + width] for y, x in places]
    return found, [window.flip(2) for window in found]


def test_each_view_is_a_window_of_its_own_row_and_all_places_and_sides_come_up():
    num = 2000
    images = torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(1, 3, 4, 5).expand(num, 3, 4, 5)
    views = RandomViews((3, 4), horizontal_flip=True, num_rows=num, seed=3)(images, torch.arange(num), epoch=2)
    as_they_are, mirrored = all_windows(images[0], (3, 4))
    counts = [int((views == window).all(dim=(1, 2, 3)).sum()) for window in as_they_are + mirrored]
    assert sum(counts) == num
    # Each of the eight has a share of 1/8: within five standard deviations of the binomial.
    assert np.abs(np.array(counts) - num / 8).max() < 5 * np.sqrt(num * (1 / 8) * (7 / 8))


@pytest.mark.parametrize(("horizontal_flip", "room"), [(True, 0), (False, 2)])
def test_one_of_the_two_alone(horizontal_flip, room):
    images = torch.randint(256, (50, 1, 4 + room, 4 + room), dtype=torch.uint8)
    views = RandomViews((4, 4), horizontal_flip=horizontal_flip, num_rows=50, seed=0)
    for image, view in zip(images, views(images, torch.arange(50), epoch=0), strict=True):
        as_they_are, mirrored = all_windows(image, (4, 4))
        assert any(torch.equal(view, each) for each in (as_they_are + mirrored if horizontal_flip else as_they_are))


def test_a_row_is_seen_alike_in_any_batch_and_otherwise_in_another_epoch_or_run():
    images = torch.randint(256, (64, 3, 6, 6), dtype=torch.uint8)

    def views(seed=0):
        return RandomViews((4, 4), horizontal_flip=True, num_rows=64, seed=seed)

    whole = views()(images, torch.arange(64), epoch=1)
    some = torch.tensor([9, 3, 40])
    other_order = views()
    other_order(images, torch.arange(64), epoch=0)
    assert torch.equal(other_order(images[some], some, epoch=1), whole[some])
    assert not torch.equal(views()(images, torch.arange(64), epoch=2), whole)
    assert not torch.equal(views(seed=1)(images, torch.arange(64), epoch=1), whole)


def test_the_middle_is_cut_out_before_it_is_converted():
    images = torch.arange(36).reshape(1, 1, 6, 6)
    assert torch.equal(CentreOf((3, 4), torch.Tensor.float)(images), images[..., 1:4, 1:5].float())
    assert torch.equal(CentreOf((6, 6), torch.Tensor.float)(images), images.float())


def test_held_out_images_and_means_are_of_the_middle(tmp_path):
    data = ImageFolderDataModule(pictures(tmp_path), image_size=8, random_crop=4, horizontal_flip=True)
    held = ImageFolderDataModule(tmp_path, image_size=12)
    assert data.image_shape == (3, 8, 8)
    for split in ("train", "val", "test"):
        assert torch.equal(data.images(split), held.images(split)[..., 2:10, 2:10])
    assert torch.equal(next(iter(data.val_dataloader())), data.images("val"))
    torch.testing.assert_close(data.pixel_means(), data.images("train").mean(dim=0))


def _seen(dataset, rank=0, world_size=1, batch_size=4, epoch=1):
    loader = MinibatchLoader(dataset, batch_size=batch_size, rank=rank, world_size=world_size)
    loader.sampler.set_epoch(epoch)
    return loader


def test_two_ranks_see_what_one_process_sees(tmp_path):
    data = ImageFolderDataModule(pictures(tmp_path), image_size=8, random_crop=4, horizontal_flip=True)
    train = data.dataset("train")
    one = list(_seen(train, batch_size=8))
    two = list(zip(*(_seen(train, rank=rank, world_size=2) for rank in range(2)), strict=True))
    for batch, parts in zip(one, two, strict=True):
        assert torch.equal(batch, torch.stack(parts, dim=1).flatten(0, 1))


def test_a_loader_that_goes_on_in_mid_epoch_yields_what_was_to_come(tmp_path):
    data = ImageFolderDataModule(pictures(tmp_path), image_size=8, random_crop=4, horizontal_flip=True)
    uninterrupted = _seen(data.dataset("train"))
    batches, states = [], []
    for batch in uninterrupted:
        batches.append(batch)
        states.append(uninterrupted.state_dict())
    afresh = ImageFolderDataModule(tmp_path, image_size=8, random_crop=4, horizontal_flip=True)
    resumed = MinibatchLoader(afresh.dataset("train"), batch_size=4)
    resumed.load_state_dict(states[2])
    for got, expected in zip(resumed, batches[3:], strict=True):
        assert torch.equal(got, expected)


def test_without_them_the_batches_are_what_they_were(tmp_path):
    data = ImageFolderDataModule(pictures(tmp_path), image_size=8)
    train = data.dataset("train")
    assert train.vary is None
    rows = torch.tensor([3, 1])
    assert torch.equal(train.batch(rows, epoch=5), train.batch(rows))
