"""Writers of small data sets in the real files' formats, byte for byte as the real ones are made.

The content is deterministic and looks like images: a soft spot on a slope of grey, whose place follows the
label.
"""

import gzip
import hashlib
import struct
import tarfile
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR10_ARCHIVE = "cifar-10-python.tar.gz"
CIFAR10_TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
CIFAR10_TEST_FILE = "test_batch"
MNIST_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}


def labels(num, num_classes=10, seed=0):
    """Shape (num,), uint8; every class turns up."""
    return np.random.default_rng(seed).permutation(np.arange(num) % num_classes).astype(np.uint8)


def levels(classes, height, width, channels=1, seed=0):
    """One image per entry of ``classes``: shape (N, channels, height, width), uint8."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.asarray(classes, dtype=float) / 10
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    wobble = 0.05 * rng.standard_normal((len(angle), 2))
    centre = (0.5 * np.stack([np.sin(angle), np.cos(angle)], axis=1) + wobble)[:, :, None, None]
    squared = (y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2
    spot = 200 * np.exp(-6 * squared)[:, None] * rng.uniform(0.6, 1.0, (len(angle), channels, 1, 1))
    return (spot + 40 * (1 + x * y) * rng.uniform(0.3, 0.6)).clip(0, 255).astype(np.uint8)


def write_mnist(root, num_train=60, num_test=20, gzipped=True, dataset="mnist"):
    """The four IDX files in torchvision's layout; returns their arrays by the files' names."""
    folder = Path(root) / MNIST_FOLDERS[dataset] / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for seed, (part, num) in enumerate({"train": num_train, "t10k": num_test}.items()):
        classes = labels(num, seed=seed)
        arrays[f"{part}-images-idx3-ubyte"] = levels(classes, 28, 28, seed=seed)[:, 0]
        arrays[f"{part}-labels-idx1-ubyte"] = classes
    for name, array in arrays.items():
        write_idx(folder / (f"{name}.gz" if gzipped else name), array)
    return arrays


def write_idx(path, array):
    """One array of bytes as an IDX file, gzipped where the name ends in .gz."""
    content = idx_bytes(array)
    Path(path).write_bytes(gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)


def idx_bytes(array):
    """Magic number, dimensions, content."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_tfd(root, num_unlabeled=60, num_labeled=40, **replaced):
    """``TFD_48x48.mat``; variables in ``replaced`` take the place of the right ones (None leaves one out)."""
    num = num_unlabeled + num_labeled
    labeled = np.arange(num) >= num_unlabeled
    classes = labels(num, num_classes=7)
    # Of a fold's labelled rows 70 % are for training, 10 % for validation and 20 % for the test; the folds
    # differ.
    tenth = (np.arange(num)[:, None] + 2 * np.arange(5)) % 10
    part = np.select([tenth < 7, tenth < 8], [1, 2], 3)
    variables = {
        "images": levels(classes, 48, 48)[:, 0],
        "labs_ex": np.where(labeled, classes.astype(np.int16) + 1, -1)[:, None],
        "labs_id": np.where(labeled, np.arange(num, dtype=np.int16), -1)[:, None],
        "folds": np.where(labeled[:, None], part, 0).astype(np.uint8),
    } | replaced
    Path(root).mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in variables.items() if value is not None}
    scipy.io.savemat(Path(root) / "TFD_48x48.mat", kept, do_compression=True)
    return variables


def cifar10_batch(number, num_rows=20):
    """Images (N, 3, 32, 32) uint8 and labels (N,) of one file; 0 to 4 for training, 5 for the test."""
    classes = labels(num_rows, seed=number)
    return levels(classes, 32, 32, channels=3, seed=number), classes


def write_cifar10(root, num_per_batch=20, archive=False):
    """The six pickles, or the archive that holds them; returns the MD5 of every file."""
    folder = Path(root) / CIFAR10_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    checksums = {}
    for number, name in enumerate((*CIFAR10_TRAIN_FILES, CIFAR10_TEST_FILE)):
        content = python2_pickle(*cifar10_batch(number, num_per_batch))
        (folder / name).write_bytes(content)
        checksums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if archive:
        path = Path(root) / CIFAR10_ARCHIVE
        with tarfile.open(path, "w:gz") as members:
            members.add(folder, arcname=CIFAR10_FOLDER)
        checksums[CIFAR10_ARCHIVE] = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    return checksums


def python2_pickle(images, classes):
    """A batch as Python 2 and the NumPy of 2009 pickled it, which is how the real files are."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def whole(value):
        return b"J" + struct.pack("<i", value)

    rows = images.reshape(len(images), -1)
    # Byte strings, and whole numbers where there are booleans today.
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + whole(0) + whole(1) + b"\x87R"
    dtype += b"(" + whole(3) + text(b"|") + b"NNN" + whole(-1) + whole(-1) + whole(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n"
    array += b"cnumpy\nndarray\n" + whole(0) + b"\x85" + text(b"b") + b"\x87R"
    array += b"(" + whole(1) + whole(rows.shape[0]) + whole(rows.shape[1]) + b"\x86" + dtype + b"\x89"
    array += b"T" + struct.pack("<i", rows.size) + rows.tobytes() + b"tb"
    numbers = b"](" + b"".join(whole(int(label)) for label in classes) + b"e"
    entries = text(b"batch_label") + text(b"a batch") + text(b"labels") + numbers + text(b"data") + array
    return b"\x80\x02}(" + entries + b"u."


def write_image_folder(root, classes=("cat", "dog"), num_per_class=6, size=(20, 30)):
    """PNG and JPEG pictures in turn, in a folder per class (in root itself for no classes); their paths."""
    paths = []
    for number, name in enumerate(classes or ("",)):
        folder = Path(root) / name
        folder.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(levels([3 * number] * num_per_class, *size, channels=3, seed=number)):
            paths.append(folder / f"{index:03d}.{('png', 'jpg')[index % 2]}")
            Image.fromarray(picture.transpose(1, 2, 0)).save(paths[-1])
    return paths
