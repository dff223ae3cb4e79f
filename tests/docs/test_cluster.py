"""The page about clusters: every command on it is one that can be queued, and its template is the one there is."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from command_line import SHORT, lit_gan, metrics
from documents import ROOT, blocks, commands

from lit_gan.cli.trainer.command import Command
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


def _words(text: str, variables: dict[str, str]) -> list[str]:
    """The words of a command, as the shell hands them to its program."""
    said = subprocess.run(
        ["bash", "-euc", 'lit-gan() { printf "%s\\0" lit-gan "$@"; }; pip() { printf "%s\\0" pip "$@"; };' + text],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split("\0")[:-1]


def test_the_job_on_spot_machines_goes_on_when_its_command_is_run_again() -> None:
    [block] = [block for block in blocks(_PAGE) if block.title.endswith(".sky.yaml")]
    job = yaml.safe_load(block.text)
    # Of SkyPilot's schema of a task.
    assert job.keys() <= {"name", "workdir", "num_nodes", "resources", "envs", "file_mounts", "setup", "run"}
    assert job["resources"] == {"accelerators": "A100:1", "use_spot": True}
    assert {mount["mode"] for mount in job["file_mounts"].values()} <= {"COPY", "MOUNT", "MOUNT_CACHED"}
    assert _words(job["setup"], job["envs"]) == ["pip", "install", "."]

    program, *arguments = _words(job["run"], job["envs"])
    assert program == "lit-gan"
    where = arguments[arguments.index("--run_dir") + 1]
    assert where.startswith(("/runs/", *(f"{mount}/" for mount in job["file_mounts"])))
    assert Command(arguments[0], arguments[1:]).name == "mnist"  # the parser takes it

    here = [*arguments]
    here[here.index("--run_dir") + 1] = "mounted"
    here[here.index("mnist")] = "quickstart"
    root = here.index("--data.init_args.root")
    del here[root : root + 2]
    here += [*SHORT, "--trainer.max_epochs=2"]
    stop = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=6")
    assert lit_gan(*here, *stop).code == 130
    again = lit_gan(*here, *stop)
    assert again.code == 0
    assert "continuing mounted after round 4" in again.out
    assert [int(row["step"]) for row in metrics(Path("mounted"))] == list(range(8))
