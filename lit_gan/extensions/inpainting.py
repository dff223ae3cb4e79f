"""The third extension of the paper: all conditionals p(x_S | x_not-S), S any subset of the pixels, by one network."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lit_gan.data.base import InMemoryDataModule
from lit_gan.engine.batches import described, examples_of
from lit_gan.engine.jsonargparse_seam import default_instance
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.extensions.masks import MaskMixture, MaskRows
from lit_gan.functional.display import to_display_range
from lit_gan.gan import GAN
from lit_gan.latents import LatentTable
from lit_gan.randomness import stream

_MIXTURE: MaskMixture = default_instance(MaskMixture)


class InpaintingGAN(GAN):
    r"""A GAN that fills in what is hidden of an image: a family of conditional models that share their parameters.

    With a mask m, 1 where a pixel is visible,

    .. math:: \hat x = m \odot x + (1 - m) \odot G(z, m \odot x, m)

    so what is visible stays exactly; D tells :math:`(\hat x, m)` from :math:`(x, m)`. In training each example has a
    mask of its own, drawn from a mixture of families; afterwards any mask will do, and each z gives another completion.
    Without anything visible it is a GAN as any other: that is what ``sample`` draws. An ``augment`` changes images, not
    masks: one that moves pixels about, as ``DiffAugment`` does, would put them beside their masks.

    Args:
        generator: G with ``condition_size = (C + 1) * H * W``, the visible pixels and the mask in a row:
            ``generator(z, visible_and_mask)``.
        discriminator: D with ``condition_size = H * W``: ``discriminator(x, mask)``.
        masks: What masks are drawn from; ``MaskMixture()`` by default, and where it is ``None``.
        diversity_weight: :math:`\lambda` of a further term of G's loss,
            :math:`-\lambda E \|G(z_1) - G(z_2)\|_1 / \|z_1 - z_2\|_1` (means over pixels, over coordinates), which
            keeps G from passing over z; 0 for none.
        **kwargs: As for :class:`lit_gan.GAN`.

    Raises:
        UserError: If ``diversity_weight`` is negative.

    Example:
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,), condition_size=128)
        >>> gan = InpaintingGAN(generator, MaxoutDiscriminator((1, 8, 8), hidden=(8,), condition_size=64))
        >>> mask = torch.zeros(8, 8)
        >>> mask[:, :4] = 1
        >>> gan.complete(torch.rand(3, 1, 8, 8), mask, num=5).shape
        torch.Size([3, 5, 1, 8, 8])

    Reference:
        Goodfellow et al. 2014, section 7, extension 3. Pathak et al. 2016, *Context Encoders*; the diversity term: Mao
        et al. 2019, *Mode Seeking Generative Adversarial Networks*.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        masks: MaskMixture | None = _MIXTURE,
        diversity_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator, discriminator, **kwargs)
        if not 0 <= diversity_weight < float("inf"):
            raise UserError(f"diversity_weight = {diversity_weight}: expected 0 (no such term) or more.")
        self.masks = masks if masks and masks is not _MIXTURE else MaskMixture()
        self.diversity_weight = diversity_weight

    # -- What a subclass of GAN overrides ---------------------------------------------------------------------------

    def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """The images, and as their condition what is visible of each and its mask, ``(N, C + 1, H, W)``."""
        x = examples_of(batch)
        return x, self.visible(x, self._drawn_masks(x).to(x)) if x.ndim == 4 else None

    def sample_condition(self, num: int) -> Tensor:
        """Nothing is visible of any sample."""
        shape = getattr(self.generator, "image_shape", None)
        if shape is None:
            raise UserError(
                "sampling from nothing visible needs the generator's image_shape, which "
                f"{type(self.generator).__name__} does not have: give it that attribute."
            )
        channels, height, width = shape
        return torch.zeros(num, channels + 1, height, width)

    def statistics_condition(self, num: int) -> Tensor | None:
        """Training images under masks as in training; ``None`` where no data module has them in memory."""
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, InMemoryDataModule):
            return None
        known = data.images("train", num).to(self.device, self._float_dtype)
        x = known[torch.arange(num) % len(known)]
        drawn = LatentTable(MaskRows(self.masks, *x.shape[-2:]), self._float_dtype, self.seed, "masks of statistics")
        return self.visible(x, drawn.rows(range(num)).view(num, 1, *x.shape[-2:]))

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Images whose visible part is that of the condition, and whose hidden part is G's."""
        condition = self.sample_condition(len(z)) if condition is None else condition
        condition = condition.to(z.device, self._float_dtype)
        visible, mask = condition[:, :-1], condition[:, -1:]
        made: Tensor = self.generator(z, condition.flatten(1))
        return torch.where(mask > 0, visible, made.to(visible.dtype))

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits that ``x`` are whole examples, their masks known.

        Args:
            x: ``(N, C, H, W)`` in data space.
            condition: As of :meth:`split_batch`.

        Returns:
            A tensor ``(N, 1)``.

        Raises:
            UserError: Without a condition.
        """
        if condition is None:
            raise UserError(
                "the discriminator of an InpaintingGAN needs the masks: expected condition=gan.visible(x, mask)."
            )
        return self.discriminator(x, condition[:, -1].flatten(1))  # type: ignore[no-any-return]

    def auxiliary_loss(self, turn: Turn) -> Tensor | None:
        """The diversity term, in G's turn: two completions of each image."""
        if turn.player != "generator" or not self.diversity_weight:
            return None
        draw = partial(self.latent.sample, generator=turn.rng, dtype=self._float_dtype)
        one, other = turn.drawn(draw), turn.drawn(draw)
        images = [self.generate(z, turn.condition) for z in (one, other)]
        apart = (images[0] - images[1]).abs().flatten(1).mean(1) / (one - other).abs().mean(1)
        return -self.diversity_weight * apart.mean()

    # -- Completions ------------------------------------------------------------------------------------------------

    def visible(self, x: Tensor, mask: Tensor) -> Tensor:
        """What networks are told of images under a mask.

        Args:
            x: ``(N, C, H, W)`` in data space.
            mask: ``(N, 1, H, W)``, ``(1, H, W)`` or ``(H, W)`` of 0 and 1, or of truth values; 1 is visible.

        Returns:
            A tensor ``(N, C + 1, H, W)``: the visible pixels, 0 elsewhere, and the mask.

        Raises:
            UserError: If the mask has another shape, or other values.
        """
        side = tuple(x.shape[-2:])
        if tuple(mask.shape) not in (side, (1, *side), (len(x), 1, *side), (1, 1, *side)):
            raise UserError(f"the mask is {described(mask)}: expected the height and the width of the images, {side}.")
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise UserError("the mask holds other values than 0 (hidden) and 1 (visible).")
        mask = mask.to(x).expand(len(x), 1, *side)
        return torch.cat([torch.where(mask > 0, x, torch.zeros_like(x)), mask], dim=1)

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor, num: int = 1, *, rng: int | torch.Generator | None = None) -> Tensor:
        """Fills in what is hidden of images, several times; shown as :meth:`sample` shows its draws.

        Args:
            x: ``(N, C, H, W)`` in data space; what is hidden of it is not looked at.
            mask: As of :meth:`visible`: ``(H, W)``, or one for each image.
            num: Completions of each image.
            rng: A seed or a generator; torch's global one if ``None``.

        Returns:
            A tensor ``(N, num, C, H, W)`` in [0, 1].

        Raises:
            UserError: If ``num`` is below 1, or the mask cannot be used.
        """
        if num < 1:
            raise UserError(f"num = {num}: expected at least 1 completion.")
        condition = self.visible(x.to(self.device, self._float_dtype), mask.to(self.device))
        rows = condition.repeat_interleave(num, dim=0)
        completed = self.sample_data(len(rows), rng=rng, condition=rows)
        shown = to_display_range(completed, self.value_range)
        return shown.view(len(x), num, *shown.shape[1:])

    def _drawn_masks(self, x: Tensor) -> Tensor:
        """A mask for each example: by the round and the rank in training, by its place where it is held out."""
        rows = MaskRows(self.masks, *x.shape[-2:])
        if self._passing is not None:
            places = self._passing.next_places(len(x))
            drawn = LatentTable(rows, self._float_dtype, self.seed, "masks").rows(places)
        else:
            position = (self.global_step, self.global_rank) if self._in_round else ()
            drawn = rows.sample(len(x), generator=stream(self.seed, "masks", *position), dtype=self._float_dtype)
        return drawn.view(len(x), 1, *x.shape[-2:])
