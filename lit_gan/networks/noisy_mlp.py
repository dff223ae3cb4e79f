"""The discriminator of semi-supervised learning by feature matching: weight-normalised, noise on every layer."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from lit_gan.networks.arguments import whole_number, whole_numbers
from lit_gan.networks.conditioning import append_condition
from lit_gan.networks.discriminator import Discriminator
from lit_gan.networks.initialization import NormalWeights, WeightInit
from lit_gan.networks.noise import GaussianNoise
from lit_gan.networks.weight_norm import WeightNormLayer

_IMAGES = 500  # that weight normalisation begins from


class NoisyMLPDiscriminator(Discriminator):
    """Weight-normalised dense layers with ReLU, normal noise on the input and after each of them; a logit per class.

    The defaults are the published ones for MNIST in [0, 1]. When training starts, one pass over 500 training images
    gives every unit mean 0 and variance 1 before its ReLU.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        num_classes: Logits; 1 for a discriminator as any other.
        hidden: Units of each hidden layer.
        input_noise: The standard deviation of the noise on the images, at least 0.
        hidden_noise: That of the noise after each hidden layer, at least 0.
        weight_init: How the directions of the weights are drawn, N(0, 0.01) if ``None``; a float r means U(-r, r).

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> discriminator = NoisyMLPDiscriminator(image_shape=(1, 28, 28))
        >>> images = torch.zeros(2, 1, 28, 28)
        >>> discriminator(images).shape, discriminator.features(images).shape
        (torch.Size([2, 10]), torch.Size([2, 250]))

    Reference:
        Salimans et al. 2016, *Improved Techniques for Training GANs*, section 5.1, and its code.
    """

    output: WeightNormLayer  # type: ignore[assignment]  # a layer of another kind

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int = 10,
        hidden: Sequence[int] = (1000, 500, 250, 250, 250),
        input_noise: float = 0.3,
        hidden_noise: float = 0.5,
        weight_init: float | WeightInit | None = None,
    ) -> None:
        super().__init__(image_shape, condition_size=0)
        self.num_classes = whole_number("num_classes", num_classes)
        init = NormalWeights(0.1) if weight_init is None else weight_init
        sizes = [math.prod(self.image_shape), *whole_numbers("hidden", hidden)]
        self.input_noise = GaussianNoise(input_noise, "input_noise")
        self.hidden = nn.ModuleList(WeightNormLayer(inputs, width, init) for inputs, width in pairwise(sizes))
        self.hidden_noise = GaussianNoise(hidden_noise, "hidden_noise")
        self.output = WeightNormLayer(sizes[-1], self.num_classes, init, learn_scale=True)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden layer, ``(N, hidden[-1])``, before its noise; see :class:`Discriminator`."""
        return self._features(x, condition, nn.Module.__call__)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.output(self.hidden_noise(self.features(x, condition)))
        return logits

    @torch.no_grad()
    def begin_training(self, images: Callable[[int], Tensor]) -> None:
        """Sets lengths and biases of the weights by one pass; called once, when a new run starts, never on resume.

        Args:
            images: Gives so many training images, ``(N, C, H, W)``, or as many as there are.
        """
        x = self._features(images(_IMAGES), None, WeightNormLayer.begin_from)
        self.output.begin_from(self.hidden_noise(x))

    def _features(
        self, x: Tensor, condition: Tensor | None, call: Callable[[WeightNormLayer, Tensor], Tensor]
    ) -> Tensor:
        self.check_images(x)
        h: Tensor = self.input_noise(append_condition(x.flatten(1), condition, self.condition_size))
        for number, layer in enumerate(self.hidden):
            h = call(cast("WeightNormLayer", layer), self.hidden_noise(h) if number else h).relu()
        return h
