"""A trial in a few milliseconds: writes a run folder as a training does, a row per round, and stops as one does.

Run as `python fake_trial.py --x=0.5 --rounds=4 ...`: the value of round r is x + 1/r. It goes on where its folder ends.
"""

import csv
import json
import os
import signal
import sys
import time
from pathlib import Path


def mark(folder: Path, status: str) -> None:
    beside = folder / ".run.json.tmp"
    beside.write_text(json.dumps({"status": status}))
    beside.replace(folder / "run.json")


def begin(options: dict[str, str]) -> Path:
    folder = Path("runs", "fake", os.environ["WANDB_RUN_ID"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starts.txt").open("a") as starts:
        starts.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
    (folder / "config.yaml").write_text(json.dumps({"x": float(options["x"])}))
    mark(folder, "running")
    return folder


def train(folder: Path, options: dict[str, str], asked: list[int]) -> tuple[str, int]:
    """The rounds that are still to be made; how it ended, and the exit code."""
    x, rounds, metric = float(options["x"]), int(options.get("rounds", 4)), options.get("metric", "val/score")
    table, gate = folder / "metrics.csv", options.get("gate")
    done = max(len(table.read_text().splitlines()) - 1, 0) if table.exists() else 0
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not done:
            writer.writerow(["step", "epoch", "train/loss_d", metric])
        for index in range(done + 1, rounds + 1):
            while gate and index >= int(options.get("gated", 2)) and not Path(gate).exists() and not asked:
                time.sleep(0.01)
            if asked:
                return "stopped", 75 if asked[0] == signal.SIGUSR1 else 0
            writer.writerow([index * 10, index, 0.5, x + 1 / index])
            file.flush()
            time.sleep(float(options.get("pause", 0)))
    return "finished", 0


def main() -> int:
    options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda received, _: asked.append(received))
    folder = begin(options)
    if "error" in options:
        sys.stderr.write(f"some noise\n{options['error']}\n")
        status, code = "failed", int(options["code"])
    else:
        status, code = train(folder, options, asked)
    mark(folder, status)
    return code


if __name__ == "__main__":
    sys.exit(main())
