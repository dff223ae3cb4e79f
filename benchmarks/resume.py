"""Kills a small training at random moments, and looks whether it ends as one that was never touched.

    python -m benchmarks.resume --out DIR

Each turn starts a training of a few seconds that writes a checkpoint every three rounds, ends it by a signal at a
random moment (the writing of checkpoints included), gives the same command again until it is done, and compares
weights, optimiser states, every row of ``metrics.csv`` (all but ``perf/*``) and every sample with those of the run that
was left alone: to the last bit.
"""

import argparse
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lit_gan.errors import FAILED

# Four rounds an epoch; a validation with its samples every other one.
ARGUMENTS = (
    "fit",
    "--config=quickstart",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.log_every_n_steps=1",
    "--trainer.check_val_every_n_epoch=2",
    "--parzen.num_samples=200",
    "--sample_grid.every_n_rounds=20",
    "--checkpoint.every_n_epochs=0",
    "--checkpoint.every_n_train_steps=3",
    "--wandb=off",
    # What comes at the end of a run is made of what is compared here, and takes longer than the training.
    "--evaluation.metrics=[]",
    "--report=false",
)
_LIMIT_SECONDS = 240.0
_MOST_STARTS = 6


@dataclass(frozen=True)
class Kind:
    """How a run is ended.

    Args:
        name: For the report.
        number: The signal.
        ranks: How many processes train.
        turns: How often.
    """

    name: str
    number: signal.Signals
    ranks: int
    turns: int


def kinds(turns: int, fewer: int) -> list[Kind]:
    """SIGKILL ``turns`` times, and ``fewer`` times each SIGTERM, SIGUSR1, and SIGKILL on two ranks."""
    return [
        Kind("SIGKILL", signal.SIGKILL, 1, turns),
        Kind("SIGTERM", signal.SIGTERM, 1, fewer),
        Kind("SIGUSR1", signal.SIGUSR1, 1, fewer),
        Kind("SIGKILL, two ranks", signal.SIGKILL, 2, fewer),
    ]


def start(folder: Path, ranks: int, epochs: int) -> subprocess.Popen[bytes]:
    """The training, in a process group of its own."""
    command = [sys.executable, "-m", "lit_gan", *ARGUMENTS, f"--run_dir={folder}", f"--trainer.devices={ranks}"]
    # On two ranks a minibatch is a rank's: half as many rows, to have as many rounds.
    command += [f"--trainer.max_epochs={epochs}", f"--data.init_args.batch_size={300 // ranks}"]
    log = (folder.parent / f"{folder.name}.log").open("ab")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "WANDB_"))}
    return subprocess.Popen(  # noqa: S603 -- our own command
        command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
    )


def end(process: subprocess.Popen[bytes], kind: Kind, chance: random.Random) -> None:
    """Sends the signal: to all processes of the run, or, of several ranks, to one of them."""
    members = _members(process.pid)
    if kind.number == signal.SIGKILL and (kind.ranks == 1 or chance.random() < 0.5):
        os.killpg(process.pid, kind.number)
    else:
        os.kill(chance.choice(members) if members else process.pid, kind.number)


def turn(kind: Kind, folder: Path, moment: float, chance: random.Random, epochs: int) -> int:
    """Starts, ends and starts again until the training is done.

    Args:
        kind: How it is ended.
        folder: The run folder.
        moment: Seconds after its first row of metrics.
        chance: Chooses the rank.
        epochs: Of the training.

    Returns:
        After how many rows of metrics it was ended.

    Raises:
        RuntimeError: If it hangs, or does not end in good order in a few starts.
    """
    process = start(folder, kind.ranks, epochs)
    _wait_for(folder / "metrics.csv", process)
    time.sleep(moment)
    reached = _rows(folder)
    if process.poll() is None:
        end(process, kind, chance)
    code = process.wait(_LIMIT_SECONDS)
    _wait_for_the_others(process.pid)
    for _ in range(_MOST_STARTS):
        if code == 0:
            return reached
        process = start(folder, kind.ranks, epochs)
        code = process.wait(_LIMIT_SECONDS)
        if code == FAILED:
            break
    raise RuntimeError(f"{folder}: ended with {code}; see {folder}.log")


def differences(folder: Path, whole: Path) -> list[str]:
    """Where a run differs from another one: the names of weights, states, columns and files."""
    here, there = (torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in (folder, whole))
    names = ("global_step", "state_dict", "optimizer_states", "lr_schedulers", "lit_gan")
    found = [fault for name in names for fault in _unequal(here[name], there[name], name)]
    if _table(folder) != _table(whole):
        found.append("metrics.csv")
    pictures = [{path.name: path.read_bytes() for path in (run / "samples").glob("*.png")} for run in (folder, whole)]
    return found + (["samples"] if pictures[0] != pictures[1] or not pictures[0] else [])


def _unequal(one: Any, other: Any, name: str) -> list[str]:
    if isinstance(one, torch.Tensor):
        return [] if isinstance(other, torch.Tensor) and torch.equal(one, other) else [name]
    if isinstance(one, Mapping):
        keys = one.keys() | (other.keys() if isinstance(other, Mapping) else set())
        return [fault for key in keys for fault in _unequal(one.get(key), other.get(key), f"{name}.{key}")]
    if isinstance(one, list | tuple) and len(one) == len(other):
        return [
            fault
            for index, pair in enumerate(zip(one, other, strict=True))
            for fault in _unequal(*pair, f"{name}[{index}]")
        ]
    return [] if one == other else [name]


def _table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return [
            {name: value for name, value in row.items() if not name.startswith("perf/")} for row in csv.DictReader(file)
        ]


def _rows(folder: Path) -> int:
    return max((folder / "metrics.csv").read_bytes().count(b"\n") - 1, 0)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{path} was not written: see {path.parent}.log")
        time.sleep(0.005)


def _members(group: int) -> list[int]:
    """The processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def _wait_for_the_others(group: int) -> None:
    """A run that lost one rank takes its others down by itself, within a minute."""
    deadline = time.monotonic() + 60
    while _members(group):
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes {_members(group)} outlived their run by a minute")
        time.sleep(0.05)


def battery(kind: Kind, out: Path, chance: random.Random, epochs: int) -> list[str]:
    """All turns of a kind.

    Args:
        kind: Which.
        out: Where the runs go; those that end as they should are removed.
        chance: Chooses the moments.
        epochs: Of a training.

    Returns:
        A line for each turn that differs.
    """
    whole = out / f"whole-{kind.ranks}"
    if not whole.exists():
        process = start(whole, kind.ranks, epochs)
        if process.wait(_LIMIT_SECONDS):
            raise RuntimeError(f"the run that is left alone failed: see {whole}.log")
    lasts = _seconds(whole)
    faults, done = [], 0
    while done < kind.turns:
        folder = out / f"{kind.name.replace(' ', '-').replace(',', '')}-{done}"
        shutil.rmtree(folder, ignore_errors=True)
        reached = turn(kind, folder, chance.uniform(0, lasts), chance, epochs)
        if reached >= _rows(whole):  # too late: it was over
            continue
        done += 1
        found = differences(folder, whole)
        print(
            f"{kind.name:<20} {done:>3}/{kind.turns} ended after {reached:>3} rows: {found or 'the same bits'}",
            flush=True,
        )
        if found:
            faults.append(f"{folder}: {found}")
        else:
            shutil.rmtree(folder)
    return faults


def _seconds(run: Path) -> float:
    """How long a finished run trained: from its first row to its last."""
    return (run / "metrics.csv").stat().st_mtime - (run / "config.yaml").stat().st_mtime


def main() -> int:
    """Runs the battery; 1 if a run differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="An empty folder for the runs.")
    parser.add_argument("--kills", type=int, default=30, help="Turns with SIGKILL.")
    parser.add_argument("--others", type=int, default=10, help="Turns of each other kind.")
    parser.add_argument("--ranks", type=int, choices=(1, 2), help="Only the turns on so many; all if not given.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="Of the moments.")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)  # noqa: S311 -- moments, no secrets
    chosen = [kind for kind in kinds(options.kills, options.others) if options.ranks in (None, kind.ranks)]
    faults = [fault for kind in chosen for fault in battery(kind, options.out.absolute(), chance, options.epochs)]
    total = sum(kind.turns for kind in chosen)
    print(f"{total - len(faults)} of {total} runs ended with the bits of the one that was left alone")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
