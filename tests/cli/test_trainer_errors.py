"""Which of Lightning's errors are the user's to mend."""

import errno
import os

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from torch import nn

from lit_gan.cli.trainer_errors import told_of_the_trainer, told_to_the_user
from lit_gan.errors import RunError, UserError


def test_a_misconfiguration_is_told_on_one_line() -> None:
    with pytest.raises(UserError, match=r"^two lines$"), told_to_the_user():
        raise MisconfigurationException("two\n  lines")


def test_weights_that_do_not_fit_are_told_with_the_checkpoint() -> None:
    state = nn.Linear(3, 4).state_dict()
    message = (
        r"^checkpoint x\.ckpt does not fit the model: size mismatch for weight: .*\(and 1 more\); give the model's"
    )
    with pytest.raises(UserError, match=message), told_to_the_user("x.ckpt"):
        nn.Linear(3, 5).load_state_dict(state)


def test_what_lightning_itself_refuses_is_told() -> None:
    with pytest.raises(UserError, match="must be a non-negative integer"), told_to_the_user():
        Trainer(max_epochs=-4, accelerator="cpu", logger=False)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(("path", "name"), [("run/metrics.csv", "run/metrics.csv"), (None, "a file")])
def test_a_full_disk_is_told(code: int, path: str | None, name: str) -> None:
    message = rf"^{name} was not written \({os.strerror(code)}\); the checkpoints are intact: free some space, and the"
    with pytest.raises(RunError, match=message), told_to_the_user():
        raise OSError(code, os.strerror(code), path)


@pytest.mark.parametrize(
    "error", [ValueError("mine"), RuntimeError("mine"), KeyError("mine"), KeyError(), OSError("mine")]
)
def test_errors_in_the_users_own_code_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, told_to_the_user():
        raise error
    assert raised.value is error


def test_a_user_error_passes_both_unchanged() -> None:
    for context in (told_to_the_user(), told_of_the_trainer()):
        told = UserError("as it is")
        with pytest.raises(UserError) as raised, context:
            raise told
        assert raised.value is told


@pytest.mark.parametrize("error", [ValueError("bad"), TypeError("bad"), MisconfigurationException("bad")])
def test_whatever_the_trainer_refuses_is_told(error: Exception) -> None:
    with pytest.raises(UserError, match=r"^--trainer: bad$"), told_of_the_trainer():
        raise error


def test_a_failure_of_the_run_that_is_told_already_passes_unchanged() -> None:
    told = RunError("as it is")
    with pytest.raises(RunError) as raised, told_to_the_user():
        raise told
    assert raised.value is told
