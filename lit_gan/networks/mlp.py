"""The fully connected networks: the paper's generator, and its maxout discriminator."""

import math
from collections.abc import Sequence

from torch import Tensor

from lit_gan.networks.activations import activation
from lit_gan.networks.arguments import per_layer, whole_numbers
from lit_gan.networks.conditioning import append_condition
from lit_gan.networks.discriminator import Discriminator
from lit_gan.networks.dropout import Dropout
from lit_gan.networks.generator import OutputBiasGenerator
from lit_gan.networks.initialization import WeightInit
from lit_gan.networks.layers import DenseLayer, DenseStack
from lit_gan.networks.maxout import MaxoutStack


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
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_activation, pixel_mean_bias)
        widths = whole_numbers("hidden", hidden)
        layers, which = len(widths) + 1, "the hidden layers and the output"
        weights: tuple[float | WeightInit, ...] = per_layer("weight_init", weight_init, layers, which)
        biases = per_layer("bias_init", bias_init, layers, which)
        inputs = self.latent_size + self.condition_size
        self.hidden = DenseStack(inputs, widths, activations, weights[:-1], biases[:-1], dropout_keep, max_norm)
        outputs = math.prod(self.image_shape)
        self.output = DenseLayer(self.hidden.out_features, outputs, weights[-1], biases[-1], max_norm)
        self.output_activation = activation("output_activation", output_activation)

    @property
    def output_bias(self) -> Tensor:
        """The bias of the output layer, ``(C * H * W,)``."""
        return self.output.bias

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent_size)`` to images ``(N, C, H, W)``; see :class:`Generator`."""
        images: Tensor = self.output_activation(self.output(self.hidden(self.inputs(z, condition))))
        return images.view(z.shape[0], *self.image_shape)


class MaxoutDiscriminator(Discriminator):
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
        layers, which = len(widths) + 1, "the hidden layers and the output"
        weights: tuple[float | WeightInit, ...] = per_layer("weight_init", weight_init, layers, which)
        biases = per_layer("bias_init", bias_init, layers, which)
        keeps = per_layer("hidden_keep", hidden_keep, len(widths), "the hidden layers")
        self.input_dropout = Dropout(input_keep, "input_keep")
        inputs = math.prod(self.image_shape) + self.condition_size
        self.hidden = MaxoutStack(inputs, widths, pieces, weights[:-1], biases[:-1], keeps, max_norm)
        self.output = DenseLayer(self.hidden.out_features, 1, weights[-1], biases[-1], max_norm)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden layer, ``(N, hidden[-1])``; see :class:`Discriminator`."""
        self.check_images(x)
        pixels = self.input_dropout(x.flatten(1))
        features: Tensor = self.hidden(append_condition(pixels, condition, self.condition_size))
        return features
