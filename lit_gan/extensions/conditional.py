"""The first extension of the paper: p(x | c), by giving the class c to both players."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.engine.batches import examples_of, labels_of
from lit_gan.errors import UserError
from lit_gan.gan import GAN


class ConditionalGAN(GAN):
    """A GAN whose players both see the class of each example, one-hot.

    Sampling without a condition gives every class its equal share, in order: a grid shows one class per row.

    Args:
        generator: G with ``condition_size = num_classes``: ``generator(z, one_hot)``.
        discriminator: D with ``condition_size = num_classes``: ``discriminator(x, one_hot)``.
        num_classes: How many classes the labels name, ``0 .. num_classes - 1``.
        **kwargs: As for :class:`lit_gan.GAN`.

    Raises:
        UserError: If there are fewer than two classes, as with data that have no labels.

    Reference:
        Goodfellow et al. 2014, section 7, extension 1.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, num_classes: int, **kwargs: Any) -> None:
        super().__init__(generator, discriminator, **kwargs)
        if num_classes < 2:
            raise UserError(f"num_classes = {num_classes}: expected data with labels of at least 2 classes.")
        self.num_classes = num_classes

    def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """Images and labels ``(N,)``, told by their places or by their usual names, such as ``image`` and ``label``.

        Raises:
            UserError: If the batch lacks one of the two, or more than one thing in it could be that.
        """
        return examples_of(batch), labels_of(batch)

    def sample_condition(self, num: int) -> Tensor:
        """Every class in its turn, each with its equal share of the ``num`` samples."""
        return torch.arange(num) * self.num_classes // num

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Samples of the classes ``condition`` ``(N,)``."""
        labels = self.sample_condition(len(z)) if condition is None else condition
        return self.generator(z, self._one_hot(labels))  # type: ignore[no-any-return]

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits that ``x`` are examples of the classes ``condition``.

        Args:
            x: ``(N, C, H, W)`` in data space.
            condition: The classes, ``(N,)``.

        Returns:
            A tensor ``(N, 1)``.

        Raises:
            UserError: Without classes.
        """
        if condition is None:
            raise UserError("a conditional discriminator needs the class of each example: expected condition=labels.")
        return self.discriminator(x, self._one_hot(condition))  # type: ignore[no-any-return]

    def _one_hot(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels.to(self.device, torch.long), self.num_classes).to(self.dtype)
