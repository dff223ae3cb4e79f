"""What any network has to give: one tensor, a row for each row that it was given, and a way for gradients."""

from typing import Any

import torch
from torch import Tensor

from lit_gan.engine.batches import described
from lit_gan.engine.look import Look
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
        if not output.ndim or len(output) != rows:
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
