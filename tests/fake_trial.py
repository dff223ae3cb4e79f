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

options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
x, rounds, metric = float(options["x"]), int(options.get("rounds", 4)), options.get("metric", "val/score")
folder = Path("runs", "fake", os.environ["WANDB_RUN_ID"])
asked: list[int] = []


def mark(status: str) -> None:
    beside = folder / ".run.json.tmp"
    beside.write_text(json.dumps({"status": status}))
    beside.replace(folder / "run.json")


def leave(status: str, code: int) -> None:
    mark(status)
    sys.exit(code)


for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda received, _: asked.append(received))
folder.mkdir(parents=True, exist_ok=True)
with (folder / "starts.txt").open("a") as starts:
    starts.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
(folder / "config.yaml").write_text(json.dumps({"x": x}))
mark("running")
if "error" in options:
    sys.stderr.write(f"some noise\n{options['error']}\n")
    leave("failed", int(options["code"]))
table = folder / "metrics.csv"
done = max(len(table.read_text().splitlines()) - 1, 0) if table.exists() else 0
with table.open("a", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    if not done:
        writer.writerow(["step", "epoch", "train/loss_d", metric])
    for index in range(done + 1, rounds + 1):
        gate = options.get("gate")
        while gate and index >= int(options.get("gated", 2)) and not Path(gate).exists() and not asked:
            time.sleep(0.01)
        if asked:
            leave("stopped", 75 if asked[0] == signal.SIGUSR1 else 0)
        writer.writerow([index * 10, index, 0.5, x + 1 / index])
        file.flush()
        time.sleep(float(options.get("pause", 0)))
leave("finished", 0)
