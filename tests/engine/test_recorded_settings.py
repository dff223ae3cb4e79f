"""A training that goes on from a checkpoint is moved by what is asked for now; its moments are kept."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, trainer
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau, StepLR

from lit_gan.callbacks import RunCheckpoint
from lit_gan.engine.optimizer_settings import same
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.schedules import ExponentialDecay, MomentumRamp, Schedule

_Make = Callable[[Any], Optimizer]


def _fit(
    folder: Path, rounds: int, checkpoint: Path | None = None, hparams: dict[str, Any] | None = None, **kwargs: Any
) -> tuple[GAN, list[Optimizer]]:
    """Three rounds an epoch."""
    gan = linear_gan(**kwargs)
    gan.hparams.update(hparams or {})
    keeper = RunCheckpoint(folder, save_top_k=0, save_last=True, enable_version_counter=False)
    run = trainer(max_steps=rounds, callbacks=[keeper], enable_checkpointing=True)
    run.fit(gan, loader(examples(24), batch_size=8), ckpt_path=checkpoint, weights_only=True)
    return gan, run.optimizers


def _gone_on(tmp_path: Path, before: dict[str, Any], now: dict[str, Any], rounds: int = 7) -> tuple[GAN, Any]:
    """Six rounds, two epochs, as ``before``; then as ``now``. The second is what is given, G's optimiser first."""
    _fit(tmp_path / "before", 6, **before)
    return _fit(tmp_path / "now", rounds, tmp_path / "before" / "last.ckpt", **now)


_GROUPS: dict[str, tuple[_Make, _Make, dict[str, Any]]] = {
    "lr": (partial(SGD, lr=0.5), partial(SGD, lr=0.1), {"lr": 0.1}),
    "momentum": (partial(SGD, lr=0.5, momentum=0.1), partial(SGD, lr=0.5, momentum=0.7), {"momentum": 0.7}),
    "nesterov": (
        partial(SGD, lr=0.5, momentum=0.1),
        partial(SGD, lr=0.5, momentum=0.1, nesterov=True),
        {"nesterov": True, "lr": 0.5},
    ),
    "weight decay": (partial(AdamW, lr=0.5), partial(AdamW, lr=0.5, weight_decay=0.3), {"weight_decay": 0.3}),
    "betas": (partial(Adam, lr=0.5), partial(Adam, lr=0.5, betas=(0.5, 0.99)), {"betas": (0.5, 0.99), "lr": 0.5}),
    "other keys": (partial(RMSprop, lr=0.5, alpha=0.9), partial(RMSprop, lr=0.5, alpha=0.8), {"alpha": 0.8}),
    "back to the default": (partial(SGD, lr=0.5, momentum=0.5), partial(SGD, lr=0.5), {"momentum": 0}),
}


@pytest.mark.parametrize(("before", "now", "expected"), _GROUPS.values(), ids=_GROUPS)
@pytest.mark.parametrize("player", ["g", "d"])
def test_the_settings_that_are_asked_for_are_those_that_train(
    player: str, before: _Make, now: _Make, expected: dict[str, Any], tmp_path: Path
) -> None:
    _, optimizers = _gone_on(tmp_path, {f"optimizer_{player}": before}, {f"optimizer_{player}": now})
    changed, other = optimizers if player == "g" else reversed(optimizers)
    group = changed.param_groups[0]
    assert {name: group[name] for name in expected} == expected
    assert type(changed) is type(now([nn.Parameter(torch.zeros(1))]))
    assert other.param_groups[0]["lr"] == 0.5


def test_the_moments_are_kept(tmp_path: Path) -> None:
    before, now = partial(Adam, lr=0.5), partial(Adam, lr=0.0)
    _fit(tmp_path, 6, optimizer_g=before)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    gan, (optimizer, _) = _fit(tmp_path / "now", 7, tmp_path / "last.ckpt", optimizer_g=now)
    assert torch.equal(gan.generator.a, saved["state_dict"]["generator.a"])  # a rate of nought
    assert [int(state["step"]) for state in optimizer.state.values()] == [7, 7]


def test_what_trains_is_what_the_next_checkpoint_says(tmp_path: Path) -> None:
    _gone_on(tmp_path, {"optimizer_g": partial(SGD, lr=0.5)}, {"optimizer_g": partial(SGD, lr=0.1)})
    _, (optimizer, _) = _fit(tmp_path, 8, tmp_path / "now" / "last.ckpt", optimizer_g=partial(SGD, lr=0.1))
    saved = torch.load(tmp_path / "now" / "last.ckpt", weights_only=True)
    assert saved["lit_gan"]["settings"]["generator"]["groups"][0]["lr"] == 0.1
    assert optimizer.param_groups[0]["lr"] == 0.1


def _two_groups(first: float, second: float) -> _Make:
    def make(parameters: list[nn.Parameter]) -> Optimizer:
        a, b = parameters
        return SGD([{"params": [a], "lr": first}, {"params": [b], "lr": second}], lr=1.0, momentum=0.5)

    return make


def test_each_group_has_its_own(tmp_path: Path) -> None:
    _, (optimizer, _) = _gone_on(
        tmp_path, {"optimizer_g": _two_groups(0.1, 0.2)}, {"optimizer_g": _two_groups(0.1, 0.3)}
    )
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.3]


_EXPONENTIAL = Schedule(partial(ExponentialDecay, divisor=1.5))
_STEPS = Schedule(partial(StepLR, step_size=2, gamma=0.5))
_EPOCHS = Schedule(partial(StepLR, step_size=1, gamma=0.5), "epoch")
_RAMP = Schedule(partial(MomentumRamp, final=0.9, start=1, saturate=5), "epoch")
_CYCLE = Schedule(partial(OneCycleLR, max_lr=0.4, total_steps=20))
_SCHEDULES: dict[str, tuple[tuple[Schedule, ...], tuple[Schedule, ...]]] = {
    "the rate alone": ((_EXPONENTIAL, _RAMP), (_EXPONENTIAL, _RAMP)),
    "its steps": ((_STEPS,), (Schedule(partial(StepLR, step_size=3, gamma=0.5)),)),
    "added": ((), (_STEPS,)),
    "one more": ((_RAMP,), (_RAMP, _STEPS, _EPOCHS)),
    "removed": ((_STEPS, _RAMP), ()),
    "another kind": ((_STEPS,), (_EXPONENTIAL,)),
    "other places": ((_STEPS, _RAMP), (_RAMP, _STEPS)),
    "by epochs": ((_STEPS,), (Schedule(_STEPS.scheduler, "epoch"),)),
    "momentum as well": ((_STEPS,), (_CYCLE,)),
    "a function": ((_STEPS,), (Schedule(partial(LambdaLR, lr_lambda=lambda step: 1 / (1 + step))),)),
}


@pytest.mark.parametrize(("before", "now"), _SCHEDULES.values(), ids=_SCHEDULES)
@pytest.mark.parametrize("lr", [0.5, 0.1])
def test_schedules_stand_where_they_would_if_it_had_begun_so(
    before: tuple[Schedule, ...], now: tuple[Schedule, ...], lr: float, tmp_path: Path
) -> None:
    old, new = partial(SGD, lr=0.5, momentum=0.5), partial(SGD, lr=lr, momentum=0.5)
    _, (optimizer, _) = _gone_on(
        tmp_path, {"optimizer_g": old, "schedule_g": before}, {"optimizer_g": new, "schedule_g": now}, rounds=10
    )
    _, (whole, _) = _fit(tmp_path / "whole", 10, optimizer_g=new, schedule_g=now)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(whole.param_groups[0]["lr"], rel=1e-12)
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(whole.param_groups[0]["momentum"], rel=1e-12)


def _plateau(factor: float = 0.5, patience: int = 0) -> Schedule:
    # The loss is never below -100: each epoch is a bad one.
    make = partial(ReduceLROnPlateau, factor=factor, patience=patience, threshold=100.0, threshold_mode="abs")
    return Schedule(make, "epoch", "train/loss_d")


def test_a_plateau_keeps_what_it_has_seen_and_how_far_it_has_come(tmp_path: Path) -> None:
    """Reduced once in two epochs, for the first is the best so far; once more at the end of the third."""
    schedules = (_plateau(), _STEPS)
    _, (optimizer, _) = _gone_on(
        tmp_path,
        {"optimizer_g": partial(SGD, lr=0.4), "schedule_g": schedules},
        {"optimizer_g": partial(SGD, lr=0.8), "schedule_g": schedules},
        rounds=9,
    )
    _, (whole, _) = _fit(tmp_path / "whole", 9, optimizer_g=partial(SGD, lr=0.8), schedule_g=schedules)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.8 * 0.5**2 * 0.5**4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(whole.param_groups[0]["lr"])


def test_another_plateau_begins_anew(tmp_path: Path) -> None:
    _, (optimizer, _) = _gone_on(
        tmp_path,
        {"optimizer_g": partial(SGD, lr=0.4), "schedule_g": (_plateau(),)},
        {"optimizer_g": partial(SGD, lr=0.4), "schedule_g": (_plateau(patience=3),)},
    )
    assert optimizer.param_groups[0]["lr"] == 0.4


@pytest.mark.parametrize("schedules", [(_EXPONENTIAL, _RAMP), (_STEPS, _EPOCHS), (_plateau(), _STEPS), (_CYCLE,)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_what_is_not_asked_to_change_keeps_its_bits(
    schedules: tuple[Schedule, ...], weight_decay: float, tmp_path: Path
) -> None:
    before, now = partial(SGD, lr=0.3, momentum=0.5), partial(SGD, lr=0.3, momentum=0.5, weight_decay=weight_decay)
    _, optimizers = _gone_on(
        tmp_path,
        {"optimizer_g": before, "schedule_g": schedules},
        {"optimizer_g": now, "schedule_g": schedules},
        rounds=10,
    )
    _, whole = _fit(tmp_path / "whole", 10, optimizer_g=before, schedule_g=schedules)
    for one, other in zip(optimizers, whole, strict=True):
        groups = [{**group, "params": None, "weight_decay": None} for group in (*one.param_groups, *other.param_groups)]
        assert groups[0] == groups[1]


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (
            partial(SGD, lr=0.1),
            partial(Adam, lr=0.1),
            (
                r"the generator's optimiser was torch.*\.SGD and is to be torch.*\.Adam, which cannot go on from its "
                r"moments: give optimizer_g as it was, or begin anew with the weights alone \(--init_from PATH in place"
            ),
        ),
        (partial(Adam, lr=0.1), partial(SGD, lr=0.1), "was torch.optim.adam.Adam and is to be torch.optim.sgd.SGD"),
        (partial(Adam, lr=0.1), partial(AdamW, lr=0.1), "was torch.optim.adam.Adam and is to be .*AdamW"),
        (_two_groups(0.1, 0.2), partial(SGD, lr=0.1), "had 2 groups of parameters and is to have 1: give optimizer_g"),
    ],
)
def test_another_kind_of_optimiser_is_told(before: _Make, now: _Make, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        _gone_on(tmp_path, {"optimizer_g": before}, {"optimizer_g": now})


# -- Checkpoints of versions that kept no record ----------------------------------------------------------------------


def _without_record(path: Path, **content: Any) -> None:
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["lit_gan"]["settings"]
    torch.save({**checkpoint, **content}, path)


def test_without_schedules_an_old_one_tells_by_its_state(tmp_path: Path) -> None:
    _fit(tmp_path, 6, optimizer_g=partial(SGD, lr=0.5, momentum=0.1))
    _without_record(tmp_path / "last.ckpt")
    _, (optimizer, _) = _fit(tmp_path / "now", 7, tmp_path / "last.ckpt", optimizer_g=partial(SGD, lr=0.1))
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (0.1, 0)
    with pytest.raises(UserError, match=r"the generator's optimiser was of another kind and is to be .*Adam"):
        _fit(tmp_path / "now", 7, tmp_path / "last.ckpt", optimizer_g=partial(Adam, lr=0.1))


def test_an_old_one_tells_by_what_it_was_built_from(tmp_path: Path) -> None:
    """As the command line stores it."""
    schedule = {
        "scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 2, "gamma": 0.5}},
        "interval": "round",
        "monitor": None,
    }
    stored = {
        **{f"optimizer_{side}": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5}} for side in "gd"},
        "schedule_g": [schedule],
        "schedule_d": [],
    }
    _fit(tmp_path, 6, schedule_g=(_STEPS,))
    _without_record(tmp_path / "last.ckpt", hyper_parameters=stored)

    def rate(schedules: tuple[Schedule, ...], hparams: list[Any]) -> Any:
        now = {"optimizer_g": partial(SGD, lr=0.1), "schedule_g": schedules, "hparams": {"schedule_g": hparams}}
        return _fit(tmp_path / "now", 7, tmp_path / "last.ckpt", **now)[1][0].param_groups[0]["lr"]

    assert rate((_STEPS,), [schedule]) == pytest.approx(0.1 * 0.5**3)
    assert rate((), []) == 0.1
    with pytest.raises(UserError, match=r"the generator's optimiser was torch\.optim\.SGD and is to be .*Adam,"):
        _fit(tmp_path / "now", 7, tmp_path / "last.ckpt", optimizer_g=partial(Adam, lr=0.1))


def test_an_old_one_that_does_not_tell_is_told_of(tmp_path: Path) -> None:
    _fit(tmp_path, 6, schedule_g=(_STEPS,))
    _without_record(tmp_path / "last.ckpt")
    with pytest.warns(UserWarning, match="does not tell how its optimisers and schedules were set: they go on as they"):
        _fit(tmp_path / "now", 7, tmp_path / "last.ckpt", optimizer_g=partial(SGD, lr=0.1), schedule_g=(_STEPS,))


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"lr": torch.tensor(0.1)}, {"lr": torch.tensor(0.1)}, True),
        ({"lr": torch.tensor(0.1)}, {"lr": 0.1}, False),  # in single precision
        ([1, (2, 3)], (1, [2, 3]), True),
        ([1], [1, 2], False),
        ({"a": 1, "new": 2}, {"a": 1}, True),
        (None, 0.1, False),
    ],
)
def test_settings_are_compared_by_value(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) == equal


@pytest.mark.parametrize("left", [0, 1])
def test_a_checkpoint_without_the_state_of_each_player_is_refused(left: int, tmp_path: Path) -> None:
    _fit(tmp_path, 6)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    checkpoint["optimizer_states"] = checkpoint["optimizer_states"][:left]
    torch.save(checkpoint, tmp_path / "part.ckpt")
    message = (
        rf"the states of {left} optimisers, and the module has 2 \(generator, discriminator\): expected all of them;"
    )
    with pytest.raises(UserError, match=message):
        _fit(tmp_path / "now", 7, tmp_path / "part.ckpt")


def test_a_checkpoint_without_the_state_of_each_schedule_is_refused(tmp_path: Path) -> None:
    _fit(tmp_path, 6, schedule_g=(_STEPS,))
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    checkpoint["lr_schedulers"] = []
    torch.save(checkpoint, tmp_path / "part.ckpt")
    with pytest.raises(UserError, match=r"the states of 0 schedules, and was trained with 1: expected all of them;"):
        _fit(tmp_path / "now", 7, tmp_path / "part.ckpt", schedule_g=(_STEPS,))
