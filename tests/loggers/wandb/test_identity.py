"""The id of a run at W&B: one for each folder, and one that W&B takes."""

import re
from pathlib import Path

import pytest
import wandb

from lit_gan.launch.ranks import fresh_id
from lit_gan.loggers.wandb.identity import keep_run_id, run_id, run_name


def test_a_name_of_ours_is_the_id() -> None:
    name = fresh_id()
    assert run_id(Path("runs", name)) == name


@pytest.mark.parametrize("name", ["seed0", "slurm-12", "a:b", "sigma=[0.1]", "my run", "it's #1?", "x" * 140, "..."])
def test_any_other_name_gives_each_folder_an_id_of_its_own_that_wandb_takes(name: str, tmp_path: Path) -> None:
    ids = {run_id(tmp_path / name) for _ in range(2)}
    assert len(ids) == 2
    for found in ids:
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", found)
        wandb.Settings(run_id=found)


def test_the_id_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "seed0"
    used = run_id(folder)
    keep_run_id(folder, used)
    keep_run_id(folder, used)
    assert run_id(folder) == used


def test_the_run_is_called_as_its_folder_unless_another_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_RUN_ID", "WANDB_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert run_name(Path("expA/seed0")) == "seed0"
    monkeypatch.setenv("WANDB_NAME", "mine")
    assert run_name(Path("expA/seed0")) == "mine"
    monkeypatch.setenv("WANDB_RUN_ID", "3fa9x2")
    assert run_name(Path("expA/seed0")) is None
