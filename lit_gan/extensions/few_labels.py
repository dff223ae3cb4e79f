"""The few labelled examples of a semi-supervised training: which they are, and which of them a minibatch has."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.randomness import stream


class LabelledExamples(NamedTuple):
    """Images ``(n, C, H, W)`` in data space, and the class of each, ``(n,)``."""

    images: Tensor
    labels: Tensor


def draw_labelled_rows(labels: Tensor, num_labels: int, num_classes: int, label_seed: int) -> Tensor:
    """Which examples are labelled: a function of the seed, each class with its equal share.

    All examples are gone through in a random order; one is taken where its class still lacks some. What remains of a
    division of the labels by the classes goes to the first classes of a random order. Once all have their share, no
    further label is looked at.

    Args:
        labels: The class of each example, ``(N,)``.
        num_labels: How many examples are labelled.
        num_classes: How many classes there are.
        label_seed: The seed of the draw.

    Returns:
        The rows, ``(num_labels,)``, in the order in which they were drawn.

    Raises:
        UserError: If there is not a label for each class, or a class has not enough examples.

    Example:
        >>> labels = torch.arange(100) % 2
        >>> rows = draw_labelled_rows(labels, num_labels=6, num_classes=2, label_seed=0)
        >>> labels[rows].bincount().tolist()
        [3, 3]
    """
    check_num_labels(num_labels, num_classes)
    missing = torch.full((num_classes,), num_labels // num_classes)
    favoured = torch.randperm(num_classes, generator=stream(label_seed, "classes with one label more"))
    missing[favoured[: num_labels % num_classes]] += 1
    wanted = missing.tolist()
    rows: list[int] = []
    for row in torch.randperm(len(labels), generator=stream(label_seed, "labelled examples")).tolist():
        if len(rows) == num_labels:
            break
        label = int(labels[row])
        if wanted[label]:
            wanted[label] -= 1
            rows.append(row)
    for label, lacking in enumerate(wanted):
        if lacking:
            asked = num_labels // num_classes + int(label in favoured[: num_labels % num_classes])
            raise UserError(
                f"num_labels = {num_labels} asks for {asked} examples of class {label}, and the training data have "
                f"{asked - lacking}: lower num_labels."
            )
    return torch.tensor(rows)


def check_num_labels(num_labels: int, num_classes: int) -> None:
    """A label for each class, at least."""
    if num_labels < num_classes:
        fewer = "no label at all" if num_labels <= 0 else "fewer labels than classes"
        raise UserError(
            f"num_labels = {num_labels}: {fewer}: expected at least one for each of the {num_classes} classes; for "
            "data without labels there is lit_gan.GAN."
        )


def labelled_examples(data: Any, num_labels: int, num_classes: int, label_seed: int) -> LabelledExamples:
    """The labelled examples of a data set's training images; nothing else of its labels is kept.

    Raises:
        UserError: If the data are not in memory, or have no labels, or too few.
    """
    if not isinstance(data, InMemoryDataModule):
        raise UserError(
            "SemiSupervisedGAN chooses its labelled examples itself, and the data are no data module of lit_gan.data: "
            "expected one, or labelled=(images, labels), say of 100 examples."
        )
    rows = data.dataset("train")
    if rows.labels is None:
        raise UserError(
            f"SemiSupervisedGAN needs a few labels, and {type(data).__name__} has none (num_classes = 0): expected "
            "labelled data; for data without labels there is lit_gan.GAN."
        )
    chosen = draw_labelled_rows(rows.labels, num_labels, num_classes, label_seed)
    return LabelledExamples(rows.convert(rows.images[chosen]), rows.labels[chosen])


def labelled_places(num: int, first: int, rows: int, seed: int) -> Tensor:
    """Which of ``num`` labelled examples stand at the places ``first, ...`` of an endless list of permutations.

    Example:
        >>> sorted(labelled_places(4, first=0, rows=4, seed=1).tolist())
        [0, 1, 2, 3]
    """
    repetitions = range(first // num, -(-(first + rows) // num))
    orders = [torch.randperm(num, generator=stream(seed, "order of the labelled", each)) for each in repetitions]
    start = first - repetitions.start * num
    return torch.cat(orders)[start : start + rows]
