"""What users hand to the functions and metrics: tensors, NumPy arrays, or lists of numbers; and how wide they are."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lit_gan.errors import UserError

Values = Tensor | ArrayLike
"""A tensor, an array, anything that NumPy takes for an array, or nested lists of numbers."""

_EXPECTED = "expected a tensor, an array or a list of numbers"


def widest_float(device: torch.device) -> torch.dtype:
    """float64, but on Apple's MPS devices, which have none.

    Example:
        >>> widest_float(torch.device("cuda")), widest_float(torch.device("mps"))
        (torch.float64, torch.float32)
    """
    return torch.float32 if device.type == "mps" else torch.float64


def as_tensor(name: str, values: Values) -> Tensor:
    """The values as a tensor to read, not to write: it shares the memory of a NumPy array where torch can.

    Example:
        >>> as_tensor("x", np.array([[0.5, 1.0]]))
        tensor([[0.5000, 1.0000]], dtype=torch.float64)
    """
    if isinstance(values, Tensor):
        return values
    array = _as_array(name, values)
    if array.dtype.kind not in "fiubc":
        raise UserError(f"{name} is an array of {array.dtype}: {_EXPECTED}.")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):  # turned over, as by [::-1]
        array = np.ascontiguousarray(array)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(array)
    except TypeError as error:
        raise UserError(f"{name} is an array of {array.dtype}, which torch does not have: {_EXPECTED}.") from error


def _as_array(name: str, values: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if isinstance(values, list | tuple) and any(isinstance(value, Tensor) for value in values):
        values = [value.detach().cpu().numpy() if isinstance(value, Tensor) else value for value in values]
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:  # rows of different lengths
        reason = " ".join(str(error).split())
        raise UserError(f"{name} is no array ({reason}): {_EXPECTED}.") from error
