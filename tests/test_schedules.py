"""The paper's schedules against their formulas, and any torch scheduler by interval."""

import csv
import itertools
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger
from properties import examples as some
from properties import numbers
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lit_gan.augmentation import Augmentation
from lit_gan.callbacks import GeneratorEMA, PlayerMonitor
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.objectives import RelativisticPairing
from lit_gan.penalties import R1
from lit_gan.schedules import (
    CosineSchedule,
    ExponentialDecay,
    LinearDecay,
    LinearSchedule,
    MomentumRamp,
    OptimizerSetting,
    ScalarSchedule,
    Schedule,
    scalar_at,
)


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


def test_a_number_goes_along_half_a_cosine_or_a_line_and_stays_at_its_end() -> None:
    cosine, line = CosineSchedule(2e-4, 5e-5, rounds=400), LinearSchedule(1.0, 3.0, rounds=4)
    assert [cosine.at(index) for index in (0, 400, 10**9)] == pytest.approx([2e-4, 5e-5, 5e-5], rel=1e-15)
    assert cosine.at(100) == pytest.approx(5e-5 + 1.5e-4 * (1 + math.cos(math.pi / 4)) / 2, rel=1e-15)
    assert [line.at(index) for index in range(6)] == [1.0, 1.5, 2.0, 2.5, 3.0, 3.0]
    assert scalar_at(0.5, 7) == 0.5


def test_images_count_as_many_as_a_round_has() -> None:
    by_images = LinearSchedule(0.0, 1.0, images=6400)
    assert by_images.at(0) == 0.0
    with pytest.raises(UserError, match="LinearSchedule: images = 6400, and nothing says how many images a round has"):
        by_images.at(1)
    by_images.images_per_round = 64
    assert [by_images.at(index) for index in (1, 50, 100, 101)] == [0.01, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 0.0, "end": math.inf, "rounds": 2}, "start = 0.0, end = inf: expected two finite numbers"),
        ({"start": 0.0, "end": 1.0}, "rounds = None, images = None: expected one of the two"),
        ({"start": 0.0, "end": 1.0, "rounds": 1, "images": 1}, "rounds = 1, images = 1: expected one of the two"),
        ({"start": 0.0, "end": 1.0, "images": 0}, "images = 0: expected at least 1"),
    ],
)
def test_a_schedule_of_nothing_is_an_error(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=f"CosineSchedule: {message}"):
        CosineSchedule(**arguments)  # type: ignore[arg-type]


def adam() -> Adam:
    return Adam([nn.Parameter(torch.zeros(1))], lr=0.1, betas=(0.5, 0.9), weight_decay=0.01)


@pytest.mark.parametrize("name", ["lr", "beta1", "beta2", "weight_decay", "eps"])
def test_any_setting_of_an_optimizer_follows_a_schedule_and_the_others_stay(name: str) -> None:
    optimizer, untouched = adam(), adam().param_groups[0]
    scheduler = OptimizerSetting(optimizer, name, LinearSchedule(0.2, 0.4, rounds=2))
    seen = []
    for _ in range(4):
        [group] = optimizer.param_groups
        seen.append(scheduler.in_group(group))
        optimizer.step()
        scheduler.step()
    assert seen == pytest.approx([0.2, 0.3, 0.4, 0.4], rel=1e-15)
    assert (group["betas"][0], group["betas"][1]) == (0.4 if name == "beta1" else 0.5, 0.4 if name == "beta2" else 0.9)
    for other in {"lr", "weight_decay", "eps"} - {name}:
        assert group[other] == untouched[other]


def test_a_restored_setting_goes_on_to_the_last_bit() -> None:
    def one() -> tuple[Adam, OptimizerSetting]:
        optimizer = adam()
        return optimizer, OptimizerSetting(optimizer, "beta2", CosineSchedule(0.9, 0.99, images=900))

    (optimizer, scheduler), (other, restored) = one(), one()
    scheduler.value.images_per_round = 100
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    restored.load_state_dict(scheduler.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert restored.value is not scheduler.value
    for each, its in ((optimizer, scheduler), (other, restored)):
        each.step()
        its.step()
    assert other.param_groups[0]["betas"] == optimizer.param_groups[0]["betas"]
    assert "value" not in scheduler.state_dict()  # a checkpoint holds plain data


def test_a_setting_that_the_optimizer_has_not_is_an_error() -> None:
    with pytest.raises(UserError, match="SGD has no 'beta2': expected one of dampening, lr, momentum, weight_decay"):
        OptimizerSetting(sgd(), "beta2", LinearSchedule(0.9, 0.99, rounds=2))


def test_a_setting_counts_rounds_and_is_not_stepped_by_epochs() -> None:
    schedule = Schedule(partial(OptimizerSetting, name="lr", value=LinearSchedule(0.1, 0.0, rounds=9)), "epoch")
    with pytest.raises(UserError, match="OptimizerSetting of 'lr' with interval 'epoch': expected interval 'round'"):
        schedule.build(sgd())


class Numbers(Augmentation):
    """Remembers the number that each round begins with."""

    def __init__(self, strength: ScalarSchedule) -> None:
        self.strength = strength
        self.seen: list[float] = []

    def begin_round(self, round_index: int) -> None:
        self.seen.append(self.strength.at(round_index))

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images


def five_schedules() -> tuple[GAN, GeneratorEMA]:
    """R3GAN's: rate, beta2, gamma, the augmentation and the half-life, over 40 images."""

    def setting(name: str, start: float, end: float) -> Schedule:
        return Schedule(partial(OptimizerSetting, name=name, value=CosineSchedule(start, end, images=40)))

    gan = linear_gan(
        optimizer_g=partial(Adam, lr=1.0, betas=(0.0, 0.9)),
        optimizer_d=partial(Adam, lr=1.0, betas=(0.0, 0.9)),
        schedule_g=[setting("lr", 0.02, 0.01), setting("beta2", 0.9, 0.99)],
        schedule_d=[setting("lr", 0.02, 0.01), setting("beta2", 0.9, 0.99)],
        objective=RelativisticPairing(),
        penalties=[R1(CosineSchedule(2.0, 0.2, images=40))],
        augment=Numbers(LinearSchedule(0.0, 0.4, images=40)),
    )
    return gan, GeneratorEMA(half_life=CosineSchedule(0.0, 100.0, images=40))


def trained(rounds: int, folder: Path, ckpt_path: Path | None = None) -> tuple[GAN, Path]:
    gan, average = five_schedules()
    run = trainer(max_steps=rounds, callbacks=[average, PlayerMonitor()], logger=CSVLogger(folder), log_every_n_steps=1)
    run.fit(gan, loader(torch.cat([examples(16)] * 12), batch_size=16), ckpt_path=ckpt_path, weights_only=True)
    saved = folder / f"{rounds}.ckpt"
    run.save_checkpoint(saved)
    return gan, saved


def test_r3gans_five_schedules_count_images_are_logged_and_resume_to_the_bit(tmp_path: Path) -> None:
    whole, _ = trained(8, tmp_path / "whole")
    assert isinstance(whole.augment, Numbers)
    # Two minibatches of 8 in a batch of 16: 40 images are 5 rounds.
    assert whole.augment.seen == pytest.approx([0.0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.4, 0.4], rel=1e-12)
    [table] = (tmp_path / "whole").rglob("metrics.csv")
    with table.open() as file:
        rows = [*csv.DictReader(file)]
    rates = CosineSchedule(0.02, 0.01, rounds=5)
    assert [float(row["train/lr_d"]) for row in rows] == pytest.approx([rates.at(n) for n in range(8)], rel=1e-12)
    assert [float(row["train/beta2_g"]) for row in rows][-1] == pytest.approx(0.99)
    gammas = CosineSchedule(2.0, 0.2, rounds=5)
    assert [float(row["train/weight_r1"]) for row in rows] == pytest.approx([gammas.at(n) for n in range(8)], rel=1e-6)
    _, stopped = trained(3, tmp_path / "first")
    resumed, _ = trained(8, tmp_path / "second", stopped)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    assert whole.generator_average is not None
    assert resumed.generator_average is not None
    for name, tensor in whole.generator_average.items():
        assert torch.equal(resumed.generator_average[name], tensor), name


def test_a_resumed_run_that_asks_for_another_schedule_of_images_has_it(tmp_path: Path) -> None:
    def gan(end: float) -> GAN:
        value = LinearSchedule(0.02, end, images=80)
        return linear_gan(schedule_g=[Schedule(partial(OptimizerSetting, name="lr", value=value))])

    run = trainer(max_steps=2)
    run.fit(gan(0.01), loader(examples(80), batch_size=8))
    run.save_checkpoint(tmp_path / "a.ckpt")
    other = trainer(max_steps=3)
    other.fit(gan(0.0), loader(examples(80), batch_size=8), ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    assert other.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.02 * (1 - 3 / 10))


def test_what_is_left_of_an_epoch_throws_no_schedule_of_images_back(tmp_path: Path) -> None:
    """Batches of 8, 8 and 4 rows: a round has 8 images, the third one, too; and where a training goes on with that."""

    def gan() -> GAN:
        return linear_gan(augment=Numbers(LinearSchedule(0.0, 1.0, images=80)), penalties=[R1(0.1)])

    whole, half_life = gan(), CosineSchedule(0.0, 100.0, images=80)
    run = trainer(max_steps=6, callbacks=[GeneratorEMA(half_life=half_life)])
    run.fit(whole, loader(examples(20), batch_size=8))
    assert isinstance(whole.augment, Numbers)
    assert whole.augment.seen == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], rel=1e-12)
    assert (whole.images_per_round, half_life.images_per_round) == (8, 8)
    run.save_checkpoint(tmp_path / "a.ckpt")
    rest = gan()
    trainer(max_steps=7).fit(rest, loader(examples(4), 8), ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    assert isinstance(rest.augment, Numbers)
    assert rest.augment.seen == pytest.approx([0.6], rel=1e-12)


def test_a_schedule_of_images_may_be_new_where_a_training_goes_on(tmp_path: Path) -> None:
    def gan(*schedules: Schedule) -> GAN:
        return linear_gan(schedule_g=schedules, optimizer_g=partial(SGD, lr=0.02))

    def go_on(path: Path) -> Trainer:
        value = LinearSchedule(0.02, 0.0, images=80)
        other = trainer(max_steps=3)
        new = gan(Schedule(partial(OptimizerSetting, name="lr", value=value)))
        other.fit(new, loader(examples(80), batch_size=8), ckpt_path=path, weights_only=True)
        return other

    run = trainer(max_steps=2)
    run.fit(gan(), loader(examples(80), batch_size=8))
    run.save_checkpoint(tmp_path / "a.ckpt")
    assert go_on(tmp_path / "a.ckpt").optimizers[0].param_groups[0]["lr"] == pytest.approx(0.02 * (1 - 3 / 10))
    for images, message in (
        (None, "the checkpoint does not tell how many images a round has: expected rounds in place"),
        ("8", r"the checkpoint's images_per_round is '8': expected a whole number from 1 on"),
    ):
        saved = torch.load(tmp_path / "a.ckpt", weights_only=True)
        saved["lit_gan"]["images_per_round"] = images
        torch.save(saved, tmp_path / "b.ckpt")
        with pytest.raises(UserError, match=message):
            go_on(tmp_path / "b.ckpt")


@some(40)
@given(numbers(2**-20, 10), numbers(1, 3), numbers(0, 10), st.integers(1, 40), st.integers(0, 40))
def test_any_decay_falls_to_its_floor_and_goes_on_from_any_round_to_the_bit(
    lr: float, divisor: float, floor: float, steps: int, stopped: int
) -> None:
    def decay(optimizer: Optimizer) -> ExponentialDecay:
        return ExponentialDecay(optimizer, divisor=max(divisor, 1.0078125), min_lr=floor)

    optimizer = sgd(lr=lr)
    whole = rates(optimizer, decay(optimizer), steps + stopped)
    assert whole[0] == lr
    assert all(min(lr, floor) <= later <= earlier for earlier, later in itertools.pairwise(whole))
    first, second = sgd(lr=lr), sgd(lr=lr)
    scheduler, restored = decay(first), decay(second)
    seen = rates(first, scheduler, stopped)
    restored.load_state_dict(scheduler.state_dict())
    second.load_state_dict(first.state_dict())
    assert seen + rates(second, restored, steps) == whole
