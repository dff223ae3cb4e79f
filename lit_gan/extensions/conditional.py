"""The first extension of the paper: p(x | c), by giving the condition c to both players."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.engine.batches import conditions_of, examples_of, labels_of
from lit_gan.errors import UserError
from lit_gan.gan import GAN


class ConditionalGAN(GAN):
    """A GAN whose players both see what each example is conditioned on: its class, or any vector or image.

    Sampling without a condition gives every class its equal share, in order: a grid shows one class per row. Of
    conditions that are no classes, those of the first minibatch of the training are taken in their turn; they are in
    the checkpoint.

    Args:
        generator: G, ``generator(z, condition)``. A class comes one-hot, ``(N, num_classes)``; anything else as the
            batch has it. The package's networks take vectors of ``condition_size`` columns, and images of as many
            values.
        discriminator: D, ``discriminator(x, condition)``, likewise.
        num_classes: How many classes the labels name, ``0 .. num_classes - 1``; None for conditions ``(N, ...)`` that
            are vectors or images.
        **kwargs: As for :class:`lit_gan.GAN`.

    Raises:
        UserError: If there are fewer than two classes, as with data that have no labels.

    Example:
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> networks = MLPGenerator((1, 8, 8), condition_size=16), MaxoutDiscriminator((1, 8, 8), condition_size=16)
        >>> gan = ConditionalGAN(*networks)  # on images of 4x4 pixels
        >>> gan.sample(2, condition=torch.rand(2, 1, 4, 4)).shape
        torch.Size([2, 1, 8, 8])

    Reference:
        Goodfellow et al. 2014, section 7, extension 1.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, num_classes: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(generator, discriminator, **kwargs)
        if num_classes is not None and num_classes < 2:
            raise UserError(f"num_classes = {num_classes}: expected data with labels of at least 2 classes.")
        self.num_classes = num_classes
        self.register_buffer("conditions_seen", None)

    def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """Images and labels ``(N,)``, or other conditions, told by their places or by their usual names.

        Raises:
            UserError: If the batch lacks one of the two, or more than one thing in it could be that.
        """
        return examples_of(batch), conditions_of(batch) if self.num_classes is None else labels_of(batch)

    def sample_condition(self, num: int) -> Tensor:
        """Every class in its turn, each with its equal share of the ``num`` samples; so, too, conditions seen before.

        Raises:
            UserError: If the conditions are no classes, and none has been seen.
        """
        known: Any = torch.arange(self.num_classes or 0) if self.conditions_seen is None else self.conditions_seen
        if not len(known):
            raise UserError("no condition: expected condition=..., one row for each sample, before the first batch.")
        return known[torch.arange(num) * len(known) // num]  # type: ignore[no-any-return]

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Samples under the conditions: classes ``(N,)``, or ``(N, ...)`` of another kind."""
        condition = self.sample_condition(len(z)) if condition is None else condition
        return self.generator(z, self._as_input(condition))  # type: ignore[no-any-return]

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits that ``x`` are examples under the conditions.

        Args:
            x: ``(N, C, H, W)`` in data space.
            condition: The classes, ``(N,)``, or ``(N, ...)`` of another kind.

        Returns:
            A tensor ``(N, 1)``.

        Raises:
            UserError: Without conditions.
        """
        if condition is None:
            raise UserError("a conditional discriminator needs the class of each example: expected condition=labels.")
        return self.discriminator(x, self._as_input(condition))  # type: ignore[no-any-return]

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Keeps the conditions of the first minibatch, the same on every rank, where they are no classes."""
        super().on_train_batch_start(batch, batch_idx)
        if self.num_classes is None and not isinstance(self.conditions_seen, Tensor):
            self.register_buffer("conditions_seen", self.trainer.strategy.broadcast(self.split_batch(batch)[1]))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Has room for the conditions that were kept, before the weights are loaded."""
        super().on_load_checkpoint(checkpoint)
        self.register_buffer("conditions_seen", checkpoint["state_dict"].get("conditions_seen"))

    def _as_input(self, condition: Tensor) -> Tensor:
        given = condition.to(self.device)
        return (given if self.num_classes is None else F.one_hot(given.long(), self.num_classes)).to(self.dtype)
