"""Maps of twice or half the side, by the smooth kernel [1, 3, 3, 1] along each of the two."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.networks.convolution import Geometry, convolve

_TAPS = 4


def _in_32_bits(resample: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Of maps in 16 bits, which they stay: there torch's kernel for single channels takes 50 times as long on a CPU."""
    if x.device.type != "cpu" or x.dtype not in {torch.bfloat16, torch.float16}:
        return resample(x)
    with torch.autocast("cpu", enabled=False):
        return resample(x.float()).to(x.dtype)


class _Resampling(nn.Module):
    kernel: Tensor

    def __init__(self, total: float) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", total * torch.outer(taps, taps) / taps.sum() ** 2, persistent=False)

    def for_each_channel_of(self, x: Tensor) -> Tensor:
        """One kernel for each channel, of the type of the maps."""
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, _TAPS, _TAPS)


class Upsampling(_Resampling):
    """Each side doubled: a transposed convolution whose kernel sums to 4, as each input has four outputs.

    Example:
        >>> Upsampling()(torch.ones(1, 1, 3, 3))[0, 0, 1:5, 1:5].unique()
        tensor([1.])

    Reference:
        Huang et al. 2024, *The GAN is dead; long live the GAN! A Modern GAN Baseline* (R3GAN), section 4, in the
        authors' code: zeros are outside of the maps.
    """

    def __init__(self) -> None:
        super().__init__(total=4.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, S, S)`` to ``(N, C, 2 S, 2 S)``."""
        return _in_32_bits(
            lambda maps: F.conv_transpose2d(
                maps, self.for_each_channel_of(maps), stride=2, padding=1, groups=maps.shape[1]
            ),
            x,
        )


class Downsampling(_Resampling):
    """Each side halved, by a kernel that sums to 1: the transpose of :class:`Upsampling`, but for a factor of 4.

    Example:
        >>> Downsampling()(torch.ones(1, 1, 8, 8))[0, 0, 1:3, 1:3].unique()
        tensor([1.])
    """

    def __init__(self) -> None:
        super().__init__(total=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, 2 S, 2 S)`` to ``(N, C, S, S)``."""
        geometry = Geometry(stride=2, padding=1, groups=x.shape[1])
        return _in_32_bits(lambda maps: convolve(maps, self.for_each_channel_of(maps), geometry), x)
