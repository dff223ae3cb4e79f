"""The writers must make what the field's own readers accept."""

import numpy as np
import real_formats
import torchvision.datasets
from torchvision.datasets.mnist import read_image_file, read_label_file


def test_torchvision_reads_the_idx_files(tmp_path):
    arrays = real_formats.write_mnist(tmp_path, gzipped=False)
    raw = tmp_path / "MNIST" / "raw"
    for part in ("train", "t10k"):
        images = read_image_file(raw / f"{part}-images-idx3-ubyte").numpy()
        labels = read_label_file(raw / f"{part}-labels-idx1-ubyte").numpy()
        np.testing.assert_array_equal(images, arrays[f"{part}-images-idx3-ubyte"])
        np.testing.assert_array_equal(labels, arrays[f"{part}-labels-idx1-ubyte"])


def test_torchvision_accepts_the_archive_layout(tmp_path):
    checksums = real_formats.write_cifar10(tmp_path)
    theirs = torchvision.datasets.CIFAR10
    assert set(checksums) == {name for name, _ in theirs.train_list + theirs.test_list}
    assert all((tmp_path / theirs.base_folder / name).is_file() for name in checksums)


def test_content_differs_from_image_to_image_and_within_each():
    levels = real_formats.levels(real_formats.labels(20), 28, 28)
    assert levels.std(axis=(1, 2, 3)).min() > 10
    assert len(np.unique(levels.reshape(20, -1), axis=0)) == 20
