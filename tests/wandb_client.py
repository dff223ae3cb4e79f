"""Trainings that are tracked at the W&B server of the tests, and what must be true of every one of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import wandb
from command_line import SHORT, Ending, fit, metrics
from lightning.pytorch import Callback, Trainer
from nursery import nursery
from trainings import ENVIRON, wait_for_rows
from wandb_server import Run, WandbServer

#: Pictures and a Parzen score are among what is logged; what is logged is sent soon; nobody is waited for long.
OPTIONS = ("--sample_grid.every_n_rounds=3", "--parzen.num_samples=20")
_PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "wandb.md"
_QUICK = {"WANDB_INIT_TIMEOUT": "2", "WANDB_FINISH_TIMEOUT": "2", "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1"}


class WaitForFile(Callback):
    """Holds the training up before a round until a file is there: what happens meanwhile happens in its middle.

    Args:
        file: The file.
        rounds: How many rounds go before.
    """

    def __init__(self, file: str, rounds: int) -> None:
        self.file, self.rounds = Path(file), rounds

    def on_train_batch_start(self, trainer: Trainer, *arguments: Any) -> None:
        deadline = time.monotonic() + 300
        while trainer.global_step == self.rounds and not self.file.exists():
            assert time.monotonic() < deadline, f"there is no {self.file}"
            time.sleep(0.01)


#: Ten rounds, and the others once the file `go` is there.
HELD_UP = (
    "--trainer.callbacks+=wandb_client.WaitForFile",
    "--trainer.callbacks.init_args.file=go",
    "--trainer.callbacks.init_args.rounds=10",
)


class Client:
    """A user with an account at the server, in a folder of their own.

    Args:
        server: The server.
        folder: Where the user works.
    """

    def __init__(self, server: WandbServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.environ = {**server.environ(folder / "home"), **_QUICK, **ENVIRON}

    def fit(self, *arguments: Any, epochs: int = 2, config: str = "quickstart") -> Ending:
        """A short training in this process."""
        return fit(*OPTIONS, *arguments, config=config, epochs=epochs)

    def start(self, *arguments: str, epochs: int = 2) -> subprocess.Popen[str]:
        """The same as a process of its own; the same command, so that each goes on with the other's run."""
        command = (sys.executable, "-m", "lit_gan", "fit", "--config", "quickstart", *SHORT)
        with nursery():
            return subprocess.Popen(
                [*command, f"--trainer.max_epochs={epochs}", *OPTIONS, *arguments],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )

    def kill(self, name: str, *arguments: str, epochs: int, at: int, at_server: int = 0) -> Path:
        """Ends a training by SIGKILL.

        Args:
            name: Of its folder.
            arguments: Of `fit`.
            epochs: As of `fit`.
            at: How many rows of metrics there must be.
            at_server: How many of them the server must have.

        Returns:
            Its folder.
        """
        folder = self.folder / name
        process = self.start(f"--run_dir={name}", *arguments, epochs=epochs)
        wait_for_rows(folder, at, lambda: process.poll() is None, lambda: str(process.stderr and process.stderr.read()))
        self.server.wait_for(lambda: not at_server or len(self.run_of(folder).history) >= at_server)
        process.kill()
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        return folder

    def wandb(self, *arguments: Any) -> str:
        """One of W&B's own commands; what it says."""
        with nursery():
            done = subprocess.run(
                [sys.executable, "-m", "wandb", *map(str, arguments)],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def sync(self, folder: Path) -> Run:
        """Uploads what a run folder holds, by the command in the documentation.

        Returns:
            What the server has of the run then.
        """
        [command] = [line for line in _PAGE.read_text().splitlines() if line.startswith("$ wandb sync ")]
        place = command.removeprefix("$ wandb sync ").replace("runs/quickstart/ID", str(folder))
        self.wandb("sync", *glob(place))
        return self.run_of(folder)

    def run_of(self, folder: Path) -> Run:
        """What the server has of the run of a folder."""
        return self.server.runs[(folder / "wandb" / "id").read_text().strip()]


@pytest.fixture(name="client")
def client_of_the_server(server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the server that starts with nothing; W&B in this process is as new before and after."""
    client = Client(server, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name, value in client.environ.items():
        if name.startswith("WANDB_") or name == "HOME":
            monkeypatch.setenv(name, value)
    wandb.teardown()
    yield client
    wandb.teardown()
    server.live()


def check_whole(run: Run, folder: Path, *, repeated: bool = False) -> None:
    """Checks that the server has every row and picture of a run folder, once and in order.

    Args:
        run: What the server has.
        folder: The run folder.
        repeated: Whether rows may be there twice, when they are the same.
    """
    rows = _by_step(run) if repeated else run.history
    steps = [row["trainer/global_step"] for row in rows]
    logged = metrics(folder)
    assert steps == [int(row["step"]) for row in logged], [(r["_step"], r["trainer/global_step"]) for r in run.history]
    for row, texts in zip(rows, logged, strict=True):
        # Speeds alone are others when a round is repeated.
        numbers = {name: float(text) for name, text in texts.items() if name != "step" and "perf/" not in name}
        assert {name: row[name] for name in numbers} == numbers
    _check_pictures(run, rows, folder)
    last = {name: text for row in logged for name, text in row.items()}
    assert run.summary["val/parzen_nll"] == float(last["val/parzen_nll"])
    scores = [float(row["val/parzen_nll"]) for row in logged if "val/parzen_nll" in row]
    assert run.summary["best/val/parzen_nll"] == min(scores)
    assert run.settings.keys() == {"cli"}


def _by_step(run: Run) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for row in run.history:
        same = found.setdefault(row["_step"], row)
        own = ("_timestamp", "_runtime")
        assert {k: v for k, v in same.items() if k not in own} == {k: v for k, v in row.items() if k not in own}
    return [found[step] for step in sorted(found)]


def _check_pictures(run: Run, rows: list[dict[str, Any]], folder: Path) -> None:
    for kind, file in (("samples", "round"), ("interpolations", "interpolation")):
        pictures = {row["trainer/global_step"] + 1: row[kind]["filenames"] for row in rows if kind in row}
        files = {int(path.stem.rpartition("-")[2]): path for path in (folder / "samples").glob(f"{file}-*.png")}
        assert files or kind == "interpolations"  # which are drawn when training has come to its end
        assert pictures.keys() == files.keys()
        for rounds, [name] in pictures.items():
            assert run.files[name] == files[rounds].read_bytes()
