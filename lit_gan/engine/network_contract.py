"""What a network has to give: one tensor, a row for each row that it was given, and a way for gradients; and D."""

from typing import Any

import torch
from torch import Tensor, nn

from lit_gan.engine.batches import described
from lit_gan.engine.extents import extent
from lit_gan.engine.look import Look
from lit_gan.engine.value_ranges import name_of
from lit_gan.errors import UserError


class NetworkContract:
    """Holds what a network gives to rows of finite floating-point numbers, through which gradients flow."""

    #: What the network gives.
    kind: str
    #: Of what it gives one tensor, and what to do where it gives more.
    one_tensor: str
    #: What it is given.
    given: str
    #: What the rows are.
    rows: str
    #: What is wrong where no gradient flows.
    cut_off: str

    def __init__(self, name: str, look: Look) -> None:
        self.name = name
        self._look = look

    def hint(self, error: Exception) -> str:
        """What may mend a network that fails, for the end of a message."""
        return ""

    def _check_form(self, output: Any, rows: int) -> None:
        if not isinstance(output, Tensor):
            raise UserError(f"{self.name} gives {described(output)}: expected one tensor of {self.one_tensor}.")
        if not output.ndim or output.shape[0] != rows:
            raise UserError(
                f"{self.name} gives {described(output)} for {rows} {self.given}: expected {rows} rows, {self.rows}."
            )
        if not output.is_floating_point():
            raise UserError(
                f"{self.name} gives {described(output)}: expected floating-point {self.kind}, through which gradients "
                "flow."
            )

    def _check_gradient(self, output: Tensor) -> None:
        if torch.is_grad_enabled() and not output.requires_grad:
            raise UserError(
                f"{self.name} gives {self.kind} that {self.cut_off} look for no_grad, detach, .data, argmax or "
                "rounding in it."
            )

    def _not_finite(self) -> UserError:
        return UserError(
            f"{self.name} gives {self.kind} that are not finite (NaN or inf) before anything is trained: look at its "
            "initial weights, or the checkpoint that they come from."
        )


class LogitContract(NetworkContract):
    """Holds what D says to what objectives take."""

    kind = "logits"
    one_tensor = (
        "logits, a row for each example; where the network gives more, let the method discriminate of a subclass of "
        "the GAN bring it down to one, say by `torch.cat([each.flatten(1) for each in ...], dim=1)`"
    )
    given = "images"
    rows = "(N, 1), (N,) or a map (N, 1, h, w); look for a mean over the batch or a reshape that mixes rows"
    cut_off = "no gradient flows through, neither to its weights nor to G's:"

    def __init__(self, discriminator: nn.Module | None, look: Look) -> None:
        super().__init__(f"the discriminator ({name_of(discriminator)})", look)

    def hint(self, error: Exception) -> str:
        """The data's shape is not the network's."""
        if isinstance(error, RuntimeError):
            return (
                "; expected a network for such data: with image_shape among the arguments of its __init__, the command "
                "line tells it the data's"
            )
        return ""

    def check(self, logits: Any, rows: int, gradient: bool = True) -> None:
        """What D must say; and whether a gradient must flow through."""
        self._check_form(logits, rows)
        if self._look.closely:
            if gradient:
                self._check_gradient(logits)
            if self._look.split == "training" and extent(logits) is None:
                raise self._not_finite()


class FeatureContract(LogitContract):
    """Holds what D sees in images to what an objective that matches features takes."""

    kind = "features"
    one_tensor = "features, a row for each image"
    rows = "(N, F); look for a mean over the batch or a reshape that mixes rows"
    cut_off = "no gradient flows through to G:"

    def __init__(self, discriminator: nn.Module | None, look: Look) -> None:
        super().__init__(discriminator, look)
        self.name = f"features of {self.name}"


def check_loss(loss: Any, whose: str) -> None:
    """What an objective must give."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise UserError(f"{whose} gives {described(loss)}: expected a scalar, as by .mean().")
