"""`python -m lit_gan.loggers.wandb RUN`: W&B's copy of a run that was killed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_wandb_run import FakeRun

from lit_gan.loggers.wandb import run as tracking
from lit_gan.loggers.wandb.__main__ import main
from lit_gan.runs.folder import RunFolder


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of three logged rounds, which drew a picture after its last whole row."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_RUN_ID", "WANDB_NAME", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    folder = RunFolder.create("runs", "quickstart", {})
    folder.write_config(yaml.safe_dump({"seed_everything": 3}))
    folder.metrics.write_text("step,epoch,a\n0,0,0.5\n3,0,1.0\n7,1,2.0\n")
    (folder.samples / "round-000009.png").touch()
    folder.release()
    return folder


@pytest.fixture
def told(killed: RunFolder, monkeypatch: pytest.MonkeyPatch) -> tuple[FakeRun, dict[str, Any]]:
    """The run that is begun at W&B, and what it is told."""
    run, arguments = FakeRun(), dict[str, Any]()
    run.offline = True

    def begin(given: dict[str, Any], *, offline: bool, stage: Path) -> FakeRun:
        assert offline
        arguments.update(given)
        piece = stage / "wandb" / f"offline-run-1-{given['id']}"
        piece.mkdir(parents=True)
        run.settings.sync_dir = str(piece)
        return run

    monkeypatch.setattr(tracking, "begin_run", begin)
    monkeypatch.setattr(tracking, "run_settings", lambda given, on_stop: None)
    return run, arguments


def test_a_killed_run_gets_its_copy_once(
    killed: RunFolder, told: tuple[FakeRun, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, arguments = told
    path = killed.path.relative_to(Path.cwd())
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == f"lit-gan: upload W&B's copy by: wandb sync {path}/wandb/offline-run-*\n"
    assert [(row["trainer/global_step"], row["a"]) for row in run.rows] == [(0, 0.5), (3, 1.0), (7, 2.0)]
    assert arguments["config"] == {"cli": {"seed_everything": 3}}
    assert (arguments["id"], arguments["project"], run.ended_with) == (path.name, "lit-gan", 1)
    assert [piece.name for piece in killed.wandb.glob("offline-run-*")] == [f"offline-run-1-{path.name}"]

    assert main([str(path)]) == 0
    assert capsys.readouterr().out == "lit-gan: W&B's copy of the run has all of it already.\n"
    assert len(run.rows) == 3


def test_it_has_what_the_runs_own_logger_of_lightnings_says(
    killed: RunFolder, told: tuple[FakeRun, dict[str, Any]]
) -> None:
    logger = {
        "class_path": "lightning.pytorch.loggers.WandbLogger",
        "init_args": {"project": "mine", "log_model": True},
    }
    killed.config.write_text(yaml.safe_dump({"trainer": {"logger": [logger]}}))
    assert main([str(killed.path)]) == 0
    assert told[1]["project"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "expected the path of one run, such as runs/mnist/ID, got 0 arguments."),
        (["nowhere"], "nowhere is not a run folder (it has no run.json): give the path of one, such as runs/mnist/ID."),
    ],
)
def test_what_is_no_run_is_the_users_to_mend(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"lit-gan: error: {line}\n"


def test_a_run_that_is_being_written_writes_its_copy_itself(
    killed: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = RunFolder.open(killed.path)
    writer.take({}, check=lambda record: None)
    try:
        assert main([str(killed.path)]) == 2
    finally:
        writer.release()
    assert "is being written; its command writes W&B's copy when it ends" in capsys.readouterr().err
