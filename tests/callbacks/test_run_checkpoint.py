"""`last.ckpt` is the last one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks.run_checkpoint import RunCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")


class _Watch(Callback):
    """The rounds of every version of last.ckpt, and how often it was written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "last.ckpt"
        self.rounds: list[int] = []
        self.times: set[int] = set()

    def _look(self) -> None:
        if self.path.exists():
            self.times.add(self.path.stat().st_mtime_ns)
            self.rounds.append(torch.load(self.path, weights_only=True)["global_step"])

    def on_train_batch_start(self, *arguments: Any) -> None:
        self._look()

    def teardown(self, *arguments: Any, **named: Any) -> None:
        self._look()


def _fit(tmp_path: Path, rounds: int = 9, **kwargs: Any) -> _Watch:
    """Two rounds an epoch."""
    settings = {"save_top_k": 0, "save_last": True, "save_on_train_epoch_end": True, "enable_version_counter": False}
    checkpoint = RunCheckpoint(tmp_path, **{**settings, **kwargs})
    watch = _Watch(tmp_path)
    run = trainer(max_steps=rounds, callbacks=[checkpoint, watch], enable_checkpointing=True)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    return watch


def test_it_is_written_without_any_best_one(tmp_path: Path) -> None:
    watch = _fit(tmp_path, rounds=8)
    assert watch.rounds == [2, 2, 4, 4, 6, 6, 8]
    assert len(watch.times) == 4  # once per round that it is due in
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("due", [{"every_n_epochs": 3}, {"every_n_train_steps": 6}])
def test_it_is_written_at_the_end_whenever_it_was_due_before(due: dict[str, int], tmp_path: Path) -> None:
    assert _fit(tmp_path, **due).rounds == [6, 6, 6, 9]


def test_it_comes_beside_the_best_ones(tmp_path: Path) -> None:
    _fit(tmp_path, rounds=4, save_top_k=-1, filename="{step}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "step=2.ckpt", "step=4.ckpt"]


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    assert _fit(tmp_path, save_last=False).rounds == []


def test_a_trial_of_one_round_writes_nothing(tmp_path: Path) -> None:
    checkpoint = RunCheckpoint(tmp_path, save_top_k=0, save_last=True)
    run = trainer(fast_dev_run=True, callbacks=[checkpoint], enable_checkpointing=True)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    assert list(tmp_path.iterdir()) == []
