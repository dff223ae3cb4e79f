"""`last.ckpt` is the last one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny_gan import examples, linear_gan, loader, sgd, trainer

from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.errors import UserError
from lit_gan.evaluation.scores import ParzenScore
from lit_gan.gan import GAN

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


def test_used_again_it_writes_the_second_trainings_weights(tmp_path: Path) -> None:
    checkpoint = RunCheckpoint(tmp_path, save_top_k=0, save_last=True, enable_version_counter=False)
    for lr in (0.5, 0.1):
        gan = linear_gan(optimizer_g=sgd(lr))
        run = trainer(max_steps=2, callbacks=[checkpoint], enable_checkpointing=True)
        run.fit(gan, loader(examples(8), batch_size=4))
        saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
        assert torch.equal(saved["generator.a"], gan.generator.a)


def test_a_monitor_that_is_not_logged_is_told(tmp_path: Path) -> None:
    checkpoint = RunCheckpoint(tmp_path, monitor="val/nothing")
    run = trainer(max_epochs=1, callbacks=[checkpoint], enable_checkpointing=True)
    with pytest.raises(UserError, match=r"checkpoint\.monitor = 'val/nothing' is not logged: expected one of .*val/va"):
        run.fit(linear_gan(), loader(examples(8), batch_size=4), loader(examples(4), batch_size=4))


def test_the_usual_monitor_may_be_missing(tmp_path: Path) -> None:
    checkpoint = RunCheckpoint(tmp_path, monitor="val/parzen_nll", save_last=True)
    run = trainer(max_epochs=1, callbacks=[checkpoint], enable_checkpointing=True)
    run.fit(linear_gan(), loader(examples(8), batch_size=4), loader(examples(4), batch_size=4))
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_moved_run_goes_on_with_its_best_score_and_drops_the_beaten_one(tmp_path: Path) -> None:
    def fit(folder: Path, epochs: int, **kwargs: Any) -> RunCheckpoint:
        checkpoint = RunCheckpoint(folder, monitor="val/loss_d", mode="max", save_last=True)
        run = trainer(max_epochs=epochs, callbacks=[checkpoint], enable_checkpointing=True)
        data = loader(examples(8), batch_size=4)
        run.fit(linear_gan(Rising), data, loader(examples(4), batch_size=4), **kwargs)
        return checkpoint

    old, new = tmp_path / "old", tmp_path / "new"
    fit(old, 1)
    assert sorted(path.name for path in old.iterdir()) == ["best-000002.ckpt", "last.ckpt"]
    old.rename(new)
    gone_on = fit(new, 2, ckpt_path=new / "last.ckpt", weights_only=True)
    assert sorted(path.name for path in new.iterdir() if "best" in path.name) == ["best-000004.ckpt"]
    assert gone_on.best_model_path == str(new / "best-000004.ckpt")
    assert gone_on.best_model_score == gone_on.current_score == 4


def test_a_moved_run_without_a_monitor_goes_on_and_drops_the_newest_but_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    _fit(old, 2, save_top_k=1)
    old.rename(new)
    checkpoint = RunCheckpoint(new, save_last=True)
    run = trainer(max_steps=4, callbacks=[checkpoint], enable_checkpointing=True)
    run.fit(linear_gan(), loader(examples(8), batch_size=4), ckpt_path=new / "last.ckpt", weights_only=True)
    assert sorted(path.name for path in new.iterdir()) == ["epoch=1-step=4.ckpt", "last.ckpt"]


class Scored(GAN):
    """Its evaluation gave these log-likelihoods of the held-out images, in one validation after the other."""

    rows: tuple[tuple[float, ...], ...] = ()

    def on_validation_epoch_end(self) -> None:
        evaluation = next(each for each in self.trainer.callbacks if isinstance(each, ParzenEvaluation))
        values = torch.tensor(self.rows[self.current_epoch], dtype=torch.float64)
        evaluation.score = ParzenScore(float(values.mean()), 1.0, 0.2, 10, (values,))
        self.log("val/parzen_nll", -values.mean())


def _best(folder: Path, rows: tuple[tuple[float, ...], ...], epochs: int, **kwargs: Any) -> list[str]:
    checkpoint = RunCheckpoint(folder, monitor="val/parzen_nll", save_last=True)
    callbacks = [ParzenEvaluation(num_samples=0), checkpoint]
    run = trainer(max_epochs=epochs, callbacks=callbacks, enable_checkpointing=True)
    model = linear_gan(type("ThisOne", (Scored,), {"rows": rows}))
    run.fit(model, loader(examples(8), batch_size=4), loader(examples(4), batch_size=4), **kwargs)
    return sorted(path.name for path in folder.glob("best*"))


def test_the_best_by_the_parzen_score_is_better_by_more_than_its_error(tmp_path: Path, capsys: Any) -> None:
    rows = ((0.0, 100.0), (4.0, 97.0), (1.0, 101.0), (0.9, 100.9))  # +0.5 with an error of 2.5, +1 without, then less
    assert _best(tmp_path, rows, 4) == ["best-000006.ckpt"]
    assert "no checkpoint is better" not in capsys.readouterr().out


def test_where_no_checkpoint_is_better_the_end_says_so_also_after_a_resume(tmp_path: Path, capsys: Any) -> None:
    rows = ((0.0, 100.0), (4.0, 97.0), (-3.0, 104.0), (5.0, 96.0))
    assert _best(tmp_path / "whole", rows, 4) == ["best-000002.ckpt"]
    whole = capsys.readouterr().out
    assert whole.count("lit-gan: no checkpoint is better than another by val/parzen_nll: on 2 held-out images") == 1
    _best(tmp_path / "parts", rows, 2)
    capsys.readouterr()
    last = tmp_path / "parts" / "last.ckpt"
    assert _best(tmp_path / "parts", rows, 4, ckpt_path=last, weights_only=True) == ["best-000002.ckpt"]
    assert capsys.readouterr().out == whole


def _state(checkpoint: Path) -> dict[str, Any]:
    states = torch.load(checkpoint, weights_only=True)["callbacks"]
    return next(state for key, state in states.items() if key.startswith("RunCheckpoint"))


def test_a_run_from_another_folders_checkpoint_has_a_best_one_of_its_own(tmp_path: Path, capsys: Any) -> None:
    rows = ((0.0, 100.0), (4.0, 97.0))  # the second is no better than that of the other folder
    old, new = tmp_path / "old", tmp_path / "new"
    _best(old, rows, 1)
    with pytest.warns(UserWarning, match="The dirpath has changed from .*old to .*new: the best checkpoints there are"):
        assert _best(new, rows, 2, ckpt_path=old / "last.ckpt", weights_only=True) == ["best-000004.ckpt"]
    assert _state(new / "last.ckpt")["best_model_path"] == str(new / "best-000004.ckpt")
    assert "no checkpoint is better" not in capsys.readouterr().out
    assert [path.name for path in old.glob("best*")] == ["best-000002.ckpt"]


@pytest.mark.parametrize("settings", [{"monitor": "val/loss_d"}, {}])
def test_a_run_from_another_folders_checkpoint_names_none_of_that_folder(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    def fit(folder: Path, rounds: int, **kwargs: Any) -> dict[str, Any]:
        checkpoint = RunCheckpoint(folder, save_last=True, **settings)
        run = trainer(max_steps=rounds, callbacks=[checkpoint], enable_checkpointing=True)
        run.fit(linear_gan(), loader(examples(8), batch_size=4), loader(examples(4), batch_size=4), **kwargs)
        return _state(folder / "last.ckpt")

    assert fit(tmp_path / "old", 2)["best_model_path"]
    with pytest.warns(UserWarning, match="The dirpath has changed"):
        state = fit(tmp_path / "new", 3, ckpt_path=tmp_path / "old" / "last.ckpt", weights_only=True)  # not validated
    assert (state["best_model_path"], state["best_model_score"], state["current_score"]) == ("", None, None)


class Rising(GAN):
    """Each validation is better than the one before."""

    def validation_step(self, *arguments: Any) -> None:
        self.log("val/loss_d", float(self.global_step))
