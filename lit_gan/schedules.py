"""What changes while a training goes on: settings of a player's optimiser, and any other number that counts.

Any ``torch.optim.lr_scheduler`` can be scheduled, once per round or once per epoch; the paper's two are here. A number
that a penalty, an augmentation or the moving average takes may be a :class:`ScalarSchedule` as well.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
        if isinstance(scheduler, OptimizerSetting) and self.interval != "round":
            raise UserError(
                f"schedule OptimizerSetting of {scheduler.name!r} with interval {self.interval!r}: expected interval "
                "'round': its value counts rounds or images."
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

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        >>> decay = ExponentialDecay(optimizer, divisor=2.0, min_lr=0.04)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     decay.step()
        ...     print(decay.get_last_lr())
        [0.05]
        [0.04]

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

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.5)
        >>> ramp = MomentumRamp(optimizer, final=0.7, start=1, saturate=3)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     ramp.step()
        ...     print(round(optimizer.param_groups[0]["momentum"], 2))
        0.6
        0.7

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


class ScalarSchedule(ABC):
    r"""A number that goes from ``start`` to ``end``, and stays there: a function of the round alone.

    .. math:: v_t = start + (end - start) \, s(t / T)

    with the ``shape`` s from 0 to 1, and T given in ``rounds``, or in ``images``: those that G has learnt from, the
    rows of one minibatch times the number of ranks in each round, as StyleGAN2-ADA and R3GAN count. It may stand where
    a number is the weight of a penalty, the strength of an augmentation or the half-life of the moving average, and, in
    an :class:`OptimizerSetting`, for a rate, a momentum or a beta.

    Args:
        start: The number in the first round.
        end: The number from T on.
        rounds: T, in rounds.
        images: T, in images; one of the two.

    Raises:
        UserError: If a number is not finite, or not exactly one of ``rounds`` and ``images`` is given, above 0.

    Example:
        >>> class Steps(ScalarSchedule):
        ...     def shape(self, progress):
        ...         return round(2 * progress) / 2
        >>> [Steps(0.0, 1.0, rounds=100).at(round_index) for round_index in (0, 50, 100)]
        [0.0, 0.5, 1.0]
    """

    images_per_round: int | None = None
    """How many images a round has; set by the module that trains, where T is given in images."""

    def __init__(self, start: float, end: float, rounds: int | None = None, images: int | None = None) -> None:
        name = type(self).__name__
        if not (math.isfinite(start) and math.isfinite(end)):
            raise UserError(f"{name}: start = {start}, end = {end}: expected two finite numbers.")
        if (rounds is None) == (images is None):
            raise UserError(
                f"{name}: rounds = {rounds}, images = {images}: expected one of the two, and null for the other."
            )
        length = rounds if images is None else images
        if length is None or length < 1:
            raise UserError(f"{name}: {'rounds' if images is None else 'images'} = {length}: expected at least 1.")
        self.start = start
        self.end = end
        self.rounds = rounds
        self.images = images

    @abstractmethod
    def shape(self, progress: float) -> float:
        """The part of the way that is behind, from 0 to 1, where ``progress`` of T has passed, in [0, 1].

        Args:
            progress: How much of T has passed, in [0, 1].
        """

    def at(self, round_index: int) -> float:
        """The number in a round, of which ``round_index`` have ended before.

        Args:
            round_index: Rounds completed so far.

        Raises:
            UserError: If T is given in images, and nothing has said how many a round has.
        """
        if round_index == 0:
            return self.start
        length: float
        if self.images is None:
            assert self.rounds is not None  # noqa: S101 -- one of the two is there
            length = self.rounds
        elif self.images_per_round is None:
            raise UserError(
                f"{type(self).__name__}: images = {self.images}, and nothing says how many images a round has: "
                "expected a GAN that trains, or rounds in place of images."
            )
        else:
            length = self.images / self.images_per_round
        return self.start + (self.end - self.start) * self.shape(min(round_index / length, 1.0))

    def described(self) -> dict[str, Any]:
        """All that it is, in plain data, as checkpoints keep it."""
        return {"shape": type(self).__name__, **{name: getattr(self, name) for name in _OF_A_SCHEDULE}}


_OF_A_SCHEDULE = ("start", "end", "rounds", "images")


class CosineSchedule(ScalarSchedule):
    r"""Along half a period of the cosine, slow at both ends.

    .. math:: v_t = start + (end - start) \, \tfrac12 (1 - \cos(\pi \min(t / T, 1)))

    Args:
        start: See :class:`ScalarSchedule`.
        end: Likewise.
        rounds: Likewise.
        images: Likewise.

    Example:
        >>> gamma = CosineSchedule(start=1.0, end=0.3, rounds=5000)
        >>> [round(gamma.at(index), 3) for index in (0, 2500, 5000, 9000)]
        [1.0, 0.65, 0.3, 0.3]

    Reference:
        Huang et al. 2024, *The GAN is dead; long live the GAN!* (R3GAN): the rate, beta2, gamma, the half-life of the
        average and the augmentation all follow it.
    """

    def shape(self, progress: float) -> float:
        """See :meth:`ScalarSchedule.shape`."""
        return 0.5 * (1 - math.cos(math.pi * progress))


class LinearSchedule(ScalarSchedule):
    r"""Along a straight line.

    .. math:: v_t = start + (end - start) \min(t / T, 1)

    Args:
        start: See :class:`ScalarSchedule`.
        end: Likewise.
        rounds: Likewise.
        images: Likewise.

    Example:
        >>> sigma = LinearSchedule(start=0.5, end=0.3, images=100_000)
        >>> sigma.images_per_round = 100  # as a GAN sets it that trains
        >>> round(sigma.at(500), 3)
        0.4
    """

    def shape(self, progress: float) -> float:
        """See :meth:`ScalarSchedule.shape`."""
        return progress


Scalar = float | ScalarSchedule
"""A number that may be scheduled."""


def scalar_at(value: Scalar, round_index: int) -> float:
    """A number in a round, of which ``round_index`` have ended before; one that is not scheduled stays as it is.

    Example:
        >>> scalar_at(10.0, 7), scalar_at(LinearSchedule(0.0, 1.0, rounds=4), 1)
        (10.0, 0.25)
    """
    return value.at(round_index) if isinstance(value, ScalarSchedule) else value


def ends_of(value: Scalar) -> tuple[float, ...]:
    """Between which numbers it stays: two of a schedule, one of a number. An argument's range holds for both."""
    return (value.start, value.end) if isinstance(value, ScalarSchedule) else (value,)


def schedules_in(parts: Iterable[object]) -> Iterator[ScalarSchedule]:
    """The schedules among the attributes of some objects."""
    for part in parts:
        attributes = getattr(part, "__dict__", {})
        yield from (value for value in attributes.values() if isinstance(value, ScalarSchedule))


_BETAS = ("beta1", "beta2")


class OptimizerSetting(LRScheduler):
    r"""Any number of an optimiser along a :class:`ScalarSchedule`, whatever the optimiser was given for it.

    Args:
        optimizer: Whose setting is scheduled.
        name: Which: ``lr``, ``momentum``, ``weight_decay``, ... as in the optimiser's groups, or ``beta1`` or ``beta2``
            of its betas.
        value: The schedule.

    Raises:
        UserError: If the optimiser has no such setting.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.1, betas=(0.0, 0.9))
        >>> scheduler = OptimizerSetting(optimizer, "beta2", CosineSchedule(0.9, 0.99, rounds=2))
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> optimizer.param_groups[0]["betas"]
        (0.0, 0.99)
    """

    def __init__(self, optimizer: Optimizer, name: str, value: ScalarSchedule) -> None:
        for group in optimizer.param_groups:
            known = [key for key, each in group.items() if isinstance(each, float | int) and key != "initial_lr"]
            known = [key for key in known if not isinstance(group[key], bool)]
            known += _BETAS if len(group.get("betas") or ()) == 2 else []
            if name not in known:
                raise UserError(
                    f"OptimizerSetting: {type(optimizer).__name__} has no {name!r}: expected one of "
                    f"{', '.join(sorted(known))}."
                )
        self.name = name
        self.value = value
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch's union with Tensor is for capturable rates
        """The rate of each parameter group; any other setting is set on the way."""
        now = self.value.at(self.last_epoch)
        if self.name == "lr":
            return [now for _ in self.optimizer.param_groups]
        for group in self.optimizer.param_groups:
            if self.name in _BETAS:
                group["betas"] = tuple(now if self.name == beta else group["betas"][n] for n, beta in enumerate(_BETAS))
            else:
                group[self.name] = now
        return [group["lr"] for group in self.optimizer.param_groups]

    def in_group(self, group: Mapping[str, Any]) -> Any:
        """The setting as a group of the optimiser's has it.

        Args:
            group: Of ``optimizer.param_groups``.
        """
        return group["betas"][_BETAS.index(self.name)] if self.name in _BETAS else group[self.name]

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, and the schedule in plain data: what a checkpoint may hold."""
        state = {name: value for name, value in super().state_dict().items() if name != "value"}
        counted = self.value.images_per_round
        return {**state, "described": self.value.described()} | ({"images_per_round": counted} if counted else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where that one stood, along the schedule that is asked for now."""
        self.value.images_per_round = state_dict.get("images_per_round") or self.value.images_per_round
        own = ("described", "images_per_round")
        super().load_state_dict({name: value for name, value in state_dict.items() if name not in own})
