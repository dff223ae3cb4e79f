"""Sweeps by `wandb sweep` and `wandb agent`, as a user starts them, and runs that are stopped from the server."""

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from nursery import nursery
from trainings import record
from wandb_client import HELD_UP, Client, client_of_the_server  # noqa: F401 -- a fixture

pytestmark = pytest.mark.slow

_SWEEP = Path(__file__).parents[1] / "sweeps" / "digits_quick.yaml"
_TINY = (
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.check_val_every_n_epoch=1",
    "--parzen.num_samples=20",
    "--sample_grid.num_samples=4",
    "--evaluation.metrics=[]",
    "--report=false",
)


@pytest.fixture(autouse=True)
def _lit_gan_on_the_path(client: Client) -> None:
    """The `lit-gan` that agents start is that of this checkout; the server knows nothing of the test before."""
    client.server.runs.clear()
    script = client.folder / "bin" / "lit-gan"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom lit_gan.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)
    client.environ["PATH"] = f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def _swept(client: Client, sweep: dict[str, Any], agents: int = 2, afresh: bool = False) -> str:
    """Runs a sweep to its end, in fresh interpreters or in forks of the nursery; what its agents say."""
    (client.folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    before = set(client.server.sweeps)
    client.wandb("sweep", "sweep.yaml")
    [name] = client.server.sweeps.keys() - before
    with nullcontext() if afresh else nursery():
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "wandb", "agent", name],
                cwd=client.folder,
                env=client.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(agents)
        ]
    return "".join(agent.communicate(timeout=300)[0] for agent in started)


def _shortened(sweep: dict[str, Any], *options: str) -> dict[str, Any]:
    """The sweep with options that its command does not have, or has otherwise."""
    given = {option.partition("=")[0] for option in options}
    command = [word for word in sweep["command"] if word.partition("=")[0] not in given]
    return {**sweep, "command": [*command[:-1], *options, command[-1]]}


def test_the_quick_sweep_has_four_runs_that_differ_in_what_it_asks(client: Client) -> None:
    sweep = yaml.safe_load(_SWEEP.read_text())
    said = _swept(client, _shortened(sweep, *_TINY, "--trainer.max_epochs=1"))
    runs = list(client.server.runs.values())
    assert [(run.state, run.exit_code, run.starts) for run in runs] == [("finished", 0, 1)] * 4, said
    points = [{name: run.settings[name] for name in sweep["parameters"]} for run in runs]
    assert len({tuple(point.values()) for point in points}) == 4
    assert {path.name for path in client.folder.glob("runs/quickstart/*")} == {run.name for run in runs}
    for run, point in zip(runs, points, strict=True):
        folder = client.folder / "runs" / "quickstart" / run.name
        assert record(folder)["status"] == "finished"
        optimizers = yaml.safe_load((folder / "config.yaml").read_text())["model"]["init_args"]
        for name, value in point.items():
            assert optimizers[name.split(".")[2]]["init_args"]["lr"] == value
        assert isinstance(run.summary[sweep["metric"]["name"]], float)
        assert run.rounds(sweep["metric"]["name"]) == [11]


def test_a_run_is_stopped_by_its_agent_and_from_its_page_on_one_device_and_on_two(client: Client) -> None:
    server = client.server
    sweep = yaml.safe_load(_SWEEP.read_text()) | {"parameters": {"trainer.devices": {"values": [1, 2]}}}
    ranks: dict[int, list[tuple[str, ...]]] = {}

    def stop() -> None:
        for run in server.runs.values():
            devices = run.settings["trainer.devices"]
            ranks[devices] = _commands_of(run.name)
            run.stop = "agent" if devices == 2 else "filestream"

    def both_train() -> bool:
        return len(server.runs) == 2 and all(run.rounds("train/loss_d") for run in server.runs.values())

    server.when(both_train, stop)
    options = (*_TINY, "--trainer.max_epochs=100000", "--trainer.log_every_n_steps=20", "--checkpoint.every_n_epochs=1")
    # They wait for the server, not in a hurry.
    slowly = ("--trainer.callbacks+=own_modules.Slow", "--trainer.callbacks.seconds=0.02")
    said = _swept(client, _shortened(sweep, *options, "--sample_grid.every_n_rounds=0", *slowly))

    assert len(server.runs) == 2
    for run in server.runs.values():
        assert (run.state, run.exit_code, run.starts) == ("finished", 0, 1), said
        folder = client.folder / "runs" / "quickstart" / run.name
        assert record(folder)["status"] == "stopped"
        assert record(folder)["reason"] == "stopped by the tracker"
        checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        assert checkpoint["global_step"] > run.rounds("train/loss_d")[-1]
    assert {devices: len(commands) for devices, commands in ranks.items()} == {1: 1, 2: 2}
    assert all(len(set(commands)) == 1 for commands in ranks.values())  # all ranks have the same


def test_a_preempted_trial_is_given_to_the_next_agent_that_asks_and_goes_on(client: Client) -> None:
    server = client.server
    sweep = yaml.safe_load(_SWEEP.read_text()) | {"parameters": {"seed_everything": {"values": [3]}}}

    def preempt() -> None:
        [name] = server.runs
        for pid in _processes_of(name):
            os.kill(pid, signal.SIGUSR1)
        (client.folder / "go").touch()

    server.when(lambda: any(run.history for run in server.runs.values()), preempt)
    options = (*_TINY, "--trainer.max_epochs=2", "--trainer.log_every_n_steps=1", *HELD_UP)
    said = _swept(client, _shortened(sweep, *options), agents=1, afresh=True)

    [run] = server.runs.values()
    assert (run.state, run.exit_code) == ("finished", 0), said
    folder = client.folder / "runs" / "quickstart" / run.name
    assert (record(folder)["status"], record(folder)["resumed"]) == ("finished", 1)
    assert run.rounds("train/loss_d") == list(range(24))  # none twice, none missing


def _commands_of(run: str) -> list[tuple[str, ...]]:
    """The options with which the ranks of a trial were started."""
    words = [_words(pid) for pid in _processes_of(run)]
    return [tuple(line[line.index("fit") :]) for line in words]


def _processes_of(run: str) -> list[int]:
    """The ranks of a trial."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_rank = f"WANDB_RUN_ID={run}".encode() in (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if is_rank and "fit" in _words(int(entry.name)):
            found.append(int(entry.name))
    return found


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
