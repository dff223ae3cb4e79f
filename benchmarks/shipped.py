"""A shipped configuration trained and tested by the command, and what its test logged."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lit_gan.cli.main import main as lit_gan

Numbers = dict[str, float]

#: Options that make a training of any configuration one of seconds.
QUICK = ("--trainer.max_epochs=2", "--trainer.limit_val_batches=0")


def call(*arguments: str) -> None:
    """A command in this process; what fails ends the benchmark."""
    if code := lit_gan([*arguments]):
        raise SystemExit(code)


def tested(config: str, run: Path, options: Sequence[str]) -> Numbers:
    """Trains in a run folder, from the beginning or from where it was stopped; the numbers of its test."""
    call("fit", "--config", config, "--run_dir", str(run), "--wandb", "off", *options)
    call("test", str(run))
    with (run / "metrics.csv").open() as table:
        last = [*csv.DictReader(table)][-1]
    return {name.removeprefix("test/"): float(value) for name, value in last.items() if name.startswith("test/")}


def once(out: Path, config: str, ways: Mapping[str, Sequence[str]], options: Sequence[str]) -> dict[str, Numbers]:
    """The numbers of each way, by its name: from ``results.json`` where they are in it, else measured and put there."""
    out.mkdir(parents=True, exist_ok=True)
    store = out / "results.json"
    results: dict[str, Numbers] = json.loads(store.read_text()) if store.exists() else {}
    for number, (name, changed) in enumerate(ways.items()):
        if name not in results:
            results[name] = tested(config, out / f"way-{number}", [*options, *changed])
            store.write_text(json.dumps(results, indent=1) + "\n")
    return results
