"""The convolutional networks of the paper's CIFAR-10 experiment."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import activation
from lit_gan.networks.arguments import finite, per_layer, shape, whole_number, whole_numbers
from lit_gan.networks.conditioning import append_condition
from lit_gan.networks.discriminator import Discriminator
from lit_gan.networks.dropout import Dropout
from lit_gan.networks.generator import OutputBiasGenerator
from lit_gan.networks.initialization import WeightInit
from lit_gan.networks.layers import DenseLayer, DenseStack, TransposedConvLayer, initial_values
from lit_gan.networks.maxout import MaxoutConv2d, MaxoutStack


class ConvGenerator(OutputBiasGenerator):
    """Dense hidden layers, the last one read as a stack of maps, then one transposed convolution to the image.

    The output bias is untied: one per output element. The defaults are the paper's for CIFAR-10 (section 5). Where an
    argument is per layer, one value is meant for all layers.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        latent_size: Columns of the latents, at least 1.
        hidden: Units of each dense hidden layer, at least one layer.
        activations: Activation function per hidden layer.
        base_shape: ``(C, H, W)`` that the last hidden layer is read as; its product is ``hidden[-1]``.
        kernel_size: Height and width of the kernel.
        stride: Step of the kernel in the image.
        padding: Rows and columns cut off on each side of the image.
        output_activation: Activation function of the output.
        weight_init: How weights are drawn, per hidden layer and the output; a float r means U(-r, r).
        bias_init: What biases are filled with, per hidden layer and the output.
        dropout_keep: The share of outputs that dropout keeps, in (0, 1], per hidden layer; the paper has none in G.
        pixel_mean_bias: Whether the output bias becomes the logit of the training images' mean when training starts.
        max_norm: The largest L2 norm of any unit's incoming weights (of an output channel's kernels), or None.
        condition_size: Columns of the condition that is appended to z; 0 for none.

    Raises:
        UserError: If an argument is out of its range, or if the shapes do not lead to ``image_shape``.

    Example:
        >>> generator = ConvGenerator(image_shape=(1, 8, 8), hidden=(50, 36), base_shape=(4, 3, 3), kernel_size=4,
        ...                           stride=2)
        >>> generator(torch.zeros(2, 100)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        latent_size: int = 100,
        hidden: Sequence[int] = (8000, 8000),
        activations: str | Sequence[str] = ("relu", "sigmoid"),
        base_shape: tuple[int, int, int] = (80, 10, 10),
        kernel_size: int = 5,
        stride: int = 3,
        padding: int = 0,
        output_activation: str = "linear",
        weight_init: float | WeightInit | Sequence[float | WeightInit] = 0.05,
        bias_init: float | Sequence[float] = 0.0,
        dropout_keep: float | Sequence[float] = 1.0,
        pixel_mean_bias: bool = False,
        max_norm: float | None = None,
        condition_size: int = 0,
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_activation, pixel_mean_bias)
        widths = whole_numbers("hidden", hidden)
        weights, biases = initial_values(weight_init, bias_init, len(widths) + 1, "the hidden layers and the output")
        inputs = self.latent_size + self.condition_size
        self.hidden = DenseStack(inputs, widths, activations, weights[:-1], biases[:-1], dropout_keep, max_norm)
        self.base_shape = shape("base_shape", base_shape)
        kernel_size, stride = whole_number("kernel_size", kernel_size), whole_number("stride", stride)
        padding = whole_number("padding", padding, minimum=0)
        self._check_shapes(widths, kernel_size, stride, padding)
        channels = self.base_shape[0], self.image_shape[0]
        self.output = TransposedConvLayer(*channels, kernel_size, stride, padding, weights[-1], max_norm)
        self.bias = nn.Parameter(torch.full(self.image_shape, finite("bias_init", biases[-1])))
        self.output_activation = activation("output_activation", output_activation)

    @property
    def output_bias(self) -> Tensor:
        """The bias of the output, ``(C, H, W)``."""
        return self.bias

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, H, W)``; see :class:`Generator`."""
        maps = self.hidden(self.inputs(z, condition)).view(z.shape[0], *self.base_shape)
        images: Tensor = self.output_activation(self.output(maps) + self.bias)
        return images

    def _check_shapes(self, widths: tuple[int, ...], kernel_size: int, stride: int, padding: int) -> None:
        if not widths or math.prod(self.base_shape) != widths[-1]:
            raise UserError(
                f"base_shape = {self.base_shape} has {math.prod(self.base_shape)} elements, but the last of hidden = "
                f"{widths} must have as many units; make the two equal."
            )
        height, width = ((n - 1) * stride - 2 * padding + kernel_size for n in self.base_shape[1:])
        if (height, width) != self.image_shape[1:]:
            raise UserError(
                f"base_shape = {self.base_shape} with kernel_size = {kernel_size}, stride = {stride}, padding = "
                f"{padding} gives images of {height} x {width}, but image_shape = {self.image_shape}; a side is "
                "(n - 1) * stride - 2 * padding + kernel_size."
            )


class MaxoutConvDiscriminator(Discriminator):
    """Convolutional maxout layers, dense maxout layers, then one logit. The defaults are the paper's for CIFAR-10.

    Dropout works on single elements: of the image, and of every hidden layer's output, scaled by 1/keep in training.
    The condition is appended to the flattened maps that enter the dense part, after their dropout. Where an argument is
    per convolution or per layer, one value is meant for all of them.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        channels: Output channels of each convolution.
        pieces: Linear pieces per channel.
        kernel_sizes: Height and width of the kernel, per convolution.
        paddings: Zeros added on each side, per convolution.
        pool_sizes: Height and width of a pooling window, per convolution.
        pool_strides: Step between pooling windows, per convolution.
        dense: Units of each dense hidden layer.
        dense_pieces: Linear pieces per dense unit.
        weight_init: How weights are drawn, per convolution, dense layer and the output; a float r means U(-r, r).
        bias_init: What biases are filled with, per convolution, dense layer and the output.
        input_keep: The share of the image's elements that dropout keeps, in (0, 1].
        hidden_keep: The share of outputs that dropout keeps, in (0, 1], per convolution and dense layer.
        max_norm: The largest L2 norm of any linear piece's incoming weights, above 0, or None.
        condition_size: Columns of the condition; 0 for none.

    Raises:
        UserError: If an argument is out of its range, or if the image is too small for a convolution or its pooling.

    Example:
        >>> discriminator = MaxoutConvDiscriminator(image_shape=(1, 8, 8), channels=(4, 4, 8), dense=(10,))
        >>> discriminator(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        channels: Sequence[int] = (32, 32, 192),
        pieces: int = 2,
        kernel_sizes: int | Sequence[int] = (8, 8, 5),
        paddings: int | Sequence[int] = (4, 3, 3),
        pool_sizes: int | Sequence[int] = (4, 4, 2),
        pool_strides: int | Sequence[int] = (2, 2, 2),
        dense: Sequence[int] = (500,),
        dense_pieces: int = 5,
        weight_init: float | WeightInit | Sequence[float | WeightInit] = 0.005,
        bias_init: float | Sequence[float] = 0.0,
        input_keep: float = 0.8,
        hidden_keep: float | Sequence[float] = 0.5,
        max_norm: float | None = None,
        condition_size: int = 0,
    ) -> None:
        super().__init__(image_shape, condition_size)
        maps, widths = whole_numbers("channels", channels), whole_numbers("dense", dense)
        hidden, which = len(maps) + len(widths), "the convolutions and the dense layers"
        weights, biases = initial_values(weight_init, bias_init, hidden + 1, f"{which}, and the output")
        keeps = per_layer("hidden_keep", hidden_keep, hidden, which)
        geometry = zip(
            _per_convolution("kernel_sizes", kernel_sizes, len(maps)),
            _per_convolution("paddings", paddings, len(maps), minimum=0),
            _per_convolution("pool_sizes", pool_sizes, len(maps)),
            _per_convolution("pool_strides", pool_strides, len(maps)),
            strict=True,
        )
        pieces, dense_pieces = whole_number("pieces", pieces), whole_number("dense_pieces", dense_pieces)
        self.input_dropout = Dropout(input_keep, "input_keep")
        self.convolutions = nn.Sequential()
        depth, size = self.image_shape[0], self.image_shape[1:]
        for i, (out, (kernel, padding, pool, stride)) in enumerate(zip(maps, geometry, strict=True)):
            layer = MaxoutConv2d(depth, out, pieces, kernel, padding, pool, stride, weights[i], biases[i], max_norm)
            depth, size = out, _output_size(i, layer, size)
            self.convolutions.extend((layer, Dropout(keeps[i], "hidden_keep")))
        n, inputs = len(maps), depth * math.prod(size) + self.condition_size
        self.dense = MaxoutStack(inputs, widths, dense_pieces, weights[n:-1], biases[n:-1], keeps[n:], max_norm)
        self.output = DenseLayer(self.dense.out_features, 1, weights[-1], biases[-1], max_norm)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last dense hidden layer, ``(N, dense[-1])``; see :class:`Discriminator`."""
        self.check_images(x)
        maps = self.convolutions(self.input_dropout(x)).flatten(1)
        features: Tensor = self.dense(append_condition(maps, condition, self.condition_size))
        return features


def _per_convolution(name: str, value: int | Sequence[int], count: int, minimum: int = 1) -> tuple[int, ...]:
    return whole_numbers(name, per_layer(name, value, count, "the convolutions"), minimum)


def _output_size(index: int, layer: MaxoutConv2d, size: tuple[int, int]) -> tuple[int, int]:
    try:
        return layer.output_size(size)
    except UserError as error:
        raise UserError(
            f"convolution {index + 1} (channels[{index}]) gets maps of {size[0]} x {size[1]}: {error} Expected a "
            "larger image_shape, fewer convolutions, or smaller kernels and pools."
        ) from None
