"""A working directory of one's own, and one finished run for all tests that only look at it."""

import shutil
from pathlib import Path

import command_line
import pytest
from shared_runs import trained_once


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, command_line.Ending]:
    return trained_once(tmp_path_factory, "finished", command_line.fit)


@pytest.fixture
def finished_ending(_finished: tuple[Path, command_line.Ending]) -> command_line.Ending:
    """How the training of `finished_run` ended."""
    return _finished[1]


@pytest.fixture
def finished_run(_finished: tuple[Path, command_line.Ending], tmp_path: Path) -> Path:
    """The folder of a finished run of two epochs, eight rounds, relative to the working directory."""
    shutil.copytree(_finished[0] / "runs", tmp_path / "runs")
    return command_line.the_run()


@pytest.fixture
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of three epochs that nothing disturbed, to compare with; it is everybody's."""
    folder, ending = trained_once(tmp_path_factory, "whole", lambda: command_line.fit("--run_dir=whole", epochs=3))
    assert ending.code == 0, ending.err
    return folder / "whole"
