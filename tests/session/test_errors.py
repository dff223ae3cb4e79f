"""Which of Lightning's errors are the user's to mend."""

import errno
import os
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, StochasticWeightAveraging
from tiny_gan import examples, linear_gan, loader, trainer
from torch import nn

from lit_gan.errors import RunError, UserError
from lit_gan.session.errors import trainer_argument_errors, user_errors


def test_a_misconfiguration_is_told_on_one_line() -> None:
    with pytest.raises(UserError, match=r"^two lines$"), user_errors():
        raise MisconfigurationException("two\n  lines")


def test_weights_that_do_not_fit_are_told_with_the_checkpoint() -> None:
    state = nn.Linear(3, 4).state_dict()
    message = (
        r"^checkpoint x\.ckpt does not fit the model: size mismatch for weight: .*\(and 1 more\); give the model's"
    )
    with pytest.raises(UserError, match=message), user_errors("x.ckpt"):
        nn.Linear(3, 5).load_state_dict(state)


class _Keeps(Callback):
    def state_dict(self) -> dict[str, Any]:
        return {"rounds": 3}


class Library(_Keeps):
    """As if it were no code of the user's."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kept = state_dict["rows"]


class Own(Library):
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kept = state_dict["rows"]


def _go_on(callback: Callback, path: Any) -> None:
    run = trainer(max_steps=1, callbacks=[callback])
    run.fit(linear_gan(), loader(examples(), 8))
    run.save_checkpoint(path)
    with user_errors(path):
        trainer(max_steps=2, callbacks=[callback]).fit(linear_gan(), loader(examples(), 8), ckpt_path=path)


def test_what_cannot_be_taken_back_is_told_with_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.ckpt"
    monkeypatch.setattr(
        Library, "load_state_dict", FunctionType(Library.load_state_dict.__code__, {"__name__": "lit_gan.callbacks.x"})
    )
    message = r"x\.ckpt does not fit the model: what it holds cannot be taken back \(KeyError: rows\); give another"
    with pytest.raises(UserError, match=message):
        _go_on(Library(), path)


def test_a_fault_of_the_users_own_callback_is_shown_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="rows"):
        _go_on(Own(), tmp_path / "x.ckpt")


def test_what_lightning_itself_refuses_is_told() -> None:
    with pytest.raises(UserError, match="must be a non-negative integer"), user_errors():
        Trainer(max_epochs=-4, accelerator="cpu", logger=False)


class _Data(LightningDataModule):
    def __init__(self, **loaders: Any) -> None:
        super().__init__()
        self.loaders = loaders

    def train_dataloader(self) -> Any:
        return self.loaders["train"]

    def val_dataloader(self) -> Any:
        return self.loaders.get("val", loader(examples(), 8))


def _fit(data: LightningDataModule, *callbacks: Callback) -> None:
    with user_errors():
        trainer(max_epochs=1, callbacks=list(callbacks)).fit(linear_gan(), data)


@pytest.mark.parametrize("found", [None, 3])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_loader_that_is_none_is_told_with_its_method(split: str, found: object) -> None:
    with pytest.raises(UserError) as raised:
        _fit(_Data(**{"train": loader(examples(), 8), split: found}))
    assert str(raised.value) == (
        f"`_Data.{split}_dataloader()` gives {found}: expected a DataLoader, or another collection of batches; leave "
        "the method out where there are no such data."
    )


def test_a_metric_that_is_not_logged_is_told() -> None:
    with pytest.raises(
        UserError, match=r"^Early stopping conditioned on metric `val/nothing` which is not available\."
    ):
        _fit(_Data(train=loader(examples(), 8)), EarlyStopping("val/nothing"))


def test_a_failure_of_torch_in_a_line_of_lightnings_is_no_refusal() -> None:
    average = StochasticWeightAveraging.avg_fn
    with pytest.raises(RuntimeError, match="must match the size"), user_errors():
        average(torch.zeros(2), torch.zeros(3), torch.tensor(1))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(("path", "name"), [("run/metrics.csv", "run/metrics.csv"), (None, "a file")])
def test_a_full_disk_is_told(code: int, path: str | None, name: str) -> None:
    message = rf"^{name} was not written \({os.strerror(code)}\); the checkpoints are intact: free some space, and the"
    with pytest.raises(RunError, match=message), user_errors():
        raise OSError(code, os.strerror(code), path)


@pytest.mark.parametrize(
    "error", [ValueError("mine"), RuntimeError("mine"), KeyError("mine"), KeyError(), OSError("mine")]
)
def test_errors_in_the_users_own_code_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, user_errors():
        raise error
    assert raised.value is error


def test_a_user_error_passes_both_unchanged() -> None:
    for context in (user_errors(), trainer_argument_errors()):
        told = UserError("as it is")
        with pytest.raises(UserError) as raised, context:
            raise told
        assert raised.value is told


@pytest.mark.parametrize("error", [ValueError("bad"), TypeError("bad"), MisconfigurationException("bad")])
def test_whatever_the_trainer_refuses_is_told(error: Exception) -> None:
    with pytest.raises(UserError, match=r"^--trainer: bad$"), trainer_argument_errors():
        raise error


def test_a_failure_of_the_run_that_is_told_already_passes_unchanged() -> None:
    told = RunError("as it is")
    with pytest.raises(RunError) as raised, user_errors():
        raise told
    assert raised.value is told
