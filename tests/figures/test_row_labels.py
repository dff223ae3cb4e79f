"""The names before the rows of a grid."""

import pytest
import torch
from tiny_gan import linear_gan

from lit_gan.callbacks.pictures import grid_image
from lit_gan.figures.row_labels import class_labels, row_names, with_row_labels


def test_a_class_has_its_name_or_its_number() -> None:
    gan = linear_gan()
    assert class_labels(gan, torch.tensor([2, 0])) == ["2", "0"]
    gan.class_names = ("cat", "dog")
    assert class_labels(gan, torch.tensor([2, 0])) == ["2", "cat"]


@pytest.mark.parametrize("condition", [None, torch.rand(2), torch.zeros(2, 3, dtype=torch.int64)])
def test_what_is_no_class_has_no_name(condition: torch.Tensor | None) -> None:
    assert class_labels(linear_gan(), condition) is None


def test_a_row_of_several_classes_has_the_first_and_the_last() -> None:
    labels = ["a"] * 3 + ["b"] * 3 + ["c"] * 2
    assert row_names(labels, columns=4) == ["a - b", "b - c"]
    assert row_names(labels, columns=3) == ["a", "b", "c"]
    assert row_names(labels, columns=100) == ["a - c"]


def test_each_name_stands_before_its_own_row_and_the_grid_is_as_without() -> None:
    images = torch.rand(6, 3, 28, 28)
    plain = grid_image(images, columns=2)
    labelled = grid_image(images, columns=2, labels=["cat", "cat", "", "", "dog", "dog"])
    margin = labelled.shape[2] - plain.shape[2]
    assert torch.equal(labelled[:, :, margin:], plain)
    rows = [row.amax() for row in labelled[0, 1:-1, :margin].tensor_split(3)]
    assert [float(row) for row in rows] == [1.0, 0.0, 1.0]


def test_the_same_names_give_the_same_bits_and_others_others() -> None:
    images = torch.zeros(2, 1, 28, 28)
    first, again, other = (grid_image(images, 1, labels) for labels in (["cat", "dog"], ["cat", "dog"], ["dog", "cat"]))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_long_name_is_cut_and_one_of_several_lines_is_one_line() -> None:
    grid = torch.zeros(3, 40, 40)
    assert 160 <= with_row_labels(grid, ["x" * 1000], 1, 40).shape[2] - 40 <= 168
    assert with_row_labels(grid, ["a\nb"], 1, 40).shape == with_row_labels(grid, ["a b"], 1, 40).shape


def test_rows_too_low_for_letters_have_none() -> None:
    grid = torch.zeros(3, 40, 40)
    assert with_row_labels(grid, ["a"] * 5, 1, 8) is grid
