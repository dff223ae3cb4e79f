"""How long it takes from the command to a score: 225 nats on MNIST, the paper's.

``python -m benchmarks.time_to_score --root DIR --out FOLDER [--configs mnist_fast mnist] [--seeds 0 1 2] [--nats 225]``
gives ``lit-gan fit`` with each configuration and seed, stops it at the score on the validation images, and writes
``time_to_score.md``, ``time_to_score.json`` and ``time_to_score.png``: seconds from the command, evaluations included,
rounds, and images of the data set that D has seen. What is in the JSON file is not measured again. Further options are
for the command, as in ``-- --trainer.max_epochs=20``.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import commands
from benchmarks.games import shipped
from benchmarks.measuring import arguments, markdown, write

Result = dict[str, Any]


def measure(config: str, seed: int, nats: float, options: Sequence[str]) -> Result:
    """One training, to the score or to its end."""
    stop = "--trainer.callbacks"
    given = [f"{stop}+=lightning.pytorch.callbacks.EarlyStopping", f"{stop}.monitor=val/parzen_nll"]
    given += [f"{stop}.stopping_threshold={-nats}", f"{stop}.patience=100000", f"{stop}.check_finite=false"]
    with tempfile.TemporaryDirectory() as folder, commands.marks() as (marks, file):
        further = ("--trainer.check_val_every_n_epoch=1", f"--seed_everything={seed}", "--report=false")
        run = commands.options_of(Path(folder) / "run", config, *further, *given, *marks, *options)
        ran = commands.lit_gan(*run)
        found = commands.read(file, "validation")
    game = shipped(config, *options)
    images = game.data.batch_size * game.gan.coordination.max_discriminator_steps
    curve = [
        {"round": mark["round"], "wall": mark["at"] - ran.begun, "cpu": mark["cpu"], "nats": -mark["parzen_nll"]}
        for mark in found
        if mark["parzen_nll"] is not None
    ]
    return {"config": config, "seed": seed, "wanted": nats, "images_a_round": images, "curve": curve}


def reached(result: Result) -> Result | None:
    """The first point of the curve at the score."""
    return next((point for point in result["curve"] if point["nats"] >= result["wanted"]), None)


def table(results: Sequence[Result]) -> str:
    """A row for each training."""
    rows = []
    for each in results:
        point = reached(each)
        last = each["curve"][-1]
        cells = [each["config"], str(each["seed"]), f"{each['wanted']:g}"]
        if point is None:
            rows.append([*cells, f"not reached: {last['nats']:.1f} after {last['cpu']:.0f} s", "", "", ""])
        else:
            images = f"{point['round'] * each['images_a_round']:,}"
            seconds = [f"{point['cpu']:.0f}", f"{point['wall']:.0f}"]
            rows.append([*cells, *seconds, f"{point['round']:,}", images])
    head = ["", "seed", "nats", "processor time, s", "by the clock, s", "rounds", "images seen"]
    return "From the command, on validation images, evaluations included.\n\n" + markdown(head, rows)


def draw(figure: Any, results: Sequence[Result]) -> None:
    """The score by processor time, a line for each training."""
    figure.set_size_inches(7, 4)
    axis = figure.subplots()
    colours = {config: f"C{place}" for place, config in enumerate(dict.fromkeys(each["config"] for each in results))}
    for each in results:
        points = [(point["cpu"], point["nats"]) for point in each["curve"]]
        said = f"{each['config']}, seed {each['seed']}"
        axis.plot(*zip(*points, strict=True), ".-", color=colours[each["config"]], label=said)
    for nats in {each["wanted"] for each in results}:
        axis.axhline(nats, color="black", linewidth=0.8)
    axis.set(xlabel="processor time from the command, seconds", ylabel="Parzen log-likelihood, nats")
    axis.legend(fontsize=7, loc="lower right")


def main(given: Sequence[str] | None = None) -> None:
    """Measures what is not there yet."""
    parser = arguments("time_to_score", __doc__)
    parser.add_argument("--root", type=Path, help="the folder of MNIST")
    parser.add_argument("--configs", nargs="+", default=["mnist_fast", "mnist"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--nats", type=float, default=225.0, help="the score (default: 225)")
    parser.add_argument("further", nargs="*", help="options of `lit-gan fit`, after --")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)  # here, too: the table says what the trainings had
    further = [*options.further, f"--num_threads={options.threads}"]
    if options.quick:  # the digits, whose score is another
        options.configs, options.seeds, options.nats = ["quickstart"], [0], -100.0
        further += ["--trainer.max_epochs=2", "--parzen.num_samples=200"]
    elif options.root is None:
        parser.error("--root DIR: expected the folder of MNIST; --quick needs none")
    else:
        further.append(f"--data.init_args.root={options.root}")
    file = options.out / "time_to_score.json"
    results: list[Result] = json.loads(file.read_text())["results"] if file.exists() else []
    for config in options.configs:
        for seed in options.seeds:
            if not any((each["config"], each["seed"]) == (config, seed) for each in results):
                results.append(measure(config, seed, options.nats, further))
                text = write(
                    options.out, "time_to_score", results, table(results), lambda figure: draw(figure, results)
                )
                print(text, flush=True)


if __name__ == "__main__":
    main()
