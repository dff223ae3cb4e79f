"""Optimisers for games, where a player's gradient turns with the other's moves.

Any ``torch.optim`` optimiser moves a player; here is what torch has not.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adam import adam

from lit_gan.errors import UserError


class OptimisticAdam(Optimizer):
    r"""Adam that steps against where it was: it expects the next direction to differ as this one differs from the last.

    .. math:: \theta_{t+1} = \theta_t - 2 \eta d_t + \eta d_{t-1}, \qquad d_t = \hat m_t / (\sqrt{\hat v_t} + \epsilon)

    with Adam's moments and :math:`d_{-1} = 0`. Where players circle around a solution, as in
    :math:`\min_x \max_y xy`, gradient steps spiral outwards and these inwards, at no further gradient. While the
    direction stays the same, a step is Adam's. Where :math:`\beta_1 = 0` and :math:`\epsilon` is far above the
    gradients, it is optimistic gradient descent at the rate :math:`\eta / \epsilon`.

    Args:
        params: The player's parameters, or groups of them.
        lr: :math:`\eta`, at least 0; a schedule moves it for both directions.
        betas: Decays of Adam's two moments, in [0, 1).
        eps: :math:`\epsilon`, at least 0.
        weight_decay: So many times the weights are added to the gradient.

    Raises:
        UserError: If a number is outside its range.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = OptimisticAdam([weight], lr=0.1, betas=(0.0, 0.9))
        >>> for _ in range(2):
        ...     weight.grad = torch.tensor([3.0])
        ...     optimizer.step()
        ...     print(round(weight.item(), 4))
        0.8
        0.7

    Reference:
        Daskalakis, Ilyas, Syrgkanis and Zeng 2018, *Training GANs with Optimism*, algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not 0 <= value < float("inf"):
                raise UserError(f"OptimisticAdam {name} = {value}: expected a number of at least 0")
        betas = (float(betas[0]), float(betas[1]))
        if not all(0 <= beta < 1 for beta in betas):
            raise UserError(f"OptimisticAdam betas = {betas}: expected two numbers in [0, 1)")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Moves the weights.

        Args:
            closure: Evaluates the loss anew and its gradients, if given.

        Returns:
            The closure's loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return
        states = [self._state_of(weight) for weight in weights]
        decay = group["weight_decay"]
        beta1, beta2 = group["betas"]
        # Adam itself moves a weight of 0 at the rate -1: to its direction.
        directions = [torch.zeros_like(weight) for weight in weights]
        adam(
            directions,
            [weight.grad if decay == 0 else weight.grad.add(weight, alpha=decay) for weight in weights],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=-1.0,
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )
        for weight, direction, state in zip(weights, directions, states, strict=True):
            change = direction.mul(2).sub_(state["direction"])
            weight.sub_(change.mul_(group["lr"]))
            state["direction"] = direction  # a tensor of this step alone: nothing else writes to it

    def _state_of(self, weight: Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # on the CPU, as torch's own: nothing waits for the device
            for name in ("exp_avg", "exp_avg_sq", "direction"):
                state[name] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        return state
