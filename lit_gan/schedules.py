"""Schedules of a player's learning rate or momentum, stepped once per round or once per epoch.

Any ``torch.optim.lr_scheduler`` can be scheduled; the paper's two are here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lit_gan.errors import UserError


@dataclass
class Schedule:
    """A scheduler and how often it steps.

    Args:
        scheduler: Builds the scheduler from the player's optimiser. In YAML: a ``class_path`` with ``init_args``.
        interval: ``"round"`` steps it after every round of Algorithm 1, ``"epoch"`` after every epoch.
        monitor: For ``ReduceLROnPlateau`` only: the logged name that it watches, say ``val/parzen_nll``.

    Raises:
        UserError: If ``interval`` is neither.

    Example:
        >>> from functools import partial
        >>> from torch.optim.lr_scheduler import StepLR
        >>> Schedule(partial(StepLR, step_size=10), interval="epoch").interval
        'epoch'
    """

    scheduler: Callable[[Optimizer], LRScheduler]
    interval: Literal["round", "epoch"] = "round"
    monitor: str | None = None

    def __post_init__(self) -> None:
        if self.interval not in ("round", "epoch"):
            raise UserError(f"schedule interval = {self.interval!r}: expected 'round' or 'epoch'.")

    def build(self, optimizer: Optimizer) -> LRScheduler:
        """Builds the scheduler.

        Args:
            optimizer: The player's optimiser.

        Returns:
            The scheduler, at its start.

        Raises:
            UserError: If the scheduler refuses its arguments or does not fit the optimiser, or if a
                ``ReduceLROnPlateau`` has nothing to monitor.
        """
        try:
            scheduler = self.scheduler(optimizer)
        except UserError:
            raise
        except (TypeError, ValueError, KeyError) as error:
            raise UserError(f"schedule {_name(self.scheduler)} cannot be built: {error}.") from error
        if isinstance(scheduler, ReduceLROnPlateau) and (self.monitor is None or self.interval != "epoch"):
            raise UserError(
                f"schedule ReduceLROnPlateau with interval {self.interval!r} and monitor {self.monitor!r}: expected "
                "interval 'epoch' and as monitor the name of a logged quantity, say 'val/jsd_bound'."
            )
        return scheduler


def _name(scheduler: object) -> str:
    return str(getattr(scheduler, "__name__", None) or getattr(scheduler, "func", scheduler))


class ExponentialDecay(LRScheduler):
    r"""The learning rate divided by ``divisor`` at every step, down to ``min_lr``.

    .. math:: \epsilon_t = \max(\epsilon_0 / c^t, \epsilon_{min})

    Args:
        optimizer: Whose rate is scheduled.
        divisor: :math:`c`, at least 1.
        min_lr: :math:`\epsilon_{min}`.

    Raises:
        UserError: If ``divisor`` is below 1 or ``min_lr`` negative.

    Reference:
        The authors' configuration files: ``ExponentialDecay(decay_factor=1.000004, min_lr=.000001)`` after every
        update.
    """

    def __init__(self, optimizer: Optimizer, divisor: float = 1.000004, min_lr: float = 1e-6) -> None:
        if divisor < 1:
            raise UserError(f"ExponentialDecay: divisor = {divisor}: expected at least 1, the rate is divided by it.")
        if min_lr < 0:
            raise UserError(f"ExponentialDecay: min_lr = {min_lr}: expected 0 or more.")
        self.divisor = divisor
        self.min_lr = min_lr
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch's union with Tensor is for capturable rates
        """The rate of each parameter group, from the closed form, so that a resumed run has it to the last bit."""
        try:
            decay = self.divisor**self.last_epoch
        except OverflowError:  # from step 7,448 on with a divisor of 1.1
            decay = math.inf
        # A rate that starts below the floor stays where it is: the floor bounds the decay, it lifts nothing.
        return [max(float(base) / decay, min(float(base), self.min_lr)) for base in self.base_lrs]


class LinearDecay(LRScheduler):
    r"""The learning rate as it is until step ``start``, then along a straight line to 0 at ``end``.

    .. math:: \epsilon_t = \epsilon_0 \cdot \mathrm{clip}((end - t) / (end - start), 0, 1)

    Steps are rounds or epochs, as the interval of the :class:`Schedule` says; in epochs, the last one of ``end`` still
    learns, at the rate :math:`\epsilon_0 / (end - start)`.

    Args:
        optimizer: Whose rate is scheduled.
        start: :math:`start`, 0 or more: the last step at the whole rate.
        end: :math:`end`: the first step at rate 0.

    Raises:
        UserError: If ``start`` is negative, or ``end`` is not after it.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        >>> LinearDecay(optimizer, start=200, end=300).get_lr()
        [0.1]

    Reference:
        Salimans et al. 2016, *Improved Techniques for Training GANs*, in the authors' code for CIFAR-10:
        ``learning_rate * min(3 - epoch / 400, 1)`` for 1,200 epochs.
    """

    def __init__(self, optimizer: Optimizer, start: int, end: int) -> None:
        if not 0 <= start < end:
            raise UserError(f"LinearDecay: start = {start}, end = {end}: expected 0 or more, and the end after it.")
        self.start = start
        self.end = end
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch's union with Tensor is for capturable rates
        """The rate of each parameter group, from the closed form, so that a resumed run has it to the last bit."""
        left = min(max((self.end - self.last_epoch) / (self.end - self.start), 0.0), 1.0)
        return [float(base) * left for base in self.base_lrs]


class MomentumRamp(LRScheduler):
    r"""Momentum that rises linearly with the epoch, from its initial value at ``start`` to ``final`` at ``saturate``.

    .. math:: \mu_e = \mu_0 + (\mu_{final} - \mu_0) \cdot \mathrm{clip}((e - start) / (saturate - start), 0, 1)

    where :math:`e = 1` is the first epoch. The learning rate is left alone.

    Args:
        optimizer: Whose momentum is scheduled; needs one (SGD has, Adam has betas).
        final: Momentum at the end, in [0, 1).
        start: The last epoch with the initial momentum.
        saturate: The first epoch with the final one.

    Raises:
        UserError: If the optimiser has no momentum, ``final`` is outside [0, 1), or ``saturate`` is not after
            ``start``.

    Reference:
        The authors' configuration files: ``MomentumAdjustor(start=1, saturate=250, final_momentum=.7)``, each epoch.
    """

    def __init__(self, optimizer: Optimizer, final: float = 0.7, start: int = 1, saturate: int = 250) -> None:
        if any("momentum" not in group for group in optimizer.param_groups):
            raise UserError(
                f"MomentumRamp: {type(optimizer).__name__} has no momentum: expected an optimiser that has, say "
                "torch.optim.SGD, or a configuration without this schedule."
            )
        if not 0 <= final < 1:
            raise UserError(f"MomentumRamp: final = {final}: expected a momentum in [0, 1).")
        if saturate <= start:
            raise UserError(f"MomentumRamp: start = {start}, saturate = {saturate}: expected start before saturate.")
        self.final = final
        self.start = start
        self.saturate = saturate
        self.initial = [float(group["momentum"]) for group in optimizer.param_groups]
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch's union with Tensor is for capturable rates
        """The rates as they are; the momenta are set on the way."""
        epoch = self.last_epoch + 1
        progress = min(max((epoch - self.start) / (self.saturate - self.start), 0.0), 1.0)
        for group, initial in zip(self.optimizer.param_groups, self.initial, strict=True):
            group["momentum"] = initial + (self.final - initial) * progress
        return [group["lr"] for group in self.optimizer.param_groups]
