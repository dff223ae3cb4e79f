"""Batch normalisation of maps whose scale and shift depend on the condition."""

import torch
from torch import Tensor, nn

from lit_gan.networks.initialization import NormalWeights
from lit_gan.networks.layers import DenseLayer


class ConditionalBatchNorm(nn.Module):
    r"""Batch normalisation, then a scale and a shift for each channel that are linear in the condition.

    .. math:: (1 + \Gamma c) \, \frac{x - \mu}{\sigma} + B c

    :math:`\Gamma` and :math:`B` are 0 at first, which makes it the plain one. Without a condition it is that for good,
    with torch's learned scale and shift.

    Args:
        channels: Channels of the maps.
        condition_size: Columns of the condition; 0 for none.

    Example:
        >>> maps = torch.rand(4, 3, 2, 2)
        >>> ConditionalBatchNorm(3, 10)(maps, torch.eye(10)[:4]).mean((0, 2, 3)).abs().max() < 1e-6
        tensor(True)

    Reference:
        Dumoulin et al. 2017, *A Learned Representation For Artistic Style*; Miyato and Koyama 2018, *cGANs with
        Projection Discriminator*, section 4.
    """

    has_no_spectrum = True  # of a matrix of zeros there is no largest singular value to divide by

    def __init__(self, channels: int, condition_size: int = 0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=condition_size == 0)
        self.embedding: DenseLayer | None = None
        if condition_size:
            self.embedding = DenseLayer(condition_size, 2 * channels, NormalWeights(0.0), bias_init=None)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Map ``(N, C, H, W)`` under conditions ``(N, condition_size)`` to the same shape."""
        normalised: Tensor = self.norm(x)
        if self.embedding is None or condition is None:
            return normalised
        scale, shift = self.embedding(condition).to(x.dtype)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(normalised + shift, normalised, scale)
