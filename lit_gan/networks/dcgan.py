"""The networks of DCGAN: transposed convolutions up, strided ones down, batch normalisation in both."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.networks.activations import activation, output_range
from lit_gan.networks.convolution import Convolution
from lit_gan.networks.generator import Generator
from lit_gan.networks.initialization import NormalWeights
from lit_gan.networks.layers import TransposedConvLayer
from lit_gan.networks.projection import ProjectionDiscriminator
from lit_gan.networks.pyramid import pyramid, side_of
from lit_gan.networks.spectral_norm import normalize_spectra

_STD = 0.02
_WEIGHTS = NormalWeights(_STD)
_SLOPE = 0.2
_DOUBLING = {"kernel_size": 4, "stride": 2, "padding": 1}


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, 1.0, _STD)
    return norm


class DCGANGenerator(Generator):
    """The generator of DCGAN: transposed convolutions of 4 x 4, each with batch normalisation and a ReLU.

    The defaults are the published network for 64 x 64 pixels: maps of 1024, 512, 256 and 128 channels.

    Args:
        image_shape: ``(C, S, S)`` of the images; S is 4 to 7 times a power of two, unless ``widths`` is a list.
        latent_size: Columns of the latents, at least 1.
        widths: Channels of the largest hidden maps, whose side is S / 2, doubled at each halving; or a list, from the
            smallest maps on.
        max_width: Where the doubling ends.
        output_activation: Activation function of the output.
        condition_size: Columns of the condition that is appended to z; 0 for none.
        spectral_norm: Whether the matrix of each layer is kept at a largest singular value of 1.

    Raises:
        UserError: If an argument is out of its range, or if they do not lead to ``image_shape``.

    Example:
        >>> generator = DCGANGenerator((3, 32, 32), latent_size=8, widths=16)
        >>> generator(torch.zeros(2, 8)).shape
        torch.Size([2, 3, 32, 32])

    Reference:
        Radford et al. 2016, *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
        Networks*, section 3 and figure 1.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int = 100,
        widths: int | Sequence[int] = 128,
        max_width: int = 1024,
        output_activation: str = "tanh",
        condition_size: int = 0,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_range(output_activation))
        base, channels = pyramid(side_of(self.image_shape), widths, max_width)
        inputs = self.latent_size + self.condition_size
        self.input = TransposedConvLayer(inputs, channels[0], base, stride=1, padding=0, weight_init=_WEIGHTS)
        self.stages = nn.ModuleList(
            TransposedConvLayer(*each, **_DOUBLING, weight_init=_WEIGHTS) for each in pairwise(channels)
        )
        self.norms = nn.ModuleList(_batch_norm(each) for each in channels)
        self.output = TransposedConvLayer(channels[-1], self.image_shape[0], **_DOUBLING, weight_init=_WEIGHTS)
        self.output_activation = activation("output_activation", output_activation)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectra(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, S, S)``; see :class:`Generator`."""
        maps = self.inputs(z, condition)[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for layer, norm in zip((self.input, *self.stages), self.norms, strict=True):
            maps = F.relu(norm(layer(maps)))
        images: Tensor = self.output_activation(self.output(maps).to(z.dtype))
        return images


class DCGANDiscriminator(ProjectionDiscriminator):
    """The discriminator of DCGAN: convolutions of 4 x 4 and stride 2 with a leaky ReLU, normalised but for the first.

    The defaults are the mirror image of the published generator for 64 x 64 pixels.

    Args:
        image_shape: ``(C, S, S)`` of the images; S is 4 to 7 times a power of two, unless ``widths`` is a list.
        widths: Channels of the largest hidden maps, whose side is S / 2, doubled at each halving; or a list, from the
            smallest maps on.
        max_width: Where the doubling ends.
        condition_size: Columns of the condition, whose linear embedding's inner product with the features is added to
            the logit; 0 for none.
        spectral_norm: Whether the matrix of each layer is kept at a largest singular value of 1.
        batch_norm: Whether the maps are normalised over the batch; better not with a penalty or with
            ``spectral_norm``. Examples and samples then pass through D apart.

    Raises:
        UserError: If an argument is out of its range, or if they do not lead from ``image_shape``.

    Example:
        >>> discriminator = DCGANDiscriminator((3, 32, 32), widths=16)
        >>> images = torch.zeros(2, 3, 32, 32)
        >>> discriminator(images).shape, discriminator.features(images).shape
        (torch.Size([2, 1]), torch.Size([2, 1024]))

    Reference:
        Radford et al. 2016, *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
        Networks*, section 3.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: int | Sequence[int] = 128,
        max_width: int = 1024,
        condition_size: int = 0,
        spectral_norm: bool = False,
        batch_norm: bool = True,
    ) -> None:
        super().__init__(image_shape, condition_size)
        base, channels = pyramid(side_of(self.image_shape), widths, max_width)
        down = (self.image_shape[0], *channels[::-1])
        self.stages = nn.ModuleList(
            Convolution(*each, **_DOUBLING, weight_init=_WEIGHTS, bias=not batch_norm) for each in pairwise(down)
        )
        normalised = [_batch_norm(each) if batch_norm else nn.Identity() for each in down[2:]]
        self.norms = nn.ModuleList([nn.Identity(), *normalised])
        self.end_in(channels[0] * base**2, _WEIGHTS, bias=not batch_norm)
        self.to(memory_format=torch.channels_last)
        if spectral_norm:
            normalize_spectra(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The smallest maps, ``(N, F)``; see :class:`Discriminator`."""
        self.check_images(x)
        maps = x.contiguous(memory_format=torch.channels_last)
        for layer, norm in zip(self.stages, self.norms, strict=True):
            maps = F.leaky_relu(norm(layer(maps)), _SLOPE)
        return maps.flatten(1)
