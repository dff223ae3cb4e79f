"""The residual networks of SNGAN: batch normalisation in the generator, spectral normalisation in the discriminator."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import activation, output_range
from lit_gan.networks.arguments import whole_number, whole_numbers
from lit_gan.networks.conditional_batch_norm import ConditionalBatchNorm
from lit_gan.networks.conditioning import condition_columns
from lit_gan.networks.convolution import Convolution, lowered
from lit_gan.networks.generator import Generator
from lit_gan.networks.initialization import XavierWeights
from lit_gan.networks.layers import DenseLayer
from lit_gan.networks.projection import ProjectionDiscriminator
from lit_gan.networks.pyramid import pyramid, side_of
from lit_gan.networks.spectral_norm import normalize_spectra

_PLAIN = XavierWeights()
_BEFORE_RELU = XavierWeights(math.sqrt(2))


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode="nearest")


class _UpBlock(nn.Module):
    """Maps of twice the side; what is passed by is a convolution of 1 x 1, which commutes with the doubling."""

    def __init__(self, before: int, after: int, condition_size: int) -> None:
        super().__init__()
        self.first_norm = ConditionalBatchNorm(before, condition_size)
        self.first = Convolution(before, after, 3, _BEFORE_RELU, bias=True)
        self.second_norm = ConditionalBatchNorm(after, condition_size)
        self.second = Convolution(after, after, 3, _BEFORE_RELU, bias=True)
        self.skip = Convolution(before, after, 1, _PLAIN, bias=True)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        maps = self.first(_doubled(F.relu(self.first_norm(x, condition))))
        maps = self.second(F.relu(self.second_norm(maps, condition)))
        total: Tensor = maps + _doubled(self.skip(x))
        return total


class _DownBlock(nn.Module):
    """Maps of half the side, or of the same; the first block of a network does not cut the image off at 0."""

    def __init__(self, before: int, after: int, *, halves: bool, first: bool) -> None:
        super().__init__()
        between = after if first else before
        self.halves, self.is_first = halves, first
        self.first = Convolution(before, between, 3, _BEFORE_RELU, bias=True)
        self.second = Convolution(between, after, 3, _BEFORE_RELU, bias=True)
        self.skip = Convolution(before, after, 1, _PLAIN, bias=True) if halves or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.second(F.relu(self.first(x if self.is_first else F.relu(x))))
        if self.halves:  # the mean commutes with the convolution of 1 x 1
            maps, x = F.avg_pool2d(maps, 2), F.avg_pool2d(x, 2)
        total: Tensor = maps + self.skip(x)
        return total


class ResNetGenerator(Generator):
    """The generator of SNGAN: residual blocks that double the side, with (conditional) batch normalisation.

    Published for 64 x 64 pixels: the defaults, maps of 1024, 512, 256, 128 and 64 channels. For 32 x 32 pixels:
    ``widths=[256, 256, 256, 256]``.

    Args:
        image_shape: ``(C, S, S)`` of the images; S is 4 to 7 times a power of two, unless ``widths`` is a list.
        latent_size: Columns of the latents, at least 1.
        widths: Channels of the largest maps, doubled at each halving; or a list, from the smallest maps on: one more
            than there are blocks.
        max_width: Where the doubling ends.
        output_activation: Activation function of the output.
        condition_size: Columns of the condition that scales and shifts the normalised maps; 0 for none.
        spectral_norm: Whether the matrix of each layer is kept at a largest singular value of 1, but for those of the
            conditional normalisation.

    Raises:
        UserError: If an argument is out of its range, or if they do not lead to ``image_shape``.

    Example:
        >>> generator = ResNetGenerator((3, 32, 32), latent_size=8, widths=16)
        >>> generator(torch.zeros(2, 8)).shape
        torch.Size([2, 3, 32, 32])

    Reference:
        Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, appendix B.4; conditions as in
        Miyato and Koyama 2018, *cGANs with Projection Discriminator*.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int = 128,
        widths: int | Sequence[int] = 64,
        max_width: int = 1024,
        output_activation: str = "tanh",
        condition_size: int = 0,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_range(output_activation))
        base, channels = pyramid(side_of(self.image_shape), widths, max_width, further=1)
        self.base_shape = channels[0], base, base
        self.linear = DenseLayer(self.latent_size, math.prod(self.base_shape), _PLAIN)
        self.blocks = nn.ModuleList(_UpBlock(*each, self.condition_size) for each in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.output = Convolution(channels[-1], self.image_shape[0], 3, _PLAIN, bias=True)
        self.output_activation = activation("output_activation", output_activation)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectra(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, S, S)``; see :class:`Generator`."""
        self.check_latents(z)
        columns = condition_columns(z.shape[0], condition, self.condition_size)
        columns = None if columns is None else columns.to(z.dtype)
        maps = lowered(self.linear(z)).view(-1, *self.base_shape).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            maps = block(maps, columns)
        images: Tensor = self.output_activation(self.output(F.relu(self.norm(maps))).to(z.dtype))
        return images


class ResNetDiscriminator(ProjectionDiscriminator):
    """The discriminator of SNGAN: residual blocks that halve the side, then a sum over all places.

    Published for 64 x 64 pixels: the defaults, blocks of 64, 128, 256, 512 and 1024 channels that all halve the side.
    For 32 x 32 pixels: ``widths=[128, 128, 128, 128]`` with ``halvings=2``.

    Args:
        image_shape: ``(C, S, S)`` of the images; S is 4 to 7 times a power of two, unless ``widths`` is a list.
        widths: Channels of the first block, doubled at each further one; or a list, from the last block to the first,
            which is from the smallest maps on.
        max_width: Where the doubling ends.
        halvings: How many blocks, from the first on, halve the side; all where it is even, if null.
        condition_size: Columns of the condition, whose linear embedding's inner product with the features is added to
            the logit (projection); 0 for none.
        spectral_norm: Whether the matrix of each layer is kept at a largest singular value of 1.

    Raises:
        UserError: If an argument is out of its range, or if they do not lead from ``image_shape``.

    Example:
        >>> discriminator = ResNetDiscriminator((3, 32, 32), widths=16)
        >>> images = torch.zeros(2, 3, 32, 32)
        >>> discriminator(images).shape, discriminator.features(images).shape
        (torch.Size([2, 1]), torch.Size([2, 128]))

    Reference:
        Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, appendix B.4; conditions as in
        Miyato and Koyama 2018, *cGANs with Projection Discriminator*.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: int | Sequence[int] = 64,
        max_width: int = 1024,
        halvings: int | None = None,
        condition_size: int = 0,
        spectral_norm: bool = True,
    ) -> None:
        super().__init__(image_shape, condition_size)
        side = side_of(self.image_shape)
        if isinstance(widths, int):
            widths = pyramid(side, widths, max_width, further=1).widths
        channels = (self.image_shape[0], *whole_numbers("widths", widths)[::-1])
        halved = _halved(side, len(channels) - 1, halvings)
        self.blocks = nn.ModuleList(
            _DownBlock(*each, halves=i < halved, first=i == 0) for i, each in enumerate(pairwise(channels))
        )
        self.end_in(channels[-1], _PLAIN, bias=True)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectra(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The sums of the last block's positive parts over all places, ``(N, F)``; see :class:`Discriminator`."""
        self.check_images(x)
        maps = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            maps = block(maps)
        return F.relu(maps).to(x.dtype).sum((2, 3))


def _halved(side: int, blocks: int, halvings: int | None) -> int:
    """How many blocks halve the side."""
    most = min(blocks, (side & -side).bit_length() - 1)  # how often 2 divides the side
    if halvings is None:
        return most
    if whole_number("halvings", halvings, minimum=0) > most:
        raise UserError(
            f"halvings = {halvings}: expected at most {most}, for there are {blocks} blocks, and a side of {side}."
        )
    return halvings
