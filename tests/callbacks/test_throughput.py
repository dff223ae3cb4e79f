"""Speeds, by a clock that the test winds: which images count, and which time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks.throughput import Throughput
from lit_gan.coordination import FixedSteps
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.metrics_table import MetricsTable


class Clock(Callback):
    """Every round takes 2 seconds, every validation 100."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.now += 2

    def on_validation_batch_start(self, *arguments: Any) -> None:
        self.now += 100


def rows(tmp_path: Path, data: Any, validation: Any = None, **kwargs: Any) -> list[dict[str, str]]:
    clock = Clock()
    coordination = kwargs.pop("coordination", None)
    callbacks = [clock, Throughput(clock), *kwargs.pop("also", [])]
    run = trainer(callbacks=callbacks, logger=CSVMetrics(tmp_path), num_sanity_val_steps=1, **kwargs)
    run.fit(linear_gan(coordination=coordination), data, validation)
    return MetricsTable(tmp_path / "metrics.csv").rows()


def speeds(logged: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[f"perf/{name}_per_second"]) for row in logged if row.get(f"perf/{name}_per_second")]


def test_images_are_those_of_all_minibatches_since_the_last_logged_round(tmp_path: Path) -> None:
    data = loader(examples(48), batch_size=6)  # two minibatches of three
    logged = rows(tmp_path, data, max_steps=7, log_every_n_steps=3, coordination=FixedSteps(2))
    assert speeds(logged, "images") == [3.0, 3.0]
    assert speeds(logged, "rounds") == [0.5, 0.5]


def test_validation_takes_no_time(tmp_path: Path) -> None:
    validation = loader(examples(4), batch_size=2)
    logged = rows(tmp_path, loader(examples(8), 2), validation, max_steps=8, val_check_interval=1, log_every_n_steps=2)
    assert speeds(logged, "images") == pytest.approx([1.0] * 4)


def test_a_smaller_last_batch_counts_for_what_it_is(tmp_path: Path) -> None:
    logged = rows(tmp_path, loader(examples(5), batch_size=4), max_epochs=1, log_every_n_steps=2)
    assert speeds(logged, "images") == [5 / 4]


def test_the_ends_of_epochs_begin_nothing_anew(tmp_path: Path) -> None:
    class SlowEnd(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            trainer.callbacks[0].now += 6  # type: ignore[attr-defined]  # the clock

    data = loader(examples(6), batch_size=2)  # epochs of three rounds
    logged = rows(tmp_path, data, max_epochs=4, log_every_n_steps=4, also=[SlowEnd()])
    # Rounds 1 to 4 have one end of an epoch among them, 5 to 8 another; 9 to 12 one, for the last one's comes after.
    assert speeds(logged, "rounds") == pytest.approx([4 / 14] * 3)


def test_a_clock_that_stands_still_gives_no_speed(tmp_path: Path) -> None:
    run = trainer(callbacks=[Throughput(lambda: 7.0)], logger=CSVMetrics(tmp_path), max_steps=2)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    assert MetricsTable(tmp_path / "metrics.csv").rows()[0].keys() >= {"train/loss_d"}
    assert "perf/" not in (tmp_path / "metrics.csv").read_text()


def test_another_module_is_left_alone(tmp_path: Path) -> None:
    run = trainer(max_steps=2, precision="32-true", callbacks=[Throughput()], logger=CSVMetrics(tmp_path))
    run.fit(BoringModel(), torch.utils.data.DataLoader(torch.rand(4, 32)))
    assert not any(name.startswith("perf/") for name in run.logged_metrics)
