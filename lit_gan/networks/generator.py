"""What every generator of the package has in common: its sizes, its input, its pixel-mean bias."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import output_range
from lit_gan.networks.arguments import finite, shape, whole_number
from lit_gan.networks.conditioning import append_condition

# That of the paper's configuration files: the logit stays finite where a pixel never changes.
PIXEL_MEAN_CLIP = 1e-7


class Generator(nn.Module, ABC):
    """A network from latents to images.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        latent_size: Columns of the latents.
        condition_size: Columns of the condition; 0 for an unconditional generator.
        output_range: The interval that the images lie in, or None where it is not bounded.

    Attributes:
        image_shape: As given.
        latent_size: As given.
        condition_size: As given.
        output_range: As given.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> class Linear(Generator):
        ...     def __init__(self, image_shape, latent_size):
        ...         super().__init__(image_shape, latent_size, condition_size=0, output_range=None)
        ...         self.layer = nn.Linear(latent_size, image_shape[1] * image_shape[2])
        ...
        ...     def forward(self, z, condition=None):
        ...         return self.layer(z).unflatten(1, self.image_shape)
        >>> Linear((1, 4, 4), latent_size=3)(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 4, 4])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int,
        condition_size: int,
        output_range: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        self.image_shape = shape("image_shape", image_shape)
        self.latent_size = whole_number("latent_size", latent_size)
        self.condition_size = whole_number("condition_size", condition_size, minimum=0)
        self.output_range = output_range

    @abstractmethod
    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents to images.

        Args:
            z: ``(N, latent_size)``.
            condition: ``(N, condition_size)``, or None where ``condition_size`` is 0.

        Returns:
            ``(N, C, H, W)``.

        Raises:
            UserError: If ``z`` or ``condition`` has another shape.
        """

    def begin_training(self, pixel_means: Callable[[], Tensor]) -> None:
        """Set what depends on data or files; called once, when a new run starts, and never on resume.

        Args:
            pixel_means: Gives the training images' mean, ``(C, H, W)`` in [0, 1]; called only where it is needed.
        """

    def inputs(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """The checked latents with the condition's columns after their own.

        Args:
            z: ``(N, latent_size)``.
            condition: ``(N, condition_size)``, or ``None`` for a generator without one.

        Returns:
            A tensor ``(N, latent_size + condition_size)``.

        Raises:
            UserError: If either has another shape.
        """
        self.check_latents(z)
        return append_condition(z, condition, self.condition_size)

    def check_latents(self, z: Tensor) -> None:
        """Refuses latents of another shape.

        Args:
            z: ``(N, latent_size)``.

        Raises:
            UserError: If it is not.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_size:
            raise UserError(
                f"got latents of shape {tuple(z.shape)}: expected (N, latent_size) = (N, {self.latent_size})."
            )


class OutputBiasGenerator(Generator):
    """A generator that ends in one bias per output element and an activation function.

    With ``pixel_mean_bias`` the bias becomes ``logit(clip(pixel_means, c, 1 - c))`` when training starts, so that the
    first images are near the mean image (the paper's MNIST and TFD settings).

    Args:
        image_shape: ``(C, H, W)`` of the images.
        latent_size: Columns of the latents.
        condition_size: Columns of the condition.
        output_activation: The activation function of the output.
        pixel_mean_bias: Whether the output bias is set from the training images; needs a sigmoid output.
        pixel_mean_clip: c, in (0, 0.5).

    Raises:
        UserError: If an argument is out of its range, or if ``pixel_mean_bias`` meets another output than a sigmoid.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_size: int,
        condition_size: int,
        output_activation: str,
        pixel_mean_bias: bool,
        pixel_mean_clip: float = PIXEL_MEAN_CLIP,
    ) -> None:
        super().__init__(image_shape, latent_size, condition_size, output_range(output_activation))
        if pixel_mean_bias and output_activation != "sigmoid":
            raise UserError(
                f"pixel_mean_bias = True with output_activation = {output_activation!r}: the bias is the logit of the "
                "pixel means, so expected 'sigmoid'; set pixel_mean_bias to false or the output to sigmoid."
            )
        self.pixel_mean_bias = pixel_mean_bias
        if not 0 < finite("pixel_mean_clip", pixel_mean_clip) < 0.5:
            raise UserError(f"pixel_mean_clip = {pixel_mean_clip}: expected a number above 0 and below 0.5.")
        self.pixel_mean_clip = pixel_mean_clip

    @property
    @abstractmethod
    def output_bias(self) -> Tensor:
        """The bias of the output before its activation function, C * H * W elements."""

    @torch.no_grad()
    def begin_training(self, pixel_means: Callable[[], Tensor]) -> None:
        """Set the output bias from the training images' mean, where ``pixel_mean_bias`` asks for it.

        Args:
            pixel_means: Gives the training images' mean, ``(C, H, W)`` in [0, 1]; called only with
                ``pixel_mean_bias``.

        Raises:
            UserError: If the means have another shape or leave [0, 1].
        """
        if not self.pixel_mean_bias:
            return
        means = pixel_means()
        if tuple(means.shape) != self.image_shape:
            raise UserError(
                f"pixel_mean_bias: got pixel means of shape {tuple(means.shape)} from the data, but the generator has "
                f"image_shape = {self.image_shape}; set image_shape to the data's."
            )
        if not bool(((means >= 0) & (means <= 1)).all()):
            raise UserError(
                f"pixel_mean_bias: got pixel means from {means.min():.4g} to {means.max():.4g}, expected them in "
                "[0, 1]; scale the data to [0, 1] or set pixel_mean_bias to false."
            )
        bias = means.double().clip(self.pixel_mean_clip, 1 - self.pixel_mean_clip).logit()
        self.output_bias.copy_(bias.view_as(self.output_bias))
