"""Which examples are labelled: how many of each class, by which seed, and which labels are never looked at."""

import pytest
import torch
from semi_supervised_cases import Blots, scrambled
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.extensions.few_labels import draw_labelled_rows, labelled_examples, labelled_places

LABELS = torch.arange(90) % 3


@pytest.mark.parametrize(("num", "counts"), [(3, [1, 1, 1]), (30, [10, 10, 10]), (32, [10, 11, 11])])
def test_each_class_has_its_equal_share(num: int, counts: list[int]) -> None:
    rows = draw_labelled_rows(LABELS, num, 3, label_seed=0)
    assert len(rows.unique()) == num
    assert sorted(LABELS[rows].bincount(minlength=3).tolist()) == counts


def test_the_seed_decides() -> None:
    draws = [draw_labelled_rows(LABELS, 9, 3, seed) for seed in (0, 0, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert len({tuple(rows.tolist()) for rows in draws}) == 3
    leftovers = [LABELS[draw_labelled_rows(LABELS, 4, 3, seed)].mode().values.item() for seed in range(20)]
    assert set(leftovers) == {0, 1, 2}


def test_no_other_label_has_a_say_in_the_draw() -> None:
    labels = torch.randint(10, (500,), generator=torch.Generator().manual_seed(0))
    other = scrambled(labels, 30, 10, label_seed=4)
    assert (other != labels).double().mean() > 0.7
    assert torch.equal(draw_labelled_rows(other, 30, 10, 4), draw_labelled_rows(labels, 30, 10, 4))


def test_once_all_have_their_share_no_label_is_looked_at() -> None:
    class Counting:
        looks = 0

        def __len__(self) -> int:
            return len(LABELS)

        def __getitem__(self, row: int) -> Tensor:
            self.looks += 1
            return LABELS[row]

    counting = Counting()
    draw_labelled_rows(counting, 6, 3, 0)  # type: ignore[arg-type]
    assert 6 <= counting.looks < 40


def test_the_examples_are_those_rows_as_the_loaders_give_them() -> None:
    data = Blots()
    images, labels = labelled_examples(data, 6, 3, 2)
    rows = draw_labelled_rows(data.dataset("train").labels, 6, 3, 2)
    assert torch.equal(images, data.images("train")[rows])
    assert torch.equal(labels, data.dataset("train").labels[rows])


def test_places_go_through_all_examples_again_and_again_in_another_order() -> None:
    seen = torch.cat([labelled_places(7, first, 5, seed=1) for first in range(0, 35, 5)])
    passes = seen.view(5, 7)
    assert all(sorted(each) == list(range(7)) for each in passes.tolist())
    assert len({tuple(each) for each in passes.tolist()}) > 1
    assert torch.equal(labelled_places(7, 3, 20, seed=1), torch.cat([passes.flatten()[3:23]]))


@pytest.mark.parametrize(
    ("num", "message"),
    [
        (0, r"^num_labels = 0: no label at all: expected at least one for each of the 3 classes"),
        (-3, r"^num_labels = -3: no label at all"),
        (2, r"^num_labels = 2: fewer labels than classes: expected at least one for each of the 3 classes"),
        (93, r"^num_labels = 93 asks for 31 examples of class 0, and the training data have 30: lower num_labels"),
    ],
)
def test_labels_that_cannot_be_are_told(num: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        draw_labelled_rows(LABELS, num, 3, 0)


def test_data_without_labels_and_data_of_another_kind_are_told() -> None:
    with pytest.raises(UserError, match=r"^SemiSupervisedGAN needs a few labels, and Blots has none \(num_classes"):
        labelled_examples(Blots(num_classes=0), 6, 3, 0)
    with pytest.raises(UserError, match=r"expected one, or labelled=\(images, labels\)"):
        labelled_examples(None, 6, 3, 0)
