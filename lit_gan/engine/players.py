"""A player of a game: a network with its optimiser, schedules, clipping and constraints."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lit_gan.engine.optimizer_settings import ConfiguredOptimizer, Settings
from lit_gan.engine.optimizer_state import check_taken_back
from lit_gan.errors import UserError
from lit_gan.schedules import Schedule

# The optimisers with a fused kernel on each of these kinds of device (torch's documentation of `fused`).
_FUSED_OPTIMIZERS = (SGD, Adam, AdamW)
_FUSED_DEVICES = ("cpu", "cuda", "xpu", "mps")


class Player:
    """One side of the game, all but its loss; its arguments are those of :meth:`RoundModule.add_player`.

    Not a module: the network stays where it was in the module tree, so that checkpoint keys never depend on this class.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedules: Sequence[Schedule] = (),
        clip: float | None = None,
        short: str | None = None,
    ) -> None:
        self.name = name
        self.short = short or name
        if clip is not None and not 0 < clip < math.inf:
            whose = self.argument("clip") if short else f"clip of the {name}"
            raise UserError(f"{whose} = {clip}: expected a positive norm, or null for no clipping.")
        self.network = network
        self.clip = clip
        self.schedules = tuple(schedules)
        self.schedulers: list[LRScheduler] = []
        self._make_optimizer = optimizer
        # Any module may constrain its weights (see networks/constraints.py); a wrapper of torch.compile only seems to.
        modules = [module for module in network.modules() if "_orig_mod" not in dict(module.named_children())]
        self._constrained: list[Any] = [module for module in modules if hasattr(module, "constrain_")]
        self.build_optimizer()  # a bad rate is told at once, not when the first round starts

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trainable parameters of this player alone."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def build_optimizer(self) -> Optimizer:
        """A fresh optimiser over this player's parameters, and the schedulers on it."""
        self._weights = list(self.network.parameters())  # a walk over a small network is a percent of its round
        optimizer = self._configured_optimizer()
        self.settings, self.schedulers = Settings.of(optimizer, self.schedules)
        _prefer_fused(optimizer)
        optimizer.register_load_state_dict_post_hook(partial(check_taken_back, player=self.name))
        return optimizer

    def _configured_optimizer(self) -> Optimizer:
        if not self.parameters:
            raise UserError(f"the {self.name} has no trainable parameters: expected a network that can learn.")
        try:
            return self._make_optimizer(self.parameters)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.argument('optimizer')} of the {self.name}: {error}.") from error

    def argument(self, name: str) -> str:
        """What an argument of the player is called where a module takes it, as in ``optimizer_g``."""
        return name if self.short == self.name else f"{name}_{self.short}"

    @property
    def configured(self) -> ConfiguredOptimizer:
        """What the configuration asks of the optimiser and the schedules, whatever a checkpoint has."""
        return ConfiguredOptimizer(self.name, self._configured_optimizer, self.schedules, self.argument("optimizer"))

    @property
    def lightning_schedulers(self) -> list[dict[str, Any]]:
        """The schedulers of :attr:`schedules`, as Lightning takes them from ``configure_optimizers``."""
        return [
            {"scheduler": scheduler, "interval": "step" if schedule.interval == "round" else "epoch"}
            for schedule, scheduler in zip(self.schedules, self.schedulers, strict=True)
        ]

    def step_schedules(self, interval: str) -> None:
        """Steps the schedules of ``interval`` (``"round"`` or ``"epoch"``), but those that watch a metric."""
        for schedule, scheduler in zip(self.schedules, self.schedulers, strict=True):
            if schedule.interval == interval and not isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step()

    def step_plateau_schedules(self, metrics: dict[str, Any], *, validated: bool) -> None:
        """Steps the schedules that watch a logged metric."""
        for schedule, scheduler in zip(self.schedules, self.schedulers, strict=True):
            if isinstance(scheduler, ReduceLROnPlateau):
                if str(schedule.monitor).startswith("val/") and not validated:
                    continue
                if schedule.monitor not in metrics:
                    raise UserError(
                        f"schedule ReduceLROnPlateau monitors {schedule.monitor!r}, which is not logged: "
                        f"expected one of {', '.join(sorted(metrics))}."
                    )
                scheduler.step(float(metrics[schedule.monitor]))

    def clip_gradients(self) -> None:
        """Scales the gradient onto the ball of radius ``clip``."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)

    def constrain(self) -> None:
        """Lets every constrained module put its weights back where they may be."""
        for module in self._constrained:
            module.constrain_()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No gradients into this player's weights; what was trainable is so again afterwards, errors included."""
        trainable = [parameter for parameter in self._weights if parameter.requires_grad]
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in trainable:
                parameter.requires_grad_(True)


def clear_gradients(optimizer: Optimizer) -> None:
    """As torch's own ``zero_grad``, which tells the profiler and the compiler, too: that takes ten times as long."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _prefer_fused(optimizer: Optimizer) -> None:
    """One kernel for the whole update, where there is one and the user chose none: twice as fast on the MNIST nets."""
    if type(optimizer) not in _FUSED_OPTIMIZERS:
        return
    for group in optimizer.param_groups:
        undecided = group.get("fused") is None and group.get("foreach") is None
        plain = not group.get("differentiable") and not group.get("capturable")
        if undecided and plain and all(_has_fused_kernel(parameter) for parameter in group["params"]):
            group["fused"] = True


def _has_fused_kernel(parameter: nn.Parameter) -> bool:
    return parameter.is_floating_point() and parameter.device.type in _FUSED_DEVICES
