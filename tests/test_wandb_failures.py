"""A W&B server that refuses, hangs or dies: training goes on to its end, and later everything is uploaded."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb
from command_line import metrics, the_run
from trainings import wait_for_rows
from wandb_client import HELD_UP, Client, check_whole, client_of_the_server  # noqa: F401 -- a fixture

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["refuse", "unavailable", "hang"])
def test_a_server_that_cannot_be_reached_at_the_start_is_told_once_and_done_without(mode: Any, client: Client) -> None:
    client.server.set_mode(mode)
    with pytest.warns(UserWarning, match="W&B cannot be reached .*: the run is tracked offline, in its folder") as told:
        assert client.fit("--wandb=online").code == 0
    assert len([warning for warning in told if "W&B" in str(warning.message)]) == 1
    client.server.live()
    folder = the_run()
    assert list((folder / "wandb").glob("run-*")) == []
    check_whole(client.sync(folder), folder)


def _when_it_has_rows(client: Client, action: Callable[[], None]) -> None:
    """Once the server has rows of a run that is held up, something happens, and the run goes on."""
    before = set(client.server.runs)

    def act() -> None:
        action()
        (client.folder / "go").touch()

    client.server.when(lambda: any(run.history for name, run in client.server.runs.items() if name not in before), act)


@pytest.mark.parametrize("mode", ["unavailable", "hang", "dead"])
def test_a_server_that_fails_in_the_middle_costs_nothing_but_a_command(mode: Any, client: Client) -> None:
    server = client.server
    _when_it_has_rows(client, server.die if mode == "dead" else lambda: server.set_mode(mode))
    with pytest.warns(UserWarning, match="W&B has not got all of this run") as told:
        ending = client.fit("--wandb=online", f"--run_dir={mode}", *HELD_UP, epochs=6)
    assert ending.code == 0, ending.err
    assert "finished 24 rounds" in ending.out
    server.live()

    [warning] = [str(warning.message) for warning in told if "W&B" in str(warning.message)]
    command = re.search(r"everything is in its folder, and is uploaded by: wandb (sync --include-online .+)$", warning)
    assert command, warning
    client.wandb(*command[1].split())
    check_whole(client.run_of(Path(mode)), Path(mode), repeated=True)
    assert client.run_of(Path(mode)).state == "finished"


def test_a_server_that_comes_back_has_everything_at_the_end(client: Client) -> None:
    server = client.server

    def go_and_come_back() -> None:
        server.die()
        server.live()

    _when_it_has_rows(client, go_and_come_back)
    ending = client.fit("--wandb=online", "--run_dir=back", *HELD_UP, epochs=6)
    assert (ending.code, ending.err) == (0, "")
    check_whole(client.run_of(Path("back")), Path("back"))


def test_a_run_goes_on_offline_when_wandbs_own_process_dies(client: Client) -> None:
    process = client.start("--wandb=online", "--run_dir=lost", *HELD_UP, epochs=6)
    folder = client.folder / "lost"
    wait_for_rows(folder, 9, lambda: process.poll() is None, lambda: "")
    os.kill(_wandb_core_of(process.pid), signal.SIGKILL)
    (client.folder / "go").touch()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert said.startswith("lit-gan: warning: W&B is lost"), said
    check_whole(client.sync(folder), folder, repeated=True)


def _wandb_core_of(parent: int) -> int:
    [found] = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is_wandb_core(entry, parent)]
    return found


def _is_wandb_core(entry: Path, parent: int) -> bool:
    try:
        return (
            f"PPid:\t{parent}\n" in (entry / "status").read_text() and b"wandb-core" in (entry / "cmdline").read_bytes()
        )
    except OSError:  # it has ended meanwhile
        return False


_NO_LOGIN = "log in with `wandb login`, set WANDB_API_KEY, or give --wandb offline."


def test_a_key_that_the_server_does_not_take_is_the_users_to_mend(client: Client) -> None:
    client.server.set_mode("unauthorized")
    line = client.fit("--wandb=online").line
    assert line.startswith(f"--wandb online: {client.server.url} does not accept the API key (")
    assert line.endswith(f": {_NO_LOGIN}")
    assert not Path("runs").exists()


def test_no_key_is_the_users_to_mend(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    line = client.fit("--wandb=online").line
    assert line == f"--wandb online: there is no API key for {client.server.url}: {_NO_LOGIN}"


def test_a_key_of_the_wrong_form_is_the_users_to_mend(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    line = client.fit("--wandb=online").line
    assert line.startswith("--wandb online: WANDB_API_KEY invalid: ")
    assert line.endswith(f": {_NO_LOGIN}")


def test_inside_an_agent_a_key_that_is_not_taken_costs_no_trial(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "a1b2")
    monkeypatch.setenv("WANDB_RUN_ID", "trial")
    client.server.set_mode("unauthorized")
    with pytest.warns(UserWarning, match="W&B cannot be reached .*401.*: the run is tracked offline"):
        assert client.fit("--wandb=null").code == 0
    client.server.live()
    check_whole(client.sync(Path("runs/quickstart/trial")), Path("runs/quickstart/trial"))


def test_an_empty_mode_is_none(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "")
    assert client.fit("--wandb=null").code == 0
    assert len(list((the_run() / "wandb").glob("offline-run-*"))) == 1


def test_where_wandb_cannot_even_begin_offline_the_run_trains_without_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = wandb.init

    def refuse(mode: str, **arguments: Any) -> Any:
        if mode != "disabled":
            raise OSError("no room")
        return begin(mode="disabled")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.warns(UserWarning, match=r"W&B cannot even write to the run folder \(no room\): it is off"):
        assert client.fit("--wandb=offline", "--wandb_checkpoints=true").code == 0
    assert [int(row["step"]) for row in metrics(the_run())] == list(range(8))
