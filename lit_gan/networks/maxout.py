"""Maxout units, dense and convolutional (Goodfellow et al., Maxout Networks, 2013)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.functional.max_over_pieces import max_over_pieces
from lit_gan.networks.arguments import whole_number
from lit_gan.networks.dropout import Dropout
from lit_gan.networks.initialization import WeightInit
from lit_gan.networks.layers import ConvLayer, DenseLayer


class Maxout(DenseLayer):
    """Units that are the maximum of linear pieces: ``h_u(x) = max_p (w_pu x + b_pu)``.

    Row ``p * units + u`` of ``weight`` is piece p of unit u: with the pieces outermost the maximum runs over contiguous
    rows, the fastest layout forward and backward.

    Args:
        in_features: Columns of the input, at least 1.
        units: Columns of the output, at least 1.
        pieces: Linear pieces per unit, at least 1.
        weight_init: How the weights are drawn; a float r means U(-r, r).
        bias_init: What the biases are filled with.
        max_norm: The largest L2 norm of a piece's incoming weights, above 0, or None.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> Maxout(784, units=240, pieces=5)(torch.zeros(2, 784)).shape
        torch.Size([2, 240])
    """

    def __init__(
        self,
        in_features: int,
        units: int,
        pieces: int,
        weight_init: float | WeightInit = 0.005,
        bias_init: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        self.units = whole_number("units", units)
        self.pieces = whole_number("pieces", pieces)
        super().__init__(whole_number("in_features", in_features), pieces * units, weight_init, bias_init, max_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., in_features)`` to ``(..., units)``."""
        return max_over_pieces(super().forward(x).view(*x.shape[:-1], self.pieces, self.units), dim=-2)

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets."""
        return f"in_features={self.in_features}, units={self.units}, pieces={self.pieces}, max_norm={self.max_norm}"


class MaxoutStack(nn.Sequential):
    """Dense maxout layers, one on the other, each with dropout after it.

    Example:
        >>> import torch
        >>> stack = MaxoutStack(5, (4, 3), 2, (0.005, 0.005), (0.0, 0.0), (0.5, 0.5))
        >>> stack(torch.zeros(2, 5)).shape, stack.out_features
        (torch.Size([2, 3]), 3)
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        pieces: int,
        weight_init: Sequence[float | WeightInit],
        bias_init: Sequence[float],
        hidden_keep: Sequence[float],
        max_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.out_features = in_features
        for width, weights, bias, keep in zip(widths, weight_init, bias_init, hidden_keep, strict=True):
            self.append(Maxout(self.out_features, width, pieces, weights, bias, max_norm))
            self.append(Dropout(keep, "hidden_keep"))
            self.out_features = width


class MaxoutConv2d(ConvLayer):
    """A convolution of stride 1, the maximum over the pieces of each channel, then max pooling that rounds up.

    The biases, one per piece and channel, are shared over the positions. Pooling rounds up as the paper's code does: a
    last window that sticks out over the edge is still used.

    Args:
        in_channels: Channels of the input, at least 1.
        channels: Channels of the output, at least 1.
        pieces: Linear pieces per channel, at least 1.
        kernel_size: Height and width of the kernel, at least 1.
        padding: Zeros added on each side, at least 0.
        pool_size: Height and width of a pooling window, at least 1.
        pool_stride: Step between pooling windows, at least 1.
        weight_init: How the kernels are drawn; a float r means U(-r, r).
        bias_init: What the biases are filled with.
        max_norm: The largest L2 norm of a kernel over all input channels, above 0, or None.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> layer = MaxoutConv2d(3, channels=32, pieces=2, kernel_size=8, padding=4, pool_size=4, pool_stride=2)
        >>> layer(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 32, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        pieces: int,
        kernel_size: int,
        padding: int,
        pool_size: int,
        pool_stride: int,
        weight_init: float | WeightInit = 0.005,
        bias_init: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        self.channels = whole_number("channels", channels)
        self.pieces = whole_number("pieces", pieces)
        self.pool_size = whole_number("pool_size", pool_size)
        self.pool_stride = whole_number("pool_stride", pool_stride)
        super().__init__(
            whole_number("in_channels", in_channels),
            pieces * channels,
            whole_number("kernel_size", kernel_size),
            whole_number("padding", padding, minimum=0),
            weight_init,
            bias_init,
            max_norm,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, channels, H', W')``; ``output_size`` gives H' and W'."""
        # The maxima commute; pooling last, it meets only 1/pieces of the values.
        h = super().forward(x)
        h = max_over_pieces(h.view(h.shape[0], self.pieces, self.channels, *h.shape[2:]), dim=1)
        return F.max_pool2d(h, self.pool_size, self.pool_stride, ceil_mode=True)

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output for an input of height and width ``size``.

        Args:
            size: ``(H, W)`` of the input, in pixels.

        Raises:
            UserError: If the kernel or the pooling window does not fit.

        Example:
            >>> layer = MaxoutConv2d(32, channels=32, pieces=2, kernel_size=8, padding=3, pool_size=4, pool_stride=2)
            >>> layer.output_size((16, 16))
            (7, 7)
        """
        height, width = (self._output_length(length) for length in size)
        return height, width

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets."""
        return (
            f"in_channels={self.in_channels}, channels={self.channels}, pieces={self.pieces}, "
            f"kernel_size={self.kernel_size[0]}, padding={self.padding[0]}, pool_size={self.pool_size}, "
            f"pool_stride={self.pool_stride}, max_norm={self.max_norm}"
        )

    def _output_length(self, length: int) -> int:
        kernel, padding = self.kernel_size[0], int(self.padding[0])
        convolved = length + 2 * padding - kernel + 1
        if convolved < 1:
            raise UserError(
                f"kernel_size = {kernel} is larger than its input of {length} with padding = {padding} on each side."
            )
        windows = -(-(convolved - self.pool_size) // self.pool_stride) + 1
        if windows < 1:
            raise UserError(
                f"pool_size = {self.pool_size} with pool_stride = {self.pool_stride} is too large for the {convolved} "
                "rows or columns that the convolution leaves."
            )
        # torch drops a last window that would start outside, which needs a stride beyond the window's size.
        return windows - 1 if (windows - 1) * self.pool_stride >= convolved else windows
