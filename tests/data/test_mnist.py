from urllib.error import URLError

import numpy as np
import pytest
import real_formats
import torch
import torchvision.datasets

from lit_gan.data import MNISTDataModule
from lit_gan.errors import UserError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture
def no_download(monkeypatch):
    """What torchvision would be asked to download; it fails as without a network."""
    asked = []

    def refuse(root, train, download):
        asked.append(root)
        raise URLError("no route\nto host")

    for name in real_formats.MNIST_FOLDERS.values():
        monkeypatch.setattr(torchvision.datasets, name, refuse)
    return asked


def module(root, **arguments):
    return MNISTDataModule(root, **{"num_validation": 15, "batch_size": 5} | arguments)


def tree(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "kmnist"])
def test_splits_are_the_files_rows_in_order(tmp_path, dataset, gzipped, no_download):
    arrays = real_formats.write_mnist(tmp_path, dataset=dataset, gzipped=gzipped)
    data = module(tmp_path, dataset=dataset)
    train = arrays[TRAIN_IMAGES].astype(np.float32)[:, None] / np.float32(255)
    assert torch.equal(data.images("train"), torch.from_numpy(train[:45]))
    assert torch.equal(data.images("val"), torch.from_numpy(train[45:]))
    images, labels = next(iter(data.test_dataloader()))
    assert images.shape == (20, 1, 28, 28)
    assert labels.dtype == torch.int64
    assert labels.tolist() == arrays["t10k-labels-idx1-ubyte"].tolist()
    assert data.dataset("val").labels.tolist() == arrays[TRAIN_LABELS][45:].tolist()


def test_default_validation_is_the_last_ten_thousand(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    real_formats.write_mnist(tmp_path)
    levels = np.zeros((10_003, 28, 28), dtype=np.uint8)
    levels[:3] = 255
    real_formats.write_idx(raw / f"{TRAIN_IMAGES}.gz", levels)
    real_formats.write_idx(raw / f"{TRAIN_LABELS}.gz", np.arange(10_003, dtype=np.uint16).astype(np.uint8) % 10)
    data = MNISTDataModule(tmp_path)
    assert float(data.images("train").min()) == 1.0
    assert data.images("val").shape == (10_000, 1, 28, 28)
    assert float(data.images("val").max()) == 0.0


def test_files_that_are_there_are_neither_downloaded_nor_written_to(tmp_path, no_download):
    real_formats.write_mnist(tmp_path)
    before = tree(tmp_path)
    data = module(tmp_path)
    data.prepare_data()
    data.setup("fit")
    assert not no_download
    assert tree(tmp_path) == before


def test_files_directly_in_root_are_found(tmp_path, no_download):
    real_formats.write_mnist(tmp_path)
    data = module(tmp_path / "MNIST" / "raw")
    data.prepare_data()
    assert len(data.images("train")) == 45


def test_plain_file_wins_over_its_gzipped_neighbour(tmp_path):
    real_formats.write_mnist(tmp_path)
    (tmp_path / "MNIST" / "raw" / f"{TRAIN_IMAGES}.gz").write_bytes(b"broken")
    arrays = real_formats.write_mnist(tmp_path, gzipped=False)
    assert len(module(tmp_path).images("train")) == len(arrays[TRAIN_IMAGES]) - 15


def test_value_range_is_kept(tmp_path):
    real_formats.write_mnist(tmp_path)
    data = module(tmp_path, value_range=(-1, 1))
    assert data.value_range == (-1.0, 1.0)
    torch.testing.assert_close(data.images("test"), 2 * module(tmp_path).images("test") - 1)


def test_missing_files_are_downloaded_into_root(tmp_path, monkeypatch):
    def download(root, train, download):
        assert download
        real_formats.write_mnist(root, dataset="kmnist")

    monkeypatch.setattr(torchvision.datasets, "KMNIST", download)
    data = module(tmp_path, dataset="kmnist")
    data.prepare_data()
    assert len(data.images("val")) == 15


def test_failed_download_says_what_is_missing_and_what_needs_no_files(tmp_path, no_download):
    real_formats.write_mnist(tmp_path)
    missing = tmp_path / "MNIST" / "raw" / f"{TRAIN_LABELS}.gz"
    missing.unlink()
    message = (
        rf"^MNIST: not found: {missing}\. The download failed \(URLError: <urlopen error no route to host>\)\. "
        r"To go on, put them there yourself, gzipped \(\.gz\) or plain; `--config quickstart` needs no files\.$"
    )
    with pytest.raises(UserError, match=message):
        module(tmp_path).prepare_data()
    assert no_download == [str(tmp_path)]


@pytest.mark.parametrize("error", [RuntimeError("md5"), PermissionError(13, "read-only"), TimeoutError("slow")])
def test_every_kind_of_failure_of_a_download_is_told(tmp_path, monkeypatch, error):
    def fail(root, train, download):
        raise error

    monkeypatch.setattr(torchvision.datasets, "MNIST", fail)
    with pytest.raises(UserError, match=rf"The download failed \({type(error).__name__}: .+\)\."):
        module(tmp_path).prepare_data()


def test_without_download_the_files_are_asked_for(tmp_path, no_download):
    data = module(tmp_path, dataset="fashion_mnist", download=False)
    data.prepare_data()
    assert not no_download
    with pytest.raises(UserError, match=rf"FashionMNIST: not found: {tmp_path}/FashionMNIST/raw/{TRAIN_IMAGES}.gz, .*"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TRAIN_IMAGES, np.zeros((60, 32, 32), np.uint8), r"shape \(60, 32, 32\), expected \(N, 28, 28\), N > 0"),
        (TRAIN_IMAGES, np.zeros((0, 28, 28), np.uint8), r"shape \(0, 28, 28\), expected \(N, 28, 28\), N > 0"),
        (TRAIN_LABELS, np.zeros(59, np.uint8), "59 labels for the 60 images in .*train-images-idx3-ubyte.gz"),
        (TRAIN_LABELS, np.full(60, 10, np.uint8), r"a label 10, expected 0\.\.9"),
        ("t10k-labels-idx1-ubyte", np.zeros(60, np.uint8), "60 labels for the 20 images in .*t10k-images"),
        ("t10k-images-idx3-ubyte", np.zeros(60, np.uint8), "begins with the bytes '00000801', expected '00000803'"),
    ],
)
def test_files_that_do_not_fit_are_told_and_nothing_is_kept(tmp_path, name, array, message):
    real_formats.write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / f"{name}.gz"
    real_formats.write_idx(path, array)
    data = module(tmp_path)
    for _ in range(2):
        with pytest.raises(UserError, match=f"{path}: {message}"):
            data.setup("fit")


def test_validation_must_leave_training_images(tmp_path):
    real_formats.write_mnist(tmp_path)
    with pytest.raises(UserError, match=r"num_validation = 60 leaves no training image of the 60 in .*: lower it"):
        module(tmp_path, num_validation=60).setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "emnist"}, "dataset = 'emnist': expected one of mnist, fashion_mnist, kmnist"),
        ({"num_validation": 0}, "num_validation = 0: expected a whole number of at least 1"),
        ({"value_range": (1, 1)}, r"value_range = \(1, 1\)"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        module("nowhere", **arguments)


@pytest.mark.parametrize(
    ("dataset", "first", "last"),
    [("mnist", "0", "9"), ("fashion_mnist", "T-shirt/top", "Ankle boot"), ("kmnist", "o", "wo")],
)
def test_the_classes_have_the_names_of_the_data_set(dataset, first, last):
    names = MNISTDataModule("nowhere", dataset=dataset).class_names
    assert (names[0], names[-1], len(set(names))) == (first, last, 10)
