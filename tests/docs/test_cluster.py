"""The page about clusters: every command on it is one that can be queued, and its template is the one there is."""

from pathlib import Path

import pytest
from command_line import lit_gan
from documents import ROOT, blocks, commands

from lit_gan.cluster import torchrun
from lit_gan.cluster.template import SHIPPED, SITE_VARIABLE

_PAGE = ROOT / "docs" / "how-to" / "cluster.md"
_COMMANDS = [arguments for arguments in commands(_PAGE) if arguments[0] == "submit"]


@pytest.fixture(autouse=True)
def _reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has written the site's template as the page says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SITE_VARIABLE, raising=False)
    [python] = [
        line.partition('"')[2].partition('" > ')[0]
        for block in blocks(_PAGE)
        for line in block.text.splitlines()
        if "python -c" in line
    ]
    with Path("site.sbatch.j2").open("w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file)
        exec(python, {})  # noqa: S102 -- the page's own code
    assert Path("site.sbatch.j2").read_text() == SHIPPED.read_text()


def test_the_page_has_a_command_for_each_kind_of_job() -> None:
    words = {word for arguments in _COMMANDS for word in arguments}
    assert {"--nodes", "--array", "--sweep", "--container", "--local", "--template"} <= words


@pytest.mark.parametrize("arguments", [one for one in _COMMANDS if "--local" not in one], ids=" ".join)
def test_a_job_of_the_page_can_be_queued(arguments: list[str]) -> None:
    ending = lit_gan("submit", "--print", *arguments[1:])
    assert (ending.code, ending.err) == (0, "")
    assert ending.out.startswith("#!/bin/bash\n")


def test_the_job_for_this_machine_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run_ranks(arguments: list[str], processes: int, stopped: object) -> int:
        ran.append((arguments[:3], processes))
        return 0

    monkeypatch.setattr(torchrun, "run_ranks", run_ranks)
    [arguments] = [one for one in _COMMANDS if "--local" in one]
    assert lit_gan(*arguments).code == 0
    assert ran == [(["fit", "--config", "quickstart"], 2)]
