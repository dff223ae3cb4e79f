"""What a player's optimiser and schedules were asked to be, kept apart from what they have become.

A checkpoint holds the state of both, and state holds settings: the rate beside the moments. So the settings are kept
a second time, as they were asked for; where a new run asks for others, its own are put into the state.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lit_gan.errors import UserError
from lit_gan.schedules import OptimizerSetting, Schedule

#: The groups of an optimiser by their hyper-parameters: all but the weights themselves.
Groups = list[dict[str, Any]]
_WEIGHTS = ("params", "param_names")
# Our choice for the device where nobody asked for one: see `players`.
_OURS = "fused"


@dataclass(frozen=True)
class Settings:
    """What was asked for, as plain data.

    Args:
        optimizer: The optimiser's class.
        groups: The hyper-parameters of its groups, before any schedule has moved them.
        schedules: Of each schedule its class, its interval, what it monitors, and its state at the start.
    """

    optimizer: str
    groups: Groups
    schedules: list[dict[str, Any]]

    @classmethod
    def of(cls, optimizer: Optimizer, schedules: Sequence[Schedule]) -> tuple["Settings", list[LRScheduler]]:
        """Builds the schedulers on a fresh optimiser, and notes how both begin."""
        groups = groups_of(optimizer)
        schedulers = [schedule.build(optimizer) for schedule in schedules]
        return cls(_name(optimizer), groups, _starts(schedules, schedulers)), schedulers


@dataclass(frozen=True)
class Progress:
    """How far a training is, and how many images a round of it has, where that is known."""

    rounds: int
    epochs: int
    images: int | None = None


def groups_of(optimizer: Optimizer) -> Groups:
    """A copy of the optimiser's hyper-parameters, by group."""
    return [{name: deepcopy(group[name]) for name in group if name not in _WEIGHTS} for group in optimizer.param_groups]


class ConfiguredOptimizer:
    """What a player's configuration asks for, and what it makes of the state in a checkpoint.

    Args:
        player: The player's name, for errors.
        make: Builds a fresh optimiser.
        schedules: Its schedules.
        argument: What the optimiser is given as.
    """

    def __init__(
        self,
        player: str,
        make: Callable[[], Optimizer],
        schedules: Sequence[Schedule],
        argument: str = "optimizer",
    ) -> None:
        self._player = player
        self._make = make
        self._schedules = tuple(schedules)
        self._argument = argument

    def on(self, groups: Groups) -> Settings:
        """The settings with the hyper-parameters of another optimiser of this kind."""
        return _Start(self._make, self._schedules, groups).settings

    def put_into(
        self, optimizer_state: dict[str, Any], scheduler_states: list[Any], recorded: Settings, progress: Progress
    ) -> list[Any]:
        """Puts the settings that are asked for into the state that is restored, where they are others.

        The moments stay. A rate that schedules move is that which it would be by now under what is asked for, times
        what a ``ReduceLROnPlateau`` has made of it so far. Where everything is as it was, nothing is touched.
        """
        asked = _Start(self._make, self._schedules).settings
        self._check_kind(asked, recorded)
        start = _Start(self._make, self._schedules, recorded.groups)
        same_schedules = same(start.settings.schedules, recorded.schedules)
        if same_schedules and same(asked.groups, recorded.groups):
            return scheduler_states
        new = _Start(self._make, self._schedules).after(progress, scheduler_states)
        if same_schedules:
            return _merge(optimizer_state, scheduler_states, start.after(progress, scheduler_states), new)
        for group, wanted in zip(optimizer_state["param_groups"], new.groups, strict=True):
            kept = (*_WEIGHTS, _OURS) if wanted.get(_OURS) is None else _WEIGHTS
            weights = {name: group[name] for name in kept if name in group}
            group.clear()
            group.update(wanted | weights)
        return new.states

    def _check_kind(self, asked: Settings, recorded: Settings) -> None:
        if asked.optimizer != recorded.optimizer:
            raise UserError(
                f"the {self._player}'s optimiser was {recorded.optimizer} and is to be {asked.optimizer}, which cannot "
                f"go on from its moments: {self._way_out}."
            )
        if len(asked.groups) != len(recorded.groups):
            raise UserError(
                f"the {self._player}'s optimiser had {len(recorded.groups)} groups of parameters and is to have "
                f"{len(asked.groups)}: {self._way_out}."
            )

    @property
    def _way_out(self) -> str:
        """What a user can do whose optimiser does not fit."""
        return (
            f"give {self._argument} as it was, or begin anew with the weights alone (--init_from PATH in "
            "place of --ckpt_path; in Python load_from_checkpoint, then fit without ckpt_path)"
        )


@dataclass(frozen=True)
class _Moment:
    """Groups and schedulers after some rounds."""

    groups: Groups
    states: list[Any]
    watching: bool  # whether one of the schedulers follows a metric, and was left where it begins


class _Start:
    """A player's optimiser and schedulers at the start of a training, to be moved on without training."""

    def __init__(
        self, make: Callable[[], Optimizer], schedules: Sequence[Schedule], groups: Groups | None = None
    ) -> None:
        self._optimizer = make()
        for group, given in zip(self._optimizer.param_groups, groups or [], strict=False):
            group.update(deepcopy(given))
        self._schedules = schedules
        self.settings, self._schedulers = Settings.of(self._optimizer, schedules)

    def after(self, progress: Progress, scheduler_states: Sequence[Mapping[str, Any]]) -> _Moment:
        """Groups and schedulers after as many steps as a training takes until then, from the states that it left."""
        counted = [state["images_per_round"] for state in scheduler_states if "images_per_round" in state]
        images = counted[0] if counted else progress.images
        for scheduler in self._schedulers:
            if isinstance(scheduler, OptimizerSetting):
                if scheduler.value.images is not None and images is None:
                    raise UserError(
                        "a schedule by images is new, and the checkpoint does not tell how many images a round has: "
                        "expected rounds in place of images; or begin anew with the weights alone (--init_from PATH in "
                        "place of --ckpt_path)."
                    )
                scheduler.value.images_per_round = images
        by_round, by_epoch = self._moved("round"), self._moved("epoch")
        with _without_optimizer_steps():
            ended = 0
            # Rounds and epochs in turn, as in training: some schedules build upon the rate that others have left.
            for number in range(1, progress.rounds + 1) if by_round else ():
                for scheduler in by_round:
                    scheduler.step()
                while by_epoch and ended < progress.epochs * number // progress.rounds:
                    for scheduler in by_epoch:
                        scheduler.step()
                    ended += 1
            for _ in range(ended, progress.epochs):
                for scheduler in by_epoch:
                    scheduler.step()
        watching = any(isinstance(scheduler, ReduceLROnPlateau) for scheduler in self._schedulers)
        return _Moment(groups_of(self._optimizer), [deepcopy(each.state_dict()) for each in self._schedulers], watching)

    def _moved(self, interval: str) -> list[LRScheduler]:
        return [
            scheduler
            for schedule, scheduler in zip(self._schedules, self._schedulers, strict=True)
            if schedule.interval == interval and not isinstance(scheduler, ReduceLROnPlateau)
        ]


def _merge(optimizer_state: dict[str, Any], scheduler_states: list[Any], old: _Moment, new: _Moment) -> list[Any]:
    """Changes what the new settings make different by now, and nothing else: an equal number keeps its bits."""
    for group, before, now in zip(optimizer_state["param_groups"], old.groups, new.groups, strict=True):
        for name, value in now.items():
            if name in before and same(before[name], value):
                continue
            reduced = new.watching and name == "lr" and name in group and float(before[name]) != 0
            group[name] = value * (float(group[name]) / float(before[name])) if reduced else value
    rates = [group["lr"] for group in optimizer_state["param_groups"] if "lr" in group]
    return [
        _merged_state(state, before, now, rates)
        for state, before, now in zip(scheduler_states, old.states, new.states, strict=True)
    ]


def _merged_state(state: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any], rates: list[Any]) -> Any:
    changed = {name: value for name, value in now.items() if not same(before.get(name), value)}
    last = {"_last_lr": list(rates)} if "_last_lr" in state else {}
    return {**state, **changed, **last}


def same(one: Any, other: Any) -> bool:
    """Whether two settings are equal; what only one of two versions of torch knows counts for nothing.

    Example:
        >>> same({"betas": (0.5, 0.999)}, {"betas": [0.5, 0.999], "fused": None})
        True
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(same(value, other[name]) for name, value in one.items() if name in other)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        both = isinstance(one, Tensor) and isinstance(other, Tensor)
        return both and torch.equal(one.cpu(), other.cpu())
    return bool(one == other)


def _starts(schedules: Sequence[Schedule], schedulers: Sequence[LRScheduler]) -> list[dict[str, Any]]:
    return [
        {
            "scheduler": _name(scheduler),
            "interval": schedule.interval,
            "monitor": schedule.monitor,
            "start": deepcopy(scheduler.state_dict()),
        }
        for schedule, scheduler in zip(schedules, schedulers, strict=True)
    ]


def _name(instance: object) -> str:
    return f"{type(instance).__module__}.{type(instance).__qualname__}"


@contextmanager
def _without_optimizer_steps() -> Iterator[None]:
    """Schedules are moved here without their optimiser, of which torch warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        yield
