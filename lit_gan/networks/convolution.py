r"""Convolutions whose derivatives are convolutions, of any order: what a penalty on D's slope differentiates.

Torch differentiates the backward pass of a convolution by transposing and slicing its tensors, group by group, which on
a CPU takes up to four times as long as what it is the derivative of. Yet

.. math:: T(g, x, w) = \langle g, x * w \rangle

is linear in each of the three: its derivative in g is the convolution, in x and in w what the kernels of an ordinary
backward pass compute, and the derivatives of these are the three again.

A kernel of 1 x 1 over maps whose channels are innermost is a matrix product, and is computed as one: on small maps that
takes half of the time of torch's kernel.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from lit_gan.functional.torch_seam import is_wanted
from lit_gan.networks.initialization import WeightInit


class Geometry(NamedTuple):
    """How a kernel moves over its input."""

    stride: int = 1
    padding: int = 0
    groups: int = 1


class _Convolution(Function):
    """x * w, the derivative of T in g."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return _convolved(x, weight, bias, geometry)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        of_x, of_weight, *others = _wanted(ctx)
        of_bias = gradient.sum((0, 2, 3)) if any(others) else None
        if not torch.is_grad_enabled():  # the last derivative: both by one kernel
            return *_backward(gradient, x, weight, ctx.geometry, (of_x, of_weight)), of_bias, None
        return (
            _InputGradient.apply(gradient, weight, x.detach(), ctx.geometry) if of_x else None,
            _WeightGradient.apply(gradient, x, weight.detach(), ctx.geometry) if of_weight else None,
            of_bias,
            None,
        )


class _InputGradient(Function):
    """The derivative of T in x, which is a pattern for the shape alone."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        of_x: Tensor = _backward(gradient, x, weight, geometry, (True, False))[0]
        return of_x

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> Any:
        gradient, weight = ctx.saved_tensors
        of_gradient, of_weight = _wanted(ctx)[:2]
        return (
            _Convolution.apply(along, weight, None, ctx.geometry) if of_gradient else None,
            _WeightGradient.apply(gradient, along, weight.detach(), ctx.geometry) if of_weight else None,
            None,
            None,
        )


class _WeightGradient(Function):
    """The derivative of T in w, which is a pattern for the shape alone."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(gradient, x)
        ctx.geometry = geometry
        of_weight: Tensor = _backward(gradient, x, weight, geometry, (False, True))[1]
        return of_weight

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> Any:
        gradient, x = ctx.saved_tensors
        of_gradient, of_x = _wanted(ctx)[:2]
        return (
            _Convolution.apply(x, along, None, ctx.geometry) if of_gradient else None,
            _InputGradient.apply(gradient, along, x.detach(), ctx.geometry) if of_x else None,
            None,
            None,
        )


def _wanted(ctx: Any) -> list[bool]:
    """Which of the derivatives the backward pass that runs now goes on from: D's slope asks for no weight's."""
    return [is_wanted(node) for node, _ in ctx.next_functions]


def _is_product(x: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Whether each place of the output is a matrix times the channels of one place of the input, side by side."""
    plain = geometry == Geometry() and weight.shape[2:] == (1, 1) and x.device.type == "cpu"
    return plain and x.is_contiguous(memory_format=torch.channels_last)


def _rows(maps: Tensor) -> Tensor:
    """The channels of each place as a row of a matrix, in the maps' own memory."""
    return maps.permute(0, 2, 3, 1).view(-1, maps.shape[1])


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """X * w, and the bias added."""
    if not _is_product(x, weight, geometry):
        return F.conv2d(x, weight, bias, geometry.stride, geometry.padding, 1, geometry.groups)
    shape = (x.shape[0], weight.shape[0], *x.shape[2:])
    # Into maps that are no view of another tensor: an activation function may act on them in place.
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    matrix = weight.flatten(1).t()
    if bias is None:
        torch.mm(_rows(x), matrix, out=_rows(out))
    else:
        torch.addmm(bias, _rows(x), matrix, out=_rows(out))
    return out


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool]
) -> tuple[Any, Any]:
    """The derivatives in x and in the weight by torch's kernels; of what is not wanted, None."""
    if x.is_contiguous(memory_format=torch.channels_last):  # a gradient that is an expanded sum, say, is in no order
        gradient = gradient.contiguous(memory_format=torch.channels_last)
    if _is_product(x, weight, geometry):
        of_x = _convolved(gradient, weight.transpose(0, 1), None, geometry) if wanted[0] else None
        return of_x, (_rows(gradient).t() @ _rows(x)).view_as(weight) if wanted[1] else None
    stride, padding = [geometry.stride] * 2, [geometry.padding] * 2
    of_x, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], geometry.groups, [*wanted, False]
    )
    return of_x, of_weight


def convolve(x: Tensor, weight: Tensor, geometry: Geometry, bias: Tensor | None = None) -> Tensor:
    """``F.conv2d``; on a CPU its derivatives are convolutions, where one may be asked for."""
    differentiated = torch.is_grad_enabled() and x.requires_grad
    learned = torch.is_grad_enabled() and not x.requires_grad  # its weights alone: nobody asks for a second derivative
    if x.device.type != "cpu" or learned or torch.compiler.is_compiling():
        return F.conv2d(x, weight, bias, geometry.stride, geometry.padding, 1, geometry.groups)
    operands = lowered(x), lowered(weight), None if bias is None else lowered(bias)
    if not differentiated:
        return _convolved(*operands, geometry)
    convolved: Tensor = _Convolution.apply(*operands, geometry)
    return convolved


def lowered(x: Tensor) -> Tensor:
    """What autocast makes of an operand of a convolution."""
    device = x.device.type
    if not torch.is_autocast_enabled(device) or x.dtype == torch.float64:
        return x
    return x.to(torch.get_autocast_dtype(device))


class Convolution(nn.Conv2d):
    """A convolution of torch's that a penalty can be differentiated through, drawn by the package's initialisers.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        weight_init: How the kernels are drawn.
        stride: Step of the kernel in the input.
        padding: Zeros added on each side; half of the kernel, if ``None``, so that a stride of 1 keeps the side.
        groups: Groups of channels that do not see each other.
        bias: Whether there is one per channel, 0 at first.

    Example:
        >>> from lit_gan.networks.initialization import NormalWeights
        >>> layer = Convolution(3, 8, 3, NormalWeights(0.02))
        >>> layer(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        weight_init: WeightInit,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        self.weight_init = weight_init  # before torch's constructor, which ends by calling reset_parameters
        self.geometry = Geometry(stride, kernel_size // 2 if padding is None else padding, groups)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, self.geometry.padding, groups=groups, bias=bias
        )

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.weight_init(self.weight)
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``; a layer without a bias takes another's."""
        return convolve(x, self.weight, self.geometry, self.bias if bias is None else bias)
