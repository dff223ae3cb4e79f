"""What every discriminator of the package has in common: features of the images, and one logit on top of them."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.arguments import shape, whole_number
from lit_gan.networks.layers import DenseLayer


class Discriminator(nn.Module, ABC):
    """A network from images to the logit of the probability that they came from the data.

    A subclass sets ``output``, a layer from its features to one logit.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        condition_size: Columns of the condition; 0 for an unconditional discriminator.

    Attributes:
        image_shape: As given.
        condition_size: As given.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> class Linear(Discriminator):
        ...     def __init__(self, image_shape):
        ...         super().__init__(image_shape, condition_size=0)
        ...         self.output = nn.Linear(image_shape[1] * image_shape[2], 1)
        ...
        ...     def features(self, x, condition=None):
        ...         return x.flatten(1)
        >>> Linear((1, 4, 4))(torch.zeros(2, 1, 4, 4)).shape
        torch.Size([2, 1])
    """

    output: DenseLayer

    def __init__(self, image_shape: tuple[int, int, int], condition_size: int) -> None:
        super().__init__()
        self.image_shape = shape("image_shape", image_shape)
        self.condition_size = whole_number("condition_size", condition_size, minimum=0)

    @abstractmethod
    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden layer, after its dropout where the network is in training mode.

        Args:
            x: ``(N, C, H, W)``.
            condition: ``(N, condition_size)``, or None where ``condition_size`` is 0.

        Returns:
            ``(N, F)``.

        Raises:
            UserError: If ``x`` or ``condition`` has another shape.
        """

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images to logits.

        Args:
            x: ``(N, C, H, W)``.
            condition: ``(N, condition_size)``, or None where ``condition_size`` is 0.

        Returns:
            Logits ``(N, 1)``; the probability is their sigmoid.

        Raises:
            UserError: If ``x`` or ``condition`` has another shape.
        """
        logits: Tensor = self.output(self.features(x, condition))
        return logits

    def check_images(self, x: Tensor) -> None:
        """Refuses images of another shape.

        Args:
            x: ``(N, *image_shape)``.

        Raises:
            UserError: If it is not.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            sizes = ", ".join(map(str, self.image_shape))
            raise UserError(
                f"got images of shape {tuple(x.shape)}: expected (N, *image_shape) = (N, {sizes}); set image_shape to "
                "the data's."
            )
