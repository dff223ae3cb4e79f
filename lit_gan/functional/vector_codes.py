"""Coarse codes of vectors, whose products are cheap and whose errors are known."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lit_gan.functional.matmul import int8_matmul, int8_matmul_is_exact

_ENCODE_ROWS = 256
_ENCODE_VALUES = 2**20  # float64 copies of long rows take memory
# Norms and products are at most 128^2 D; |m|^2 - 2 x.m and a threshold have to fit into int32 together.
_INT8_LIMIT = 2**30
_INT8_MAX_DEPTH = _INT8_LIMIT // (3 * 128**2) - 16


class Code(NamedTuple):
    """Coded rows (N, K), and in float64 and units of the step their squared norms and residuals (N,)."""

    values: Tensor
    norms: Tensor
    residuals: Tensor


class Coder(Protocol):
    """A way to code rows so that products of codes are cheap and their error is known."""

    step: float
    product_dtype: torch.dtype

    def encode(self, x: Tensor, members: Tensor | None = None) -> Code:
        """Codes ``(N, D)`` rows, or those of them that are ``members``."""

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """Writes ``left @ right.T`` to ``out``."""

    def product_error(self, left: Code, right: Code) -> Tensor:
        """``(N,)`` bound on the error of ``|m^|^2 - 2 x^.m^`` for a row of ``left`` and any of ``right``."""

    def ceil(self, values: Tensor) -> Tensor:
        """Rounds float64 up to the type of products."""


class Int8Coder:
    """255 steps from ``low`` to ``high``: from 0 to 1, images that were bytes lie on the grid."""

    product_dtype = torch.int32

    def __init__(self, low: float, high: float, depth: int) -> None:
        self._low = low
        self.step = max((high - low) / 255.0, 1e-20)
        # The codes and residuals are formed in float32; eight roundings per element are more than there are.
        unit = torch.finfo(torch.float32).eps * max(abs(low), abs(high), high - low)
        self._slack = 8 * unit * depth**0.5 / self.step

    def encode(self, x: Tensor, members: Tensor | None = None) -> Code:
        """Codes ``(N, D)`` rows or members; what lies off the grid is clamped, and has a large residual."""
        num, depth = x.shape[0] if members is None else members.numel(), -(-x.shape[1] // 16) * 16
        values = torch.zeros(num, depth, dtype=torch.int8, device=x.device)
        norms = torch.empty(num, dtype=torch.float64, device=x.device)
        residuals = torch.empty_like(norms)
        for rows in tiles(num, x.shape[1]):
            exact = select(x, members, rows).to(torch.float32).sub(self._low).div_(self.step).sub_(128)
            coded = exact.round().clamp_(-128, 127)
            values[rows, : x.shape[1]] = coded
            norms[rows] = coded.square().sum(1, dtype=torch.float64)
            residuals[rows] = torch.linalg.vector_norm(exact.sub_(coded), dim=1)
        summation = 1 + x.shape[1] * torch.finfo(torch.float32).eps
        return Code(values, norms, residuals.mul_(summation).add_(self._slack))

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """Writes ``left @ right.T`` to ``out``."""
        int8_matmul(left, right, out)

    def product_error(self, left: Code, right: Code) -> Tensor:
        """Integers: none."""
        return torch.zeros_like(left.norms)

    def ceil(self, values: Tensor) -> Tensor:
        """Rounds up; no coded distance lies beyond the limits."""
        return values.clamp(-_INT8_LIMIT, _INT8_LIMIT).ceil().to(torch.int32)


class Float32Coder:
    """Differences to an origin in float32; products have the classical bound, for any order of summation."""

    product_dtype = torch.float32
    step = 1.0

    def __init__(self, origin: Tensor) -> None:
        self._origin = origin.double()

    def encode(self, x: Tensor, members: Tensor | None = None) -> Code:
        """Codes ``(N, D)`` rows or members."""
        num = x.shape[0] if members is None else members.numel()
        values = torch.empty(num, x.shape[1], dtype=torch.float32, device=x.device)
        norms = torch.empty(num, dtype=torch.float64, device=x.device)
        for rows in tiles(num, x.shape[1]):
            values[rows] = select(x, members, rows).double() - self._origin
            norms[rows] = values[rows].double().square_().sum(1)
        return Code(values, norms, norms.sqrt() * torch.finfo(torch.float32).eps)

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """Writes ``left @ right.T`` to ``out``."""
        torch.mm(left, right.T, out=out)

    def product_error(self, left: Code, right: Code) -> Tensor:
        """``2 K eps |x^| max |m^|``, twice the bound of Higham (2002), section 3.1, and what else rounds.

        That is underflow, and the handful of further operations in float32.
        """
        depth, limits = left.values.shape[1], torch.finfo(torch.float32)
        greatest = right.norms.max()
        products = 2 * depth * (limits.eps * greatest.sqrt() * left.norms.sqrt() + limits.tiny)
        return products + 8 * limits.eps * (left.norms + greatest)

    def ceil(self, values: Tensor) -> Tensor:
        """Rounds up, with room for a further float32 operation."""
        return (values + values.abs() * (4 * torch.finfo(torch.float32).eps)).float()


def tiles(num: int, depth: int) -> Iterator[slice]:
    """Parts of rows whose copies in float64 take little memory."""
    size = max(1, min(_ENCODE_ROWS, _ENCODE_VALUES // max(depth, 1)))
    return (slice(start, start + size) for start in range(0, num, size))


def select(x: Tensor, members: Tensor | None, part: slice) -> Tensor:
    """A part of the rows, or of those that are members."""
    return x[part] if members is None else x.index_select(0, members[part])


def coder_for(centres: Tensor, low: float, high: float) -> Coder:
    """The cheapest coder that is exact on this device; rows beyond ``low`` and ``high`` are right too, only slow."""
    depth = centres.shape[1]
    if depth <= _INT8_MAX_DEPTH and int8_matmul_is_exact(centres.device.type):
        return Int8Coder(low, high, depth)
    # The middle of the range, and not the mean: its bits do not depend on the order of the centres.
    return Float32Coder((centres.amin(0).double() + centres.amax(0).double()) / 2)
