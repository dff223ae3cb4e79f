"""Batches of every form: what are the examples, what the labels, and who cannot tell."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from faulty_parts import FAULTS, FORMS
from torch import Tensor

from lit_gan.engine.batches import examples_of, labels_of, num_rows
from lit_gan.errors import UserError

_X = torch.rand(6, 1, 8, 8)
_LABELS = torch.arange(6) % 3


class Keyed:
    """As a TensorDict: keys and entries, but no Mapping."""

    def keys(self) -> list[str]:
        return ["image", "label"]

    def __getitem__(self, key: str) -> Tensor:
        return {"image": _X, "label": _LABELS}[key]


_FURTHER = {
    "keyed": lambda _: Keyed(),
    "namespace": lambda x: SimpleNamespace(data=x, cls=_LABELS),
    "web data set": lambda x: {"jpg": x, "cls": _LABELS, "__key__": ["a"] * 6},
    "tuple without names": lambda x: (x, _LABELS, {"image": x}),
}


@pytest.mark.parametrize("form", [*FORMS, *_FURTHER])
def test_the_examples_and_the_labels_are_found(form: str) -> None:
    batch = {**FORMS, **_FURTHER}[form](_X)
    assert examples_of(batch) is _X
    assert torch.equal(labels_of(batch), _LABELS)
    assert num_rows(batch) == 6


def test_a_bare_tensor_is_the_examples() -> None:
    assert examples_of(_X) is _X
    assert examples_of([_X]) is _X


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (None, "the batch is None: expected the examples"),
        ("a picture", "the batch is a str"),
        (3, "the batch is an int"),
        ([], "the batch is a list of 0 entries: it is empty"),
        ({}, "entries of nothing, and none has a usual name"),
        (FAULTS["texts"](_X), "the batch's first entry is a str"),
        (FAULTS["nested"](_X), "the batch's first entry is a list of 2 tensors"),
        (FAULTS["array"](_X), r"the batch is a numpy.ndarray \(6, 1, 8, 8\) of float32"),
        (FAULTS["pictures in a list"](_X), "the batch's entry 'image' is a list of 6 strs"),
        (FAULTS["two names"](_X), "image, pixel_values could all be the examples"),
        (FAULTS["no usual name"](_X), r"none has a usual name of the examples \(image, ...\)"),
        (({"a": _X, "b": _X}, _LABELS), r"entries a, b, and none has a usual name"),
        (SimpleNamespace(a=_X), "entries a, and none"),
    ],
)
def test_a_batch_without_the_examples_is_told(batch: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        examples_of(batch)
    assert "def split_batch(self, batch):" in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (_X, r"the batch is a tensor \(6, 1, 8, 8\) of torch.float32 without labels.* are for lit_gan.GAN"),
        ([_X], "without labels"),
        (
            {"image": _X},
            r'entries image, and none has a usual name of the labels .*return batch\["image"\], batch\["ima',
        ),
        (
            {"image": _X, "label": _LABELS, "y": _LABELS},
            r'label, y could all be the labels.*batch\["image"\], batch\["lab',
        ),
        ((_X, torch.rand(6)), r"second entry is a tensor \(6,\) of torch.float32: expected the class of each example"),
        ((_X, torch.eye(6)), r"second entry is a tensor \(6, 6\)"),
        ((_X, _LABELS[:, None]), r"second entry is a tensor \(6, 1\) of torch.int64"),
        ({"image": _X, "label": ["a"] * 6}, "entry 'label' is a list of 6 strs"),
    ],
)
def test_a_batch_without_the_labels_is_told(batch: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        labels_of(batch)


@pytest.mark.parametrize("batch", [{"photo": _X}, (None, _X), [[_X], 3], _X])
def test_rows_are_counted_by_any_tensor(batch: Any) -> None:
    assert num_rows(batch) == 6


@pytest.mark.parametrize("batch", [None, "text", [torch.tensor(3)]])
def test_a_batch_without_rows_is_told(batch: Any) -> None:
    with pytest.raises(UserError, match=re.escape("expected tensors, whose rows are counted")):
        num_rows(batch)
