"""A network from images to latents, the way back that a generator does not have."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.arguments import per_layer, shape, whole_number, whole_numbers
from lit_gan.networks.initialization import KaimingWeights, UniformWeights, WeightInit
from lit_gan.networks.layers import DenseLayer, DenseStack


class MLPEncoder(nn.Module):
    """A multilayer perceptron from images to as many numbers as a latent has, of any size.

    What becomes of these numbers, so that they lie in the range of the latent's distribution, is
    :meth:`lit_gan.latents.Latent.onto_support`.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        latent_size: Columns of the latents, at least 1.
        hidden: Units of each hidden layer.
        activations: Activation function per hidden layer, or one for all.
        dropout_keep: The share of outputs that dropout keeps, in (0, 1], per hidden layer, or one for all.
        batch_norm: Whether each hidden layer is normalised over the batch before its activation.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> encoder = MLPEncoder(image_shape=(1, 28, 28), latent_size=64, hidden=(256,))
        >>> encoder(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 64])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int = 100,
        hidden: Sequence[int] = (1024, 1024),
        activations: str | Sequence[str] = "relu",
        dropout_keep: float | Sequence[float] = 1.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.image_shape = shape("image_shape", image_shape)
        self.latent_size = whole_number("latent_size", latent_size)
        widths = whole_numbers("hidden", hidden)
        weights: tuple[float | WeightInit, ...] = (KaimingWeights(),) * len(widths)
        shifts = per_layer("bias_init", 0.0, len(widths), "the hidden layers")
        self.hidden = DenseStack(
            math.prod(self.image_shape), widths, activations, weights, shifts, dropout_keep, batch_norm=batch_norm
        )
        inputs = self.hidden.out_features
        self.output = DenseLayer(inputs, self.latent_size, UniformWeights(1 / math.sqrt(inputs)))

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer.

        Args:
            x: ``(N, C, H, W)``.

        Returns:
            A tensor ``(N, hidden[-1])``.

        Raises:
            UserError: If ``x`` has another shape.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            sizes = ", ".join(map(str, self.image_shape))
            raise UserError(f"got images of shape {tuple(x.shape)}: expected (N, *image_shape) = (N, {sizes}).")
        features: Tensor = self.hidden(x.flatten(1))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to ``(N, latent_size)`` numbers."""
        values: Tensor = self.output(self.features(x))
        return values
