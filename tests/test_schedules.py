"""The paper's schedules against their formulas, and any torch scheduler by interval."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lit_gan.errors import UserError
from lit_gan.schedules import ExponentialDecay, LinearDecay, MomentumRamp, Schedule


def sgd(lr: float = 0.1, momentum: float = 0.5) -> SGD:
    return SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=momentum)


def rates(optimizer: Optimizer, scheduler: object, steps: int) -> list[float]:
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_rate_is_divided_after_every_step() -> None:
    optimizer = sgd()
    seen = rates(optimizer, ExponentialDecay(optimizer), 1000)
    assert seen[0] == 0.1
    assert seen[1] == 0.1 / 1.000004
    assert seen[999] == pytest.approx(0.1 / 1.000004**999, rel=1e-14)


def test_rate_does_not_fall_below_its_floor() -> None:
    optimizer = sgd()
    assert min(rates(optimizer, ExponentialDecay(optimizer, divisor=10.0), 20)) == 1e-6


def test_rate_that_starts_below_the_floor_is_not_lifted() -> None:
    optimizer = sgd(lr=1e-8)
    assert rates(optimizer, ExponentialDecay(optimizer), 3) == [1e-8, 1e-8, 1e-8]


def test_restored_rate_equals_the_uninterrupted_one_to_the_last_bit() -> None:
    optimizer = sgd()
    scheduler = ExponentialDecay(optimizer)
    rates(optimizer, scheduler, 100)
    other = sgd()
    restored = ExponentialDecay(other)
    restored.load_state_dict(scheduler.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert rates(optimizer, scheduler, 50) == rates(other, restored, 50)


def test_rate_stays_then_falls_along_a_line_to_nothing_and_is_restored_to_the_last_bit() -> None:
    optimizer = sgd(lr=0.3)
    scheduler = LinearDecay(optimizer, start=2, end=5)
    other = sgd(lr=0.3)
    restored = LinearDecay(other, start=2, end=5)
    seen = rates(optimizer, scheduler, 3)
    restored.load_state_dict(scheduler.state_dict())
    other.load_state_dict(optimizer.state_dict())
    rest = rates(optimizer, scheduler, 4)
    assert seen + rest == pytest.approx([0.3, 0.3, 0.3, 0.2, 0.1, 0, 0], abs=1e-15)
    assert rates(other, restored, 4) == rest


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 3)])
def test_a_line_that_cannot_be_is_told(start: int, end: int) -> None:
    with pytest.raises(UserError, match=f"^LinearDecay: start = {start}, end = {end}: expected 0 or more, and the end"):
        LinearDecay(sgd(), start, end)


def test_momentum_rises_from_epoch_1_to_epoch_250() -> None:
    optimizer = sgd()
    ramp = MomentumRamp(optimizer)
    seen = []
    for _ in range(260):
        seen.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        ramp.step()
    assert seen[0] == 0.5  # epoch 1
    assert seen[1] == pytest.approx(0.5 + 0.2 / 249)
    assert seen[124] == pytest.approx(0.5 + 0.2 * 124 / 249)
    assert seen[249] == pytest.approx(0.7)  # epoch 250
    assert seen[259] == pytest.approx(0.7)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_ramp_and_decay_on_one_optimiser_leave_each_other_alone() -> None:
    optimizer = sgd()
    decay, ramp = ExponentialDecay(optimizer, divisor=2.0), MomentumRamp(optimizer, saturate=3)
    for _ in range(2):
        optimizer.step()
        decay.step()
        ramp.step()
    assert optimizer.param_groups[0]["lr"] == 0.025
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.7)


def test_any_torch_scheduler_can_be_scheduled() -> None:
    optimizer = sgd()
    assert isinstance(Schedule(partial(StepLR, step_size=2), interval="epoch").build(optimizer), StepLR)


def test_plateau_is_built_with_a_monitor() -> None:
    schedule = Schedule(ReduceLROnPlateau, interval="epoch", monitor="val/jsd_bound")
    assert isinstance(schedule.build(sgd()), ReduceLROnPlateau)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schedule(ExponentialDecay, interval="step"), "interval = 'step': expected 'round' or 'epoch'"),
        (lambda: Schedule(partial(ExponentialDecay, divisor=0.5)).build(sgd()), "divisor = 0.5: expected at least 1"),
        (lambda: Schedule(partial(ExponentialDecay, min_lr=-1.0)).build(sgd()), "min_lr = -1.0: expected 0 or more"),
        (
            lambda: Schedule(partial(MomentumRamp, final=1.0)).build(sgd()),
            r"final = 1.0: expected a momentum in \[0, 1\)",
        ),
        (lambda: Schedule(partial(MomentumRamp, start=5, saturate=5)).build(sgd()), "expected start before saturate"),
        (
            lambda: Schedule(MomentumRamp).build(Adam([nn.Parameter(torch.zeros(1))])),
            "Adam has no momentum: expected an optimiser that has",
        ),
        (lambda: Schedule(StepLR).build(sgd()), "schedule StepLR cannot be built: .*step_size"),
        (lambda: Schedule(ReduceLROnPlateau).build(sgd()), "expected interval 'epoch' and as monitor the name"),
    ],
)
def test_arguments_out_of_range_are_told(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_decay_goes_on_beyond_the_largest_float() -> None:
    optimizer = sgd()
    assert rates(optimizer, ExponentialDecay(optimizer, divisor=2.0, min_lr=1e-6), 1100)[-1] == 1e-6
