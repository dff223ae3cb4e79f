"""Gradient norms, rates and momenta: whose they are, of which update, and when they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import examples, linear_gan, loader, sgd, trainer
from torch.optim import Adam

from lit_gan.callbacks.player_monitor import PlayerMonitor
from lit_gan.coordination import FixedSteps
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.metrics_table import MetricsTable
from lit_gan.schedules import ExponentialDecay, Schedule


class KeepGradients(Callback):
    """What each optimiser is about to move by, in the order of the updates."""

    def __init__(self) -> None:
        self.norms: list[tuple[str, float]] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        names = zip(pl_module.players, trainer.optimizers, strict=True)
        (name,) = [name for name, mine in names if mine is optimizer]
        gradients = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
        self.norms.append((name, float(torch.stack(gradients).norm())))


def rows(tmp_path: Path, callbacks: list[Callback], rounds: int = 6, **kwargs: Any) -> list[dict[str, str]]:
    settings = {key: kwargs.pop(key) for key in ("log_every_n_steps",) if key in kwargs}
    run = trainer(max_steps=rounds, callbacks=callbacks, logger=CSVMetrics(tmp_path), **settings)
    run.fit(linear_gan(**kwargs), loader(examples(24), batch_size=2))
    return MetricsTable(tmp_path / "metrics.csv").rows()


def test_norms_are_those_of_the_rounds_last_updates(tmp_path: Path) -> None:
    keeper = KeepGradients()
    logged = rows(tmp_path, [keeper, PlayerMonitor()], coordination=FixedSteps(2))
    assert [name for name, _ in keeper.norms] == ["discriminator", "discriminator", "generator"] * 6
    last_of_d, of_g = keeper.norms[1::3], keeper.norms[2::3]
    for row, (_, norm_d), (_, norm_g) in zip(logged, last_of_d, of_g, strict=True):
        assert float(row["train/grad_norm_d"]) == pytest.approx(norm_d, rel=1e-12)
        assert float(row["train/grad_norm_g"]) == pytest.approx(norm_g, rel=1e-12)


def test_the_norm_is_of_the_gradient_before_clipping(tmp_path: Path) -> None:
    free = rows(tmp_path / "free", [PlayerMonitor()], rounds=1)[0]
    clipped = rows(tmp_path / "clipped", [PlayerMonitor()], rounds=1, clip_d=1e-3)[0]
    assert float(clipped["train/grad_norm_d"]) == float(free["train/grad_norm_d"]) > 1e-3


def test_rates_are_those_that_the_round_was_made_with(tmp_path: Path) -> None:
    decay = Schedule(lambda optimizer: ExponentialDecay(optimizer, divisor=2.0))
    logged = rows(tmp_path, [PlayerMonitor()], rounds=3, schedule_g=[decay], optimizer_d=sgd(0.25, momentum=0.5))
    assert [float(row["train/lr_g"]) for row in logged] == [0.5, 0.25, 0.125]
    assert [float(row["train/lr_d"]) for row in logged] == [0.25] * 3
    assert [float(row["train/momentum_d"]) for row in logged] == [0.5] * 3


def test_an_optimiser_without_momentum_has_none(tmp_path: Path) -> None:
    make: Callable[[Any], Adam] = lambda parameters: Adam(parameters, lr=0.01)  # noqa: E731
    logged = rows(tmp_path, [PlayerMonitor()], rounds=1, optimizer_g=make)[0]
    assert "train/lr_g" in logged
    assert "train/momentum_g" not in logged


def test_only_rounds_that_are_logged_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    measure = torch.nn.utils.get_total_norm
    monkeypatch.setattr(torch.nn.utils, "get_total_norm", lambda *arguments: read.append(1) or measure(*arguments))
    logged = rows(tmp_path, [PlayerMonitor()], rounds=7, log_every_n_steps=3)
    assert all(row["train/grad_norm_d"] for row in logged)
    assert len(logged) == 2  # rounds 3 and 6
    assert len(read) == 2 * 3  # and the last one, for the callbacks that look at it


def test_watching_changes_nothing_in_training(tmp_path: Path) -> None:
    plain, watched = rows(tmp_path / "plain", []), rows(tmp_path / "watched", [PlayerMonitor()])
    assert [row["train/loss_d"] for row in plain] == [row["train/loss_d"] for row in watched]


def test_another_module_is_left_alone(tmp_path: Path) -> None:
    run = trainer(max_steps=2, precision="32-true", callbacks=[PlayerMonitor()], logger=CSVMetrics(tmp_path))
    run.fit(BoringModel(), torch.utils.data.DataLoader(torch.rand(4, 32)))
    assert not any("grad_norm" in name for name in run.logged_metrics)
