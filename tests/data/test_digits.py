import pytest
import torch
from sklearn.datasets import load_digits

from lit_gan.data import DigitsDataModule, digits
from lit_gan.errors import UserError

SIZES = {"train": 1200, "val": 300, "test": 297}


def test_splits_have_their_sizes_and_are_the_whole_data_set():
    data = DigitsDataModule()
    sets = [data.images(split) for split in SIZES]
    assert [len(images) for images in sets] == list(SIZES.values())
    ours = torch.cat(sets).flatten(1)
    theirs = torch.from_numpy(load_digits().data).float() / 16
    assert sorted(ours.tolist()) == sorted(theirs.tolist())


def test_labels_are_those_of_the_images():
    images, labels = next(iter(DigitsDataModule().val_dataloader()))
    theirs = load_digits()
    of_image = {tuple(image): target for image, target in zip(theirs.data.tolist(), theirs.target, strict=True)}
    assert labels.tolist() == [of_image[tuple(image)] for image in (16 * images).flatten(1).tolist()]


def test_another_layout_of_scikit_learn_is_read_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    table = digits._table()
    monkeypatch.setattr(digits, "find_spec", lambda _: None)
    assert digits._table().tolist() == table.tolist()


def test_split_does_not_depend_on_the_seed_and_no_class_is_missing():
    one, other = DigitsDataModule(seed=0), DigitsDataModule(seed=1)
    for split in SIZES:
        assert torch.equal(one.images(split), other.images(split))
        assert one.dataset(split).labels.unique().tolist() == list(range(10))


def test_facts_are_known_without_loading_and_true():
    data = DigitsDataModule(value_range=(-1, 1))
    assert (data.image_shape, data.num_classes, data.value_range) == ((1, 8, 8), 10, (-1.0, 1.0))
    assert data._datasets is None
    images = data.images("train")
    assert images.shape[1:] == data.image_shape
    assert (float(images.min()), float(images.max())) == data.value_range


def test_images_are_held_as_bytes():
    assert DigitsDataModule().dataset("train").images.dtype == torch.uint8


def test_wrong_range_is_named():
    with pytest.raises(UserError, match=r"value_range = \(1, 0\)"):
        DigitsDataModule(value_range=(1, 0))


def test_the_classes_are_named_by_their_digits():
    data = DigitsDataModule()
    assert [int(name) for name in data.class_names] == list(range(data.num_classes))
