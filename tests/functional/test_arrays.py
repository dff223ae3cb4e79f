"""Arrays become tensors at the door: of the same values, and of the same memory where that can be."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.functional.arrays import as_tensor

_ROWS = np.arange(12).reshape(3, 4)


def read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.setflags(write=False)
    return array


def test_a_tensor_is_itself() -> None:
    tensor = torch.rand(2, requires_grad=True)
    assert as_tensor("x", tensor) is tensor


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64", "bool", "uint16", "complex64"])
def test_an_array_keeps_its_type_and_its_memory(dtype: str) -> None:
    array = _ROWS.astype(dtype)
    tensor = as_tensor("x", array)
    assert str(tensor.dtype).removeprefix("torch.") == dtype
    assert tensor.data_ptr() == array.ctypes.data
    np.testing.assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize(
    "array",
    [
        read_only(_ROWS.astype(np.float32)),
        _ROWS.astype(">f4"),
        _ROWS.astype(">i2"),
        _ROWS[::-1, ::-1],
        _ROWS[::-1],
        _ROWS.T,
        np.asfortranarray(_ROWS),
        _ROWS[:, ::2],
        np.float64(3.0),
        np.empty((0, 4)),
    ],
    ids=[
        "read only",
        "big-endian",
        "big-endian whole",
        "turned over",
        "rows turned over",
        "transposed",
        "columns",
        "steps",
        "one",
        "none",
    ],
)
def test_arrays_of_any_layout_keep_their_values(array: np.ndarray[Any, Any]) -> None:
    np.testing.assert_array_equal(as_tensor("x", array).numpy(), array)


def test_what_is_repeated_without_a_copy_stays_so_and_bytes_may_be_turned_over() -> None:
    repeated = np.broadcast_to(np.float64(1.5), (3,))
    assert as_tensor("x", repeated).data_ptr() == repeated.ctypes.data
    assert as_tensor("x", np.arange(3, dtype=np.uint8)[::-1]).tolist() == [2, 1, 0]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_tensors_that_require_a_gradient_is_read(kind: type) -> None:
    values = kind([torch.tensor([1.5], requires_grad=True), [2.5]])
    assert as_tensor("x", values).tolist() == [[1.5], [2.5]]


def test_lists_and_what_has_an_array_inside_are_taken() -> None:
    class Frame:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
            return np.array([[1.5]])

    expected = torch.tensor([[1.5]], dtype=torch.float64)
    for values in ([[1.5]], ([1.5],), Frame(), [np.array([1.5])], [torch.tensor([1.5], dtype=torch.float64)]):
        assert torch.equal(as_tensor("x", values), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([["a"]]), "x is an array of <U1: expected a tensor, an array or a list of numbers."),
        (np.array([[None]]), "x is an array of object: expected a tensor"),
        (np.array(["2024-01-01"], "datetime64[D]"), "x is an array of datetime64[D]: expected a tensor"),
        ([[1.0], [1.0, 2.0]], "x is no array (setting an array element"),
        ("samples.npy", "x is an array of <U11: expected a tensor"),
        (None, "x is an array of object: expected a tensor"),
        (np.ones(2, np.longdouble), "which torch does not have: expected a tensor"),
    ],
)
def test_what_is_no_number_is_told_in_one_line(values: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as told:
        as_tensor("x", values)
    assert "\n" not in str(told.value)
