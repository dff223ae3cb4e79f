"""A working directory of one's own, and one finished run for all tests that only look at it."""

import os
import shutil
from pathlib import Path

import command_line
import pytest


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, command_line.Ending]:
    before, place = Path.cwd(), tmp_path_factory.mktemp("finished")
    os.chdir(place)
    try:
        ending = command_line.fit()
    finally:
        os.chdir(before)
    return place, ending


@pytest.fixture
def finished_ending(_finished: tuple[Path, command_line.Ending]) -> command_line.Ending:
    """How the training of `finished_run` ended."""
    return _finished[1]


@pytest.fixture
def finished_run(_finished: tuple[Path, command_line.Ending], tmp_path: Path) -> Path:
    """The folder of a finished run of two epochs, eight rounds, relative to the working directory."""
    shutil.copytree(_finished[0] / "runs", tmp_path / "runs")
    return command_line.the_run()
