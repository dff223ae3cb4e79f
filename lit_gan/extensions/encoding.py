"""The half of an inference network that stays after training: from images to latents, and back by a frozen G."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from lit_gan.engine.batches import described, examples_of
from lit_gan.engine.value_ranges import name_of
from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent

_IMAGES_PER_FORWARD = 1000


class EncodingModule(GenerativeModule):
    """A generator, finished or not, and an encoder of its images.

    Args:
        generator: G, from latents ``(N, latent_size)`` to data ``(N, C, H, W)``.
        encoder: From data to ``(N, latent_size)`` numbers, which the latent then brings into its range.
        latent: :math:`p_z`; ``None`` is ``Uniform`` of the generator's ``latent_size``.
        frozen: Whether G has finished, and learns no more.

    Raises:
        UserError: If the latent has no inverse, or the sizes differ.

    Example:
        >>> from lit_gan.networks import MLPEncoder, MLPGenerator
        >>> generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,))
        >>> module = EncodingModule(generator, MLPEncoder((1, 8, 8), latent_size=4, hidden=(16,)), None, frozen=True)
        >>> module.encode(torch.rand(3, 1, 8, 8)).shape
        torch.Size([3, 4])
    """

    def __init__(
        self, generator: nn.Module, encoder: nn.Module, latent: Latent | None = None, *, frozen: bool = True
    ) -> None:
        super().__init__(generator, latent)
        self.frozen = frozen
        self.generator.requires_grad_(not frozen).train(not frozen)  # one from a checkpoint is in evaluation mode
        self.encoder = encoder
        self.has_begun = True
        self.latent.onto_support(torch.zeros(1, self.latent.size))  # one that has no inverse is told now
        _check_size(encoder, self.latent)

    def train(self, mode: bool = True) -> Self:
        """As any module's; but a frozen G stays in evaluation mode: its training is over."""
        super().train(mode)
        if self.frozen:
            self.generator.eval()
        return self

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The latents of images: E in evaluation mode.

        Args:
            x: ``(N, C, H, W)`` in data space, on any device.

        Returns:
            A tensor ``(N, latent_size)`` in the range of the latent's distribution.
        """
        was_training = self.encoder.training
        self.encoder.eval()
        try:
            with torch.autocast(self.device.type, enabled=False):
                x, most = x.to(self.device, self._float_dtype), _IMAGES_PER_FORWARD
                return torch.cat([self._inferred(x[start : start + most]) for start in range(0, len(x), most)])
        finally:
            self.encoder.train(was_training)

    def reconstruct(self, x: Tensor) -> Tensor:
        """G(E(x)), as :meth:`sample` shows its draws.

        Args:
            x: ``(N, C, H, W)`` in data space.

        Returns:
            A tensor ``(N, C, H, W)`` in [0, 1].
        """
        return self.decode(self.encode(x))

    def _inferred(self, x: Tensor) -> Tensor:
        values = self.encoder(x)
        wanted = (len(x), self.latent.size)
        if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
            raise UserError(
                f"the encoder ({name_of(self.encoder)}) gives {described(values)} for {len(x)} images: expected "
                f"(N, latent_size) = {wanted}."
            )
        return self.latent.onto_support(values.to(self._float_dtype))

    def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """The images of a batch; its labels, where it has any, are not used.

        Args:
            batch: What the loader gives.
        """
        return examples_of(batch), None


def _check_size(encoder: nn.Module, latent: Latent) -> None:
    size = getattr(encoder, "latent_size", latent.size)
    if size != latent.size:
        raise UserError(
            f"the encoder's latent_size = {size} but the generator's latent_size = {latent.size}: expected the same "
            f"number, as by --model.init_args.encoder.init_args.latent_size {latent.size}."
        )
