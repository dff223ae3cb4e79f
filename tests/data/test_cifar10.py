import pickle

import numpy as np
import pytest
import real_formats
import torch
import torchvision.datasets
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mutations import mutations
from properties import examples

from lit_gan.data import CIFAR10DataModule, cifar10
from lit_gan.data.contrast import global_contrast_normalize
from lit_gan.errors import UserError


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Small files in the real format, with their checksums in place of the published ones."""

    def write(**arguments):
        for name, checksum in real_formats.write_cifar10(tmp_path, **arguments).items():
            monkeypatch.setitem(cifar10.CHECKSUMS, name, checksum)
        return tmp_path

    return write


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    def refuse(root, train, download):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", refuse)


def module(root, **arguments):
    return CIFAR10DataModule(root, **{"num_validation": 30, "batch_size": 5} | arguments)


def training_rows():
    batches = [real_formats.cifar10_batch(number) for number in range(5)]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return torch.from_numpy(images), labels.tolist()


@pytest.mark.parametrize("archive", [False, True])
def test_splits_are_the_files_rows_in_order(written, archive):
    data = module(written(archive=archive), contrast_scale=None)
    levels, labels = training_rows()
    assert torch.equal(data.images("train"), levels[:70] / 255)
    assert torch.equal(data.images("val"), levels[70:] / 255)
    images, test_labels = next(iter(data.test_dataloader()))
    assert torch.equal(images, torch.from_numpy(real_formats.cifar10_batch(5)[0]) / 255)
    assert test_labels.tolist() == real_formats.cifar10_batch(5)[1].tolist()
    assert data.dataset("val").labels.tolist() == labels[70:]
    assert data.dataset("train").images.dtype == torch.uint8


def test_reading_the_archive_writes_nothing(written):
    root = written(archive=True)
    before = sorted(root.rglob("*"))
    data = module(root)
    data.prepare_data()
    data.setup("fit")
    assert sorted(root.rglob("*")) == before


def test_contrast_is_normalised_to_radius_55_in_every_split(written):
    data = module(written())
    levels, _ = training_rows()
    torch.testing.assert_close(data.images("train"), global_contrast_normalize(levels[:70], 55.0))
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for images, _ in loader:
            norms = images.double().flatten(1).norm(dim=1)
            torch.testing.assert_close(norms, torch.full_like(norms, 55.0), rtol=1e-5, atol=0)


def test_range_under_contrast_normalisation_is_the_training_images_largest(written):
    data = module(written(), contrast_scale=2.0)
    largest = float(data.images("train").abs().max())
    assert data.value_range == (-largest, largest)


@pytest.mark.parametrize(("given", "meant"), [(None, (0.0, 1.0)), ((-1, 1), (-1.0, 1.0))])
def test_range_without_normalisation_is_known_without_files(given, meant):
    assert module("nowhere", contrast_scale=None, value_range=given).value_range == meant


def test_published_checksums_are_torchvisions():
    assert cifar10.CHECKSUMS["cifar-10-python.tar.gz"] == "c58f30108f718f92721af3b95e74349a"
    assert cifar10.CHECKSUMS["data_batch_1"] == "c99cafc152244af753f735de768cd75f"
    assert cifar10.CHECKSUMS["test_batch"] == "40351d587109b95175f43aff81a1287e"
    assert len(cifar10.CHECKSUMS) == 7


class Bomb:
    """A pickle that would leave a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_unpickled_before_its_checksum(written, tmp_path):
    root = written()
    trace, path = tmp_path / "trace", root / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    message = f"{path}: MD5 [0-9a-f]{{32}}, expected {cifar10.CHECKSUMS['data_batch_3']}: it is damaged or another file"
    for _ in range(2):
        with pytest.raises(UserError, match=message):
            module(root).setup("fit")
    assert not trace.exists()


def test_damaged_archive_is_told(written):
    root = written(archive=True)
    path = root / "cifar-10-python.tar.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"{path}: MD5 .*, and was not read; delete it and fetch it again"):
        module(root).setup("fit")


def test_missing_files_are_told(written):
    root = written()
    missing = root / "cifar-10-batches-py" / "data_batch_2"
    missing.unlink()
    message = (
        f"CIFAR-10: not found: {missing}. To go on, put them there, or cifar-10-python.tar.gz into {root}, or "
        r"set download=True where there is a network; `--config quickstart` needs no files"
    )
    with pytest.raises(UserError, match=message):
        module(root).setup("fit")


def test_failed_download_is_told(tmp_path):
    message = (
        rf"CIFAR-10: not found: {tmp_path}/cifar-10-batches-py/data_batch_1, .*/test_batch\. The download failed "
        r"\(RuntimeError: File not found or corrupted\.\)\. To go on, put them there yourself, or "
        f"cifar-10-python.tar.gz into {tmp_path}; `--config quickstart`"
    )
    with pytest.raises(UserError, match=message):
        module(tmp_path).prepare_data()
    module(tmp_path, download=False).prepare_data()


def test_missing_files_are_downloaded_into_root(tmp_path, monkeypatch):
    def download(root, train, download):
        assert download
        for name, checksum in real_formats.write_cifar10(root).items():
            monkeypatch.setitem(cifar10.CHECKSUMS, name, checksum)

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", download)
    data = module(tmp_path)
    data.prepare_data()
    assert len(data.images("val")) == 30


def test_validation_must_leave_training_images(written):
    with pytest.raises(UserError, match=r"num_validation = 100 leaves no training image of the 100 in .*: lower it"):
        module(written(), num_validation=100).setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contrast_scale": 0.0}, r"contrast_scale = 0\.0: expected a number above 0, or None"),
        ({"contrast_scale": float("nan")}, "contrast_scale = nan: expected a number above 0, or None"),
        ({"value_range": (0, 1)}, r"value_range = \(0, 1\) with contrast_scale = 55\.0: .* contrast_scale None"),
        ({"contrast_scale": None, "value_range": (1, 0)}, r"value_range = \(1, 0\): expected two finite numbers"),
        ({"num_validation": 0}, "num_validation = 0: expected a whole number of at least 1"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        module("nowhere", **arguments)


def test_batch_of_the_wrong_shape_is_told(written, monkeypatch):
    content = real_formats.python2_pickle(np.zeros((4, 3, 16, 16), np.uint8), np.zeros(4))
    with pytest.raises(UserError, match=r"here: data of shape \(4, 768\) with 4 labels, expected \(N, 3072\) with N"):
        cifar10._unpickle(content, "here")


def test_the_classes_have_the_names_of_torchvisions(tmp_path):
    assert CIFAR10DataModule(tmp_path).class_names[:3] == ("airplane", "automobile", "bird")
    assert len(set(CIFAR10DataModule(tmp_path).class_names)) == CIFAR10DataModule(tmp_path).num_classes


@pytest.mark.parametrize("archive", [False, True])
def test_any_damage_is_told_and_nothing_is_unpickled(written, archive, monkeypatch):
    root = written(archive=archive, num_per_batch=4)
    path = root / ("cifar-10-python.tar.gz" if archive else "cifar-10-batches-py/data_batch_1")
    monkeypatch.setattr(cifar10, "_unpickle", lambda content, where: pytest.fail("unpickled"))
    for content in mutations(path.read_bytes(), 40):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"MD5 .* it is damaged or another file, and was not read"):
            module(root, num_validation=4).setup("fit")


@examples(15)
@given(arrays(np.uint8, st.tuples(st.integers(1, 3), *map(st.just, (3, 32, 32)))), st.integers(0, 9))
def test_any_batch_is_read_as_it_was_written(images, label):
    classes = np.full(len(images), label)
    found, labels = cifar10._unpickle(real_formats.python2_pickle(images, classes), "here")
    assert torch.equal(found, torch.from_numpy(images))
    assert labels.tolist() == classes.tolist()
