"""The fully connected networks: the paper's generator, its maxout discriminator, and one with leaky ReLU."""

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import activation
from lit_gan.networks.arguments import non_negative, per_layer, whole_numbers
from lit_gan.networks.conditioning import append_condition
from lit_gan.networks.discriminator import Discriminator
from lit_gan.networks.dropout import Dropout
from lit_gan.networks.generator import PIXEL_MEAN_CLIP, OutputBiasGenerator
from lit_gan.networks.initialization import KaimingWeights, UniformWeights, WeightInit
from lit_gan.networks.layers import DenseLayer, DenseStack, initial_values
from lit_gan.networks.maxout import MaxoutStack
from lit_gan.networks.weight_norm import WeightNormLayer


class MLPGenerator(OutputBiasGenerator):
    """A multilayer perceptron from latents to images. The defaults are the paper's for MNIST (section 5).

    Where an argument is per layer, one value is meant for all layers.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        latent_size: Columns of the latents, at least 1.
        hidden: Units of each hidden layer.
        activations: Activation function per hidden layer: relu, sigmoid, tanh, linear, leaky_relu, softplus, ...
        output_activation: Activation function of the output.
        weight_init: How weights are drawn, per hidden layer and the output; a float r means U(-r, r).
        bias_init: What biases are filled with, per hidden layer and the output.
        dropout_keep: The share of outputs that dropout keeps, in (0, 1], per hidden layer; the paper has none in G.
        pixel_mean_bias: Whether the output bias becomes the logit of the training images' mean when training starts.
        max_norm: The largest L2 norm of any unit's incoming weights, above 0, or None.
        condition_size: Columns of the condition that is appended to z; 0 for none.
        batch_norm: Whether each hidden layer is normalised over the batch before its activation; scales begin at 1,
            shifts, which take the biases' place, at ``bias_init``.
        pixel_mean_clip: How near to 0 and 1 the means of ``pixel_mean_bias`` may come, in (0, 0.5).
        output_weight_norm: Whether the output's units learn the direction and the length of their weights apart, by
            :class:`lit_gan.networks.weight_norm.WeightNormLayer`; lengths begin at 1. Not with ``max_norm``.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> generator = MLPGenerator(image_shape=(1, 28, 28))
        >>> generator(torch.zeros(2, 100)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int = 100,
        hidden: Sequence[int] = (1200, 1200),
        activations: str | Sequence[str] = "relu",
        output_activation: str = "sigmoid",
        weight_init: float | WeightInit | Sequence[float | WeightInit] = 0.05,
        bias_init: float | Sequence[float] = 0.0,
        dropout_keep: float | Sequence[float] = 1.0,
        pixel_mean_bias: bool = False,
        max_norm: float | None = None,
        condition_size: int = 0,
        batch_norm: bool = False,
        pixel_mean_clip: float = PIXEL_MEAN_CLIP,
        output_weight_norm: bool = False,
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_activation, pixel_mean_bias, pixel_mean_clip)
        if output_weight_norm and max_norm is not None:
            raise UserError(f"output_weight_norm = True and max_norm = {max_norm}: expected one of the two.")
        widths = whole_numbers("hidden", hidden)
        weights, biases = initial_values(weight_init, bias_init, len(widths) + 1, "the hidden layers and the output")
        inputs = self.latent_size + self.condition_size
        self.hidden = DenseStack(
            inputs, widths, activations, weights[:-1], biases[:-1], dropout_keep, max_norm, batch_norm
        )
        sizes = self.hidden.out_features, math.prod(self.image_shape)
        self.output = (
            WeightNormLayer(*sizes, weights[-1], learn_scale=True, bias_init=biases[-1])
            if output_weight_norm
            else DenseLayer(*sizes, weights[-1], biases[-1], max_norm)
        )
        self.output_activation = activation("output_activation", output_activation)

    @property
    def output_bias(self) -> Tensor:
        """The bias of the output layer, ``(C * H * W,)``."""
        return self.output.bias

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, H, W)``; see :class:`Generator`."""
        images: Tensor = self.output_activation(self.output(self.hidden(self.inputs(z, condition))))
        return images.view(z.shape[0], *self.image_shape)


class _DenseDiscriminator(Discriminator):
    """Dropout of the pixels, hidden layers, and one logit of the last of them."""

    input_dropout: Dropout
    hidden: nn.Module

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden layer, ``(N, hidden[-1])``; see :class:`Discriminator`."""
        self.check_images(x)
        pixels = self.input_dropout(x.flatten(1))
        features: Tensor = self.hidden(append_condition(pixels, condition, self.condition_size))
        return features


class MaxoutDiscriminator(_DenseDiscriminator):
    """Dense maxout layers with dropout, then one logit. The defaults are the paper's for MNIST (section 5).

    Dropout works on single elements: of the image, and of every hidden layer's output, scaled by 1/keep in training.
    The condition is appended after the dropout of the image, so that it is always seen.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        hidden: Units of each hidden layer.
        pieces: Linear pieces per unit, at least 1.
        weight_init: How weights are drawn, per hidden layer and the output (or one for all); a float r means U(-r, r).
        bias_init: What biases are filled with, per hidden layer and the output (or one for all).
        input_keep: The share of the image's elements that dropout keeps, in (0, 1].
        hidden_keep: The share of outputs that dropout keeps, in (0, 1], per hidden layer (or one for all).
        max_norm: The largest L2 norm of any linear piece's incoming weights, above 0, or None.
        condition_size: Columns of the condition; 0 for none.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> discriminator = MaxoutDiscriminator(image_shape=(1, 28, 28))
        >>> images = torch.zeros(2, 1, 28, 28)
        >>> discriminator(images).shape, discriminator.features(images).shape
        (torch.Size([2, 1]), torch.Size([2, 240]))
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        hidden: Sequence[int] = (240, 240),
        pieces: int = 5,
        weight_init: float | WeightInit | Sequence[float | WeightInit] = 0.005,
        bias_init: float | Sequence[float] = 0.0,
        input_keep: float = 0.8,
        hidden_keep: float | Sequence[float] = 0.5,
        max_norm: float | None = None,
        condition_size: int = 0,
    ) -> None:
        super().__init__(image_shape, condition_size)
        widths = whole_numbers("hidden", hidden)
        weights, biases = initial_values(weight_init, bias_init, len(widths) + 1, "the hidden layers and the output")
        keeps = per_layer("hidden_keep", hidden_keep, len(widths), "the hidden layers")
        self.input_dropout = Dropout(input_keep, "input_keep")
        inputs = math.prod(self.image_shape) + self.condition_size
        self.hidden = MaxoutStack(inputs, widths, pieces, weights[:-1], biases[:-1], keeps, max_norm)
        self.output = DenseLayer(self.hidden.out_features, 1, weights[-1], biases[-1], max_norm)


class MLPDiscriminator(_DenseDiscriminator):
    """Dense layers with leaky ReLU, then one logit. The defaults are those of a short recipe for MNIST.

    Where an argument is per layer, one value is meant for all layers. The condition is appended after the dropout of
    the image, so that it is always seen.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        hidden: Units of each hidden layer.
        negative_slope: Slope of the leaky ReLU below 0, at least 0.
        weight_init: How weights are drawn, per hidden layer and the output; a float r means U(-r, r). ``None``: hidden
            layers by :class:`KaimingWeights` of the slope, the output from U(-r, r), r being 1 / sqrt of its inputs.
        bias_init: What biases are filled with, per hidden layer and the output.
        input_keep: The share of the image's elements that dropout keeps, in (0, 1].
        hidden_keep: The share of outputs that dropout keeps, in (0, 1], per hidden layer.
        max_norm: The largest L2 norm of any unit's incoming weights, above 0, or None.
        condition_size: Columns of the condition; 0 for none.
        batch_norm: Whether each hidden layer is normalised over the batch before its activation; scales begin at 1,
            shifts, which take the biases' place, at ``bias_init``. Examples and samples then pass through D apart.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> discriminator = MLPDiscriminator(image_shape=(1, 28, 28))
        >>> images = torch.zeros(2, 1, 28, 28)
        >>> discriminator(images).shape, discriminator.features(images).shape
        (torch.Size([2, 1]), torch.Size([2, 512]))
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        hidden: Sequence[int] = (512, 512, 512, 512),
        negative_slope: float = 0.2,
        weight_init: float | WeightInit | Sequence[float | WeightInit] | None = None,
        bias_init: float | Sequence[float] = 0.0,
        input_keep: float = 1.0,
        hidden_keep: float | Sequence[float] = 1.0,
        max_norm: float | None = None,
        condition_size: int = 0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__(image_shape, condition_size)
        widths, slope = whole_numbers("hidden", hidden), non_negative("negative_slope", negative_slope)
        inputs = math.prod(self.image_shape) + self.condition_size
        if weight_init is None:
            last = UniformWeights(1 / math.sqrt(widths[-1] if widths else inputs))
            weight_init = (*[KaimingWeights(slope)] * len(widths), last)
        weights, biases = initial_values(weight_init, bias_init, len(widths) + 1, "the hidden layers and the output")
        keeps = per_layer("hidden_keep", hidden_keep, len(widths), "the hidden layers")
        self.input_dropout = Dropout(input_keep, "input_keep")
        self.hidden = DenseStack(
            inputs, widths, partial(nn.LeakyReLU, slope), weights[:-1], biases[:-1], keeps, max_norm, batch_norm
        )
        self.output = DenseLayer(self.hidden.out_features, 1, weights[-1], biases[-1], max_norm)
