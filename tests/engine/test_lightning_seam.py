"""What we need of the inside of Lightning is there: a release that changes it fails here first."""

import pickle
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.strategies import Strategy
from tiny_gan import examples, linear_gan, loader, trainer
from torch.optim import SGD

import lit_gan.gan
from lit_gan.callbacks import player_monitor
from lit_gan.callbacks.last_round import LastRound
from lit_gan.engine import lightning_seam
from lit_gan.engine.lightning_seam import broadcast_sigterm, saves_by_time, validates_by_time


def test_lightnings_methods_are_there_to_be_replaced() -> None:
    """Replaced on the instance, a name that Lightning no longer calls would be replaced in vain."""
    run = trainer()
    loops = {run.fit_loop: "_iteration_based_training", run.fit_loop.epoch_loop: "_broadcast_sigterm_tensor"}
    assert all(callable(getattr(type(loop), name)) for loop, name in loops.items())
    assert callable(type(run.fit_loop.epoch_loop)._should_check_val_fx)
    broadcast_sigterm(run, switched_on=False)
    assert run.fit_loop.epoch_loop._broadcast_sigterm_tensor() is None
    broadcast_sigterm(run, switched_on=True)
    assert "_broadcast_sigterm_tensor" not in vars(run.fit_loop.epoch_loop)


def test_a_training_cut_off_within_an_epoch_validates() -> None:
    for callbacks, validations in (([LastRound()], 1), ([], 0)):
        run = trainer(max_steps=3, callbacks=callbacks)
        run.fit(linear_gan(), loader(examples(), 4), loader(examples(4), 4))
        assert run.global_step == 3
        assert ("val/loss_d" in run.callback_metrics) == bool(validations)


def test_times_are_seen() -> None:
    assert validates_by_time(Trainer(val_check_interval=timedelta(minutes=1), logger=False))
    assert not validates_by_time(Trainer(val_check_interval=2, logger=False))
    assert saves_by_time(ModelCheckpoint(train_time_interval=timedelta(minutes=1)))
    assert not saves_by_time(ModelCheckpoint())


class Listener(Callback):
    """Hears backward passes."""

    def __init__(self) -> None:
        self.heard = 0

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        self.heard += 1


class Own(lit_gan.gan.GAN):
    """Goes backward in its own way."""

    heard = 0

    def backward(self, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        self.heard += 1
        super().backward(loss, *args, **kwargs)


def calls_of(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Grows by one whenever that method of a strategy is called."""
    calls: list[str] = []
    method = getattr(Strategy, name)

    def watched(self: Strategy, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return method(self, *args, **kwargs)

    monkeypatch.setattr(Strategy, name, watched)
    return calls


def test_who_listens_to_a_backward_pass_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    by_lightning = calls_of(monkeypatch, "backward")
    weights = []
    for how, cls in (({}, lit_gan.gan.GAN), ({"callbacks": [Listener()]}, lit_gan.gan.GAN), ({}, Own)):
        gan = linear_gan(cls)
        trainer(max_steps=2, precision="32-true", **how).fit(gan, loader(examples().float(), 4))
        weights.append(torch.stack([parameter.detach() for parameter in gan.parameters()]))
        heard = max(getattr(each, "heard", 0) for each in (*how.get("callbacks", []), gan))
        assert heard == len(by_lightning) == (4 if len(weights) > 1 else 0)
        by_lightning.clear()
    assert all(torch.equal(each, weights[0]) for each in weights[1:])
    run = trainer(max_steps=1, precision="32-true", profiler=SimpleProfiler())
    run.fit(linear_gan(), loader(examples().float(), 4))
    assert len(by_lightning) == 2  # a profiler sees them, too


class Looker(Callback):
    """Notes whose gradient it sees before a step, and logs."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def on_before_optimizer_step(self, run: Trainer, module: Any, optimizer: Any) -> None:
        number = run.optimizers.index(optimizer)
        self.seen.append((number, float(optimizer.param_groups[0]["params"][0].grad)))
        module.log(f"gradient_{number}", self.seen[-1][1])


class Halving(lit_gan.gan.GAN):
    """Has a hook of its own."""

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        super().on_before_optimizer_step(optimizer)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad /= 2


@pytest.mark.parametrize("cls", [lit_gan.gan.GAN, Halving])
@pytest.mark.parametrize("callbacks", [0, 1, 2])
def test_who_looks_on_before_a_step_does_so(cls: Any, callbacks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by Lightning's own way: what they see and log, clipped after them, and the weights in the end."""
    ends = []
    for lightnings in (False, True):
        if lightnings:
            monkeypatch.setattr(lightning_seam, "_takes_part", lambda _: True)
        lookers, rows = [Looker() for _ in range(callbacks)], Rows()
        sgd = partial(SGD, lr=0.5)  # which can be pickled
        gan = linear_gan(cls, optimizer_g=sgd, optimizer_d=sgd, clip_g=0.05, clip_d=0.05)
        settings = {"log_every_n_steps": 1, "logger": rows, "callbacks": [Callback(), *lookers]}
        run = trainer(max_steps=3, precision="32-true", **settings)
        run.fit(gan, loader(examples().float(), 4))
        weights = torch.stack([parameter.detach() for parameter in gan.parameters()])
        ends.append((weights.tolist(), [each.seen for each in lookers], rows.rows))
        assert all(len(each.seen) == 6 for each in lookers)
        assert bool(callbacks) == ("gradient_0" in run.callback_metrics)
        assert pickle.loads(pickle.dumps(gan))._step is None
    assert ends[0] == ends[1]


def test_a_step_is_the_strategys_where_it_has_a_part_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    by_strategy = calls_of(monkeypatch, "optimizer_step")
    for settings, calls in (({}, 0), ({"precision": "bf16-mixed"}, 0), ({"profiler": SimpleProfiler()}, 2)):
        run = trainer(max_steps=1, **{"precision": "32-true", **settings})
        run.fit(linear_gan(), loader(examples().float(), 4))
        assert len(by_strategy) == calls
    trainer(max_steps=1).fit(linear_gan(), loader(examples(), 4))
    assert len(by_strategy) == 4  # in double precision the plugin's own


class Rows(Logger):
    """Keeps what it is given."""

    name, version = "rows", 0

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append({**metrics, "step": float(step or 0)})

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Not of interest."""


def test_numbers_are_logged_as_lightning_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two epochs, with a validation after each, whose numbers have another hook."""
    found = []
    for lightnings in (False, True):
        for logs in (lit_gan.gan, player_monitor) if lightnings else ():
            monkeypatch.setattr(logs, "log_number", lambda module, *what, **how: module.log(*what, batch_size=1, **how))
        rows = Rows()
        run = trainer(max_epochs=2, log_every_n_steps=2, logger=rows, callbacks=[player_monitor.PlayerMonitor()])
        run.fit(linear_gan(), loader(examples(), 4), loader(examples(4), 4))
        found.append((rows.rows, {name: float(value) for name, value in run.callback_metrics.items()}))
    assert found[0] == found[1]
    for name, rows_with_it in {"train/loss_d": 6, "train/grad_norm_d": 6, "val/loss_d": 2}.items():
        assert sum(name in row for row in found[0][0]) == rows_with_it, name


def test_one_loader_and_then_several_are_logged_as_lightning_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one trainer, which holds what it has logged before."""
    found = []
    for lightnings in (False, True):
        if lightnings:
            monkeypatch.setattr(
                lit_gan.gan, "log_number", lambda module, *what, **how: module.log(*what, batch_size=1, **how)
            )
        run, one, other = trainer(), loader(examples(8), 4), loader(examples(4), 4)
        found.append([run.validate(linear_gan(), loaders, verbose=False) for loaders in (one, [one, other], one)])
    assert found[0] == found[1]
    assert [len(each) for each in found[0]] == [1, 2, 1]
    assert all(found[0][1])
