"""The networks of R3GAN: residual blocks of grouped convolutions, without any normalisation."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import activation, output_range
from lit_gan.networks.arguments import per_layer, whole_number, whole_numbers
from lit_gan.networks.conditioning import condition_columns
from lit_gan.networks.convolution import Convolution, lowered
from lit_gan.networks.discriminator import Discriminator
from lit_gan.networks.generator import Generator
from lit_gan.networks.initialization import KaimingWeights, NormalWeights
from lit_gan.networks.layers import DenseLayer
from lit_gan.networks.pyramid import pyramid, side_of
from lit_gan.networks.resampling import Downsampling, Upsampling
from lit_gan.networks.spectral_norm import normalize_spectra

_SLOPE = 0.2
_PLAIN = KaimingWeights(negative_slope=1.0)  # N(0, 1 / inputs)


class _Activation(nn.Module):
    """A bias, 0 at first, then a leaky ReLU: the only biases of these networks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, convolution: Convolution, x: Tensor) -> Tensor:
        """Of what the convolution makes, in place: maps are large, and nobody else sees these."""
        return F.leaky_relu_(convolution(x, self.bias), _SLOPE)


class _Block(nn.Module):
    """x + W3 a(W2 a(W1 x)); W3 = 0 at first, so that a network of any depth begins as a linear one."""

    def __init__(self, width: int, inner: int, groups: int, fixup: float, *, zero: bool) -> None:
        super().__init__()
        gain = math.sqrt(2 / (1 + _SLOPE**2)) * fixup
        self.reduce = Convolution(width, inner, 1, NormalWeights(gain / math.sqrt(width)))
        self.first = _Activation(inner)
        self.mix = Convolution(inner, inner, 3, NormalWeights(gain / math.sqrt(9 * inner // groups)), groups=groups)
        self.second = _Activation(inner)
        self.expand = Convolution(inner, width, 1, NormalWeights(0.0) if zero else _PLAIN)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.expand(self.second(self.mix, self.first(self.reduce, x)))
        return x + branch


def _stages(
    widths: Sequence[int], blocks: int | Sequence[int], expansion: int, group_width: int, *, zero: bool
) -> nn.ModuleList:
    """The blocks at each size of the maps, from the smallest on."""
    counts = whole_numbers("blocks", per_layer("blocks", blocks, len(widths), "the sizes of the maps"), minimum=0)
    expansion, group_width = whole_number("expansion", expansion), whole_number("group_width", group_width)
    fixup = max(sum(counts), 1) ** -0.25
    stages = nn.ModuleList()
    for width, count in zip(widths, counts, strict=True):
        inner = width * expansion
        if inner % group_width:
            raise UserError(
                f"group_width = {group_width} does not divide the {width} x {expansion} = {inner} channels within a "
                "block (widths x expansion): expected a divisor for each of the widths."
            )
        each = (_Block(width, inner, inner // group_width, fixup, zero=zero) for _ in range(count))
        stages.append(nn.Sequential(*each))
    return stages


def _change_of_width(before: int, after: int) -> list[nn.Module]:
    return [] if before == after else [Convolution(before, after, 1, _PLAIN)]


def _patches(image_shape: tuple[int, int, int], patch_size: int) -> tuple[int, int]:
    """The side of the maps in place of the image's, and the channels that a place of them stands for."""
    side, patch = side_of(image_shape), whole_number("patch_size", patch_size)
    if side % patch:
        raise UserError(f"patch_size = {patch} does not divide the side of image_shape = {image_shape}: {side}.")
    return side // patch, image_shape[0] * patch**2


class R3GANGenerator(Generator):
    """The generator of R3GAN: a learned pattern of 4 x 4, weighted by the latents, then residual blocks at each size.

    The published networks have 384 channels at 64 x 64 and 768 below (FFHQ, the defaults), ``widths=96`` at 256 x 256,
    and ``widths=768`` at 32 x 32 (CIFAR-10), for latents from N(0, 1).

    Args:
        image_shape: ``(C, S, S)`` of the images; S is 4 to 7 times a power of two, unless ``widths`` is a list.
        latent_size: Columns of the latents, at least 1.
        widths: Channels of the largest maps, doubled at each halving; or a list, from the smallest maps on.
        max_width: Where the doubling ends.
        blocks: Residual blocks at each size of the maps; one number for all, or a list, from the smallest maps on.
        expansion: How many times as many channels the middle of a block has.
        group_width: Channels of a group of the 3 x 3 convolutions.
        patch_size: Above 1, the largest maps have a side of S / patch_size, and each of their places makes a patch of
            so many pixels each way, which is much cheaper: :class:`torch.nn.PixelShuffle`.
        output_activation: Activation function of the output; the published one has none. One that ends where the
            data do, ``tanh`` for [-1, 1], serves pictures with flat areas of white or black.
        condition_size: Columns of the condition, whose linear embedding is appended to z; 0 for none.
        spectral_norm: Whether the matrix of each layer is kept at a largest singular value of 1. The last one of a
            block is then drawn as the others, instead of being 0.

    Raises:
        UserError: If an argument is out of its range, or if they do not lead to ``image_shape``.

    Example:
        >>> generator = R3GANGenerator((3, 32, 32), latent_size=8, widths=16, blocks=1)
        >>> generator(torch.zeros(2, 8)).shape
        torch.Size([2, 3, 32, 32])

    Reference:
        Huang et al. 2024, *The GAN is dead; long live the GAN! A Modern GAN Baseline*, section 4, and its code.
    """

    embedding: DenseLayer | None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int = 64,
        widths: int | Sequence[int] = 384,
        max_width: int = 768,
        blocks: int | Sequence[int] = 2,
        expansion: int = 2,
        group_width: int = 16,
        patch_size: int = 1,
        output_activation: str = "linear",
        condition_size: int = 0,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_range(output_activation))
        side, channels = _patches(self.image_shape, patch_size)
        base, channels_at = pyramid(side, widths, max_width, further=1)
        size, inputs = self.latent_size, self.latent_size * (2 if self.condition_size else 1)
        self.embedding = DenseLayer(self.condition_size, size, _PLAIN, None) if self.condition_size else None
        self.linear = DenseLayer(inputs, channels_at[0], _PLAIN, bias_init=None)
        self.basis = nn.Parameter(torch.empty(channels_at[0], base, base).normal_())
        self.stages = _stages(channels_at, blocks, expansion, group_width, zero=not spectral_norm)
        self.transitions = nn.ModuleList(
            nn.Sequential(*_change_of_width(*each), Upsampling()) for each in pairwise(channels_at)
        )
        self.output = Convolution(channels_at[-1], channels, 1, _PLAIN)
        self.patches = nn.PixelShuffle(patch_size)
        self.output_activation = activation("output_activation", output_activation)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectra(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, S, S)``; see :class:`Generator`."""
        self.check_latents(z)
        columns = condition_columns(z.shape[0], condition, self.condition_size)
        if self.embedding is not None and columns is not None:
            z = torch.cat((z, self.embedding(columns.to(z.dtype)).to(z.dtype)), dim=1)
        maps = lowered(self.linear(z)[:, :, None, None] * self.basis).contiguous(memory_format=torch.channels_last)
        maps = self.stages[0](maps)
        for transition, stage in zip(self.transitions, self.stages[1:], strict=True):
            maps = stage(transition(maps))
        images: Tensor = self.output_activation(self.patches(self.output(maps).to(z.dtype)))
        return images


class R3GANDiscriminator(Discriminator):
    """The discriminator of R3GAN, the mirror image of its generator: it has no normalisation, and wants R1 and R2.

    The published networks have 384 channels at 64 x 64 and 768 below (FFHQ, the defaults), ``widths=96`` at 256 x 256,
    and ``widths=768`` at 32 x 32 (CIFAR-10).

    Args:
        image_shape: ``(C, S, S)`` of the images; S is 4 to 7 times a power of two, unless ``widths`` is a list.
        widths: Channels of the largest maps, doubled at each halving; or a list, from the smallest maps on.
        max_width: Where the doubling ends.
        blocks: Residual blocks at each size of the maps; one number for all, or a list, from the smallest maps on.
        expansion: How many times as many channels the middle of a block has.
        group_width: Channels of a group of the 3 x 3 convolutions.
        patch_size: Above 1, patches of so many pixels each way are the channels of one place of the largest maps, which
            is much cheaper: :class:`torch.nn.PixelUnshuffle`.
        condition_size: Columns of the condition; the logit is then the inner product of its linear embedding with as
            many outputs of the network; 0 for none.
        spectral_norm: Whether the matrix of each layer is kept at a largest singular value of 1. The last one of a
            block is then drawn as the others, instead of being 0.

    Raises:
        UserError: If an argument is out of its range, or if they do not lead from ``image_shape``.

    Example:
        >>> discriminator = R3GANDiscriminator((3, 32, 32), widths=16, blocks=1)
        >>> images = torch.zeros(2, 3, 32, 32)
        >>> discriminator(images).shape, discriminator.features(images).shape
        (torch.Size([2, 1]), torch.Size([2, 128]))

    Reference:
        Huang et al. 2024, *The GAN is dead; long live the GAN! A Modern GAN Baseline*, section 4, and its code.
    """

    embedding: DenseLayer | None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: int | Sequence[int] = 384,
        max_width: int = 768,
        blocks: int | Sequence[int] = 2,
        expansion: int = 2,
        group_width: int = 16,
        patch_size: int = 1,
        condition_size: int = 0,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__(image_shape, condition_size)
        side, channels = _patches(self.image_shape, patch_size)
        base, channels_at = pyramid(side, widths, max_width, further=1)
        smallest, largest = channels_at[0], channels_at[-1]
        outputs = largest if self.condition_size else 1
        self.patches = nn.PixelUnshuffle(patch_size)
        self.input = Convolution(channels, largest, 1, _PLAIN)
        self.stages = _stages(channels_at, blocks, expansion, group_width, zero=not spectral_norm)
        self.transitions = nn.ModuleList(
            nn.Sequential(Downsampling(), *_change_of_width(after, before)) for before, after in pairwise(channels_at)
        )
        self.basis = nn.Parameter(torch.empty(smallest, base, base).normal_(0.0, 1 / base))
        self.output = DenseLayer(smallest, outputs, _PLAIN, bias_init=None)
        self.embedding = None
        if self.condition_size:
            std = 1 / math.sqrt(outputs * self.condition_size)
            self.embedding = DenseLayer(self.condition_size, outputs, NormalWeights(std), bias_init=None)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectra(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The channels of the smallest maps, each weighted by its pattern, ``(N, F)``; see :class:`Discriminator`."""
        self.check_images(x)
        maps = self.input(self.patches(x).contiguous(memory_format=torch.channels_last))
        for stage, transition in zip(self.stages[:0:-1], self.transitions[::-1], strict=True):
            maps = transition(stage(maps))
        maps = self.stages[0](maps)
        features: Tensor = (maps.to(self.basis.dtype) * self.basis).sum((2, 3))
        return features

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images ``(N, C, S, S)`` to logits ``(N, 1)``; see :class:`Discriminator`."""
        columns = condition_columns(x.shape[0], condition, self.condition_size)
        features = self.features(x)
        with torch.autocast(x.device.type, enabled=False):
            outputs: Tensor = self.output(features)
            if self.embedding is None or columns is None:
                return outputs
            logits: Tensor = (self.embedding(columns.to(outputs.dtype)) * outputs).sum(1, keepdim=True)
            return logits
