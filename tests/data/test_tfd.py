import struct

import numpy as np
import pytest
import real_formats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mutations import check_told, mutations
from properties import examples

from lit_gan.data import TFDDataModule
from lit_gan.errors import UserError

PARTS = {"unlabeled": [0], "train": [1], "all": [0, 1]}


def expected(variables, fold, parts):
    rows = np.isin(variables["folds"][:, fold], parts)
    return torch.from_numpy(variables["images"][rows][:, None].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("fold", [0, 4])
@pytest.mark.parametrize("train_on", ["unlabeled", "train", "all"])
def test_splits_are_the_folds_rows_in_order(tmp_path, fold, train_on):
    variables = real_formats.write_tfd(tmp_path)
    data = TFDDataModule(tmp_path, fold=fold, train_on=train_on)
    assert torch.equal(data.images("train"), expected(variables, fold, PARTS[train_on]))
    assert torch.equal(data.images("val"), expected(variables, fold, [2]))
    assert torch.equal(data.images("test"), expected(variables, fold, [3]))


def test_the_paper_trains_on_unlabeled_images_without_labels(tmp_path):
    real_formats.write_tfd(tmp_path)
    data = TFDDataModule(tmp_path, batch_size=7)
    assert data.num_classes == 0
    assert next(iter(data.train_dataloader())).shape == (7, 1, 48, 48)
    assert next(iter(data.test_dataloader())).shape == (8, 1, 48, 48)


def test_labelled_training_counts_expressions_from_zero(tmp_path):
    variables = real_formats.write_tfd(tmp_path)
    data = TFDDataModule(tmp_path, train_on="train", batch_size=7)
    images, labels = next(iter(data.val_dataloader()))
    assert data.num_classes == 7
    assert images.shape == (4, 1, 48, 48)
    assert labels.dtype == torch.int64
    assert labels.tolist() == (variables["labs_ex"][variables["folds"][:, 0] == 2, 0] - 1).tolist()


def test_matlab_numbers_are_as_good_as_bytes(tmp_path):
    variables = real_formats.write_tfd(tmp_path)
    doubles = {name: variables[name].astype(np.float64) for name in ("folds", "labs_ex")}
    real_formats.write_tfd(tmp_path, **doubles)
    data = TFDDataModule(tmp_path, train_on="train")
    assert torch.equal(data.images("train"), expected(variables, 0, [1]))


def test_images_lie_image_by_image_in_memory(tmp_path):
    real_formats.write_tfd(tmp_path)
    images = TFDDataModule(tmp_path).dataset("train").images
    assert images.dtype == torch.uint8
    assert images.is_contiguous()


def test_value_range_is_kept(tmp_path):
    variables = real_formats.write_tfd(tmp_path)
    data = TFDDataModule(tmp_path, value_range=(-1, 1))
    assert data.value_range == (-1.0, 1.0)
    torch.testing.assert_close(data.images("val"), 2 * expected(variables, 0, [2]) - 1)


def test_missing_file_says_where_it_belongs_and_who_has_it(tmp_path):
    with pytest.raises(UserError) as error:
        TFDDataModule(tmp_path).setup("fit")
    assert str(error.value) == (
        f"TFD: not found: {tmp_path}/TFD_48x48.mat. To go on, ask the authors of the Toronto Face Database "
        "(University of Toronto) for the file and put it there, as there is no download; "
        "`--config quickstart` needs no files."
    )


IMAGES = np.zeros((100, 48, 48), np.uint8)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"images": None}, "has no variable 'images'; expected 'images', 'folds' and 'labs_ex'"),
        ({"folds": None}, "has no variable 'folds'"),
        ({"labs_ex": None}, "has no variable 'labs_ex'"),
        ({"images": IMAGES[:, :, :40]}, r"'images' is uint8 of shape \(100, 48, 40\), expected uint8 of shape \(N, 48"),
        ({"images": IMAGES.reshape(100, -1)}, r"'images' is uint8 of shape \(100, 2304\)"),
        ({"images": IMAGES / 255}, r"'images' is float64 of shape \(100, 48, 48\), expected uint8"),
        ({"folds": np.zeros((100, 4))}, r"'folds' has shape \(100, 4\), expected \(100, 5\)"),
        ({"folds": np.full((100, 5), 4)}, r"'folds' has other values than 0 \(unlabeled\), 1 \(train\), 2 \(valid\)"),
        ({"folds": np.full((100, 5), 0.5)}, "'folds' has other values"),
        ({"folds": np.full((100, 5), 3)}, "'folds' has no row for the train split of fold 0"),
        ({"folds": np.ones((100, 5))}, "'folds' has no row for the val split of fold 0"),
        ({"labs_ex": np.ones((99, 1))}, r"'labs_ex' is float64 of shape \(99, 1\), expected 100 numbers"),
        ({"labs_ex": "text"}, "'labs_ex' is .* of shape"),
        ({"labs_ex": np.zeros((100, 1))}, "'labs_ex' has other values than 1 to 7 in a labelled row of fold 0"),
    ],
)
def test_wrong_content_names_the_file_and_the_variable(tmp_path, replaced, message):
    real_formats.write_tfd(tmp_path, **replaced)
    data = TFDDataModule(tmp_path, train_on="train")
    for _ in range(2):
        with pytest.raises(UserError, match=f"{tmp_path}/TFD_48x48.mat: {message}"):
            data.setup("fit")


@pytest.mark.parametrize("kept", [0.0, 0.0005, 0.3, 0.9, 0.9999])
def test_truncated_file_is_told(tmp_path, kept):
    real_formats.write_tfd(tmp_path)
    path = tmp_path / "TFD_48x48.mat"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=f"{path}: (cannot be read as a MATLAB file|has no variable)"):
        TFDDataModule(tmp_path, train_on="train").setup("fit")


@pytest.mark.parametrize(
    "content",
    [b"<html>" + bytes(500), b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + b"\x89HDF\r\n\x1a\n" + bytes(99)],
)
def test_other_files_are_told(tmp_path, content):
    path = tmp_path / "TFD_48x48.mat"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}: cannot be read as a MATLAB file of version 7 or older"):
        TFDDataModule(tmp_path).setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fold": 5}, "fold = 5: expected a whole number from 0 to 4"),
        ({"fold": -1}, "fold = -1: expected a whole number from 0 to 4"),
        ({"fold": True}, "fold = True: expected a whole number from 0 to 4"),
        ({"train_on": "valid"}, "train_on = 'valid': expected one of unlabeled, train, all"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        TFDDataModule("nowhere", **arguments)


def test_any_damage_is_told_or_leaves_what_was_written(tmp_path):
    def loaded():
        data = TFDDataModule(tmp_path, train_on="train")
        return [data.dataset(split) for split in ("train", "val", "test")]

    real_formats.write_tfd(tmp_path, num_unlabeled=2, num_labeled=20)
    path, written = tmp_path / "TFD_48x48.mat", loaded()
    for content in mutations(path.read_bytes(), 100):
        path.write_bytes(content)
        try:
            found = loaded()
        except UserError as error:
            check_told(error)
            continue
        for rows, as_written in zip(found, written, strict=True):
            assert torch.equal(rows.images, as_written.images)
            assert torch.equal(rows.labels, as_written.labels)


@examples(8)
@given(arrays(np.uint8, (12, 48, 48), elements=st.sampled_from((0, 1, 254, 255)), fill=st.just(9)), st.randoms())
def test_any_faces_are_read_as_they_were_written(tmp_path, images, random):
    part = [0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3]
    columns = [random.sample(part, len(part)) for _ in range(5)]
    real_formats.write_tfd(tmp_path, 2, 10, images=images, folds=np.array(columns, np.uint8).T)
    for fold in range(5):
        data = TFDDataModule(tmp_path, fold=fold)
        for split, kind in (("train", 0), ("val", 2), ("test", 3)):
            rows = images[np.array(columns[fold]) == kind]
            assert torch.equal(data.dataset(split).images[:, 0], torch.from_numpy(rows))


def test_what_scipy_itself_doubts_is_told(tmp_path):
    (tmp_path / "TFD_48x48.mat").write_bytes(struct.pack("<5i", 2000, 1, 1, 0, 2) + b"x\0" + bytes(8))  # of a VAX
    with pytest.raises(UserError, match=r"cannot be read .*UserWarning: .* returned data may be corrupt"):
        TFDDataModule(tmp_path).setup("fit")
