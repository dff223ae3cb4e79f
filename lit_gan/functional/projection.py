r"""Codes of a few numbers whose distances are never greater than the true ones: projections on principal axes.

With orthonormal axes V, :math:`|V^\top x - V^\top m| \le |x - m|`. For images the two are close: of 784 axes of MNIST,
96 hold more than nine tenths of the variance.
"""

import torch
from torch import Tensor

from lit_gan.functional.vector_codes import Code, Float32Coder, select, tiles

_SWEEPS = 2
_SPARE = 8  # axes beyond those that are asked for make the last of them converge


def principal_axes(sample: Tensor, most: int, rest: float) -> Tensor | None:
    """The first principal axes of a sample, as many as leave no more than a part of its variance.

    By subspace iteration from rows of the sample: nothing is drawn at random. Axes that are not quite the principal
    ones do as well, for their projections shorten distances too.

    Args:
        sample: ``(N, D)``, in an order that is not by content.
        most: At most so many axes, in steps of 16.
        rest: The part of the variance that they may leave.

    Returns:
        ``(D, K)`` float32, orthonormal but for rounding; None where ``most`` leave more.

    Example:
        >>> line = torch.arange(40.0)[:, None].expand(-1, 32)
        >>> principal_axes(line, 16, 0.08).shape
        torch.Size([32, 16])
    """
    centred = sample.double() - sample.double().mean(0)
    centred = centred.div_(centred.abs().max().clamp_min(torch.finfo(torch.float32).tiny)).float()  # squares fit
    most -= most % 16
    if most == 0 or min(centred.shape) < most + _SPARE:
        return None
    basis = centred[: most + _SPARE].T
    for _ in range(_SWEEPS):
        basis = centred.T @ (centred @ torch.linalg.qr(basis).Q)
    basis = torch.linalg.qr(basis).Q
    along = centred @ basis
    variances, vectors = torch.linalg.eigh((along.T @ along).double())
    total = float(centred.square_().sum(dtype=torch.float64))
    enough = (total - variances.flip(0).cumsum(0)[15:most:16] <= rest * total).nonzero()
    if not enough.numel():
        return None
    axes: Tensor = basis @ vectors.flip(1)[:, : 16 * (int(enough[0]) + 1)].float()
    return axes


class ProjectionCoder(Float32Coder):
    """Coordinates along axes, in float32: distances of codes bound the true ones from below.

    Args:
        axes: ``(D, K)`` float32, orthonormal but for rounding.
    """

    def __init__(self, axes: Tensor) -> None:
        super().__init__(axes.new_zeros(axes.shape[0]))
        self.axes = axes
        depth, num_axes = axes.shape
        gram = axes.double().T @ axes.double()
        gram.diagonal().sub_(1.0)
        limits = torch.finfo(torch.float32)
        # Of |x|: the axes' own defect, and the classical bound of products in any order of summation, doubled.
        self._error = float(torch.linalg.matrix_norm(gram)) + (depth + 8) * num_axes**0.5 * limits.eps
        self._underflow = (depth * limits.tiny) ** 0.5  # of a length

    def encode(self, x: Tensor, members: Tensor | None = None) -> Code:
        """Codes ``(N, D)`` rows or members."""
        num = x.shape[0] if members is None else members.numel()
        values = torch.empty(num, self.axes.shape[1], dtype=torch.float32, device=x.device)
        lengths = torch.empty(num, dtype=torch.float32, device=x.device)
        for rows in tiles(num, x.shape[1]):
            part = select(x, members, rows).float()
            torch.mm(part, self.axes, out=values[rows])
            torch.linalg.vector_norm(part, dim=1, out=lengths[rows])
        residuals = lengths.double().add_(self._underflow).mul_(self._error)
        return Code(values, values.double().square_().sum(1), residuals)

    def lengths(self, code: Code) -> Tensor:
        """``(N,)`` float64: the lengths of the rows themselves, as float32 has them."""
        return code.residuals.div(self._error).sub_(self._underflow)
