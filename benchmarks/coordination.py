"""Better coordination and better p_z, measured: rounds and seconds to a Parzen score, precision and coverage.

``python -m benchmarks.coordination --out FOLDER [--rounds 500] [--seeds 0 1 2]`` trains the networks of ``quickstart``
on the digits of scikit-learn in several ways, each one change from Algorithm 1 with k = 1 and the paper's p_z, and
writes ``coordination.md``, ``coordination.json`` and ``coordination.png``. What is in the JSON file is not trained
again. The target is the mean score of the baseline at its end; seconds are CPU time of training alone, so that a busy
machine counts for little.
"""

import argparse
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor

from benchmarks.measuring import markdown
from lit_gan import GAN
from lit_gan.callbacks import GeneratorEMA, Lookahead
from lit_gan.coordination import AccuracyBand
from lit_gan.data import DigitsDataModule
from lit_gan.functional import parzen_log_likelihood, select_sigma
from lit_gan.functional.precision_recall import precision_recall
from lit_gan.latents import Mixture, Normal, Truncated
from lit_gan.networks import MaxoutDiscriminator, MixtureMLPGenerator, MLPGenerator
from lit_gan.optimizers import OptimisticAdam
from lit_gan.sampling import Langevin, Rejection, calibrate, sample

BASELINE = "k = 1, U(-√3, √3): the paper's"
_LOOKS = 20
_SCORED = 1000

Row = dict[str, Any]


def _adam(optimizer: Any) -> dict[str, Any]:
    return dict.fromkeys(("optimizer_g", "optimizer_d"), partial(optimizer, lr=1e-3, betas=(0.5, 0.999)))


def _sgd(rate: float) -> Any:
    return partial(torch.optim.SGD, lr=rate, momentum=0.5)


@dataclass(frozen=True)
class Way:
    """One change from the baseline: arguments of the GAN, a callback, the class of its G."""

    arguments: Mapping[str, Any]
    callback: Callable[[], Callback] | None = None
    generator: type[MLPGenerator] = MLPGenerator


WAYS: dict[str, Callable[[], Way]] = {
    BASELINE: lambda: Way({}),
    "AccuracyBand": lambda: Way({"coordination": AccuracyBand()}),
    "Lookahead(5, 0.5)": lambda: Way({}, Lookahead),
    "two time scales, D 0.2, G 0.1": lambda: Way({"optimizer_d": _sgd(0.2)}),
    "Adam": lambda: Way(_adam(torch.optim.Adam)),
    "OptimisticAdam": lambda: Way(_adam(OptimisticAdam)),
    "p_z: Normal": lambda: Way({"latent": Normal()}),
    "p_z: Truncated(1)": lambda: Way({"latent": Truncated(threshold=1.0)}),
    "p_z: Mixture(10)": lambda: Way({"latent": Mixture(10)}),
    "p_z: a mixture of 10 that learns": lambda: Way({"latent": Normal()}, generator=MixtureMLPGenerator),
}
SAMPLINGS: dict[str, dict[str, Any]] = {
    "baseline, truncation 0.7": {"truncation": 0.7},
    "baseline, rejection": {"method": Rejection()},
    "baseline, langevin": {"method": Langevin()},
}


class Looks(Callback):
    """Scores the samples at twenty rounds, and times the training between them."""

    def __init__(self, data: DigitsDataModule, every: int) -> None:
        self._every = every
        self.val, self.test, self.train = (_images(data, split) for split in ("val", "test", "train"))
        self.seconds = 0.0
        self.curve: list[Row] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """The clock runs."""
        self._start = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """The clock stands while samples are scored."""
        self.seconds += time.process_time() - self._start
        if trainer.global_step % self._every == 0:
            nll = self.score(pl_module.sample(_SCORED, rng=0))
            self.curve.append({"round": trainer.global_step, "seconds": self.seconds, "parzen": nll})

    def score(self, samples: Tensor) -> float:
        """The mean log-likelihood of the test images, in nats."""
        centres = samples.flatten(1)
        sigma = select_sigma(self.val, centres)
        return float(parzen_log_likelihood(self.test, centres, sigma).mean())


def _images(data: DigitsDataModule, split: str) -> Tensor:
    loader: Any = {"train": data.train_dataloader, "val": data.val_dataloader, "test": data.test_dataloader}[split]()
    return torch.cat([batch[0] for batch in loader]).flatten(1)


def train(name: str, seed: int, rounds: int) -> list[Row]:
    """One training, and for the baseline the ways of sampling from it."""
    seed_everything(seed)
    way = WAYS[name]()
    gan = GAN(
        way.generator((1, 8, 8), latent_size=32, hidden=(256, 256), weight_init=0.2, pixel_mean_bias=True),
        MaxoutDiscriminator((1, 8, 8), hidden=(64, 64), pieces=5, weight_init=0.05, input_keep=0.8, hidden_keep=0.5),
        **{"optimizer_g": _sgd(0.1), "optimizer_d": _sgd(0.1), **way.arguments},
    )
    data = DigitsDataModule(batch_size=100, seed=seed)
    looks_at = DigitsDataModule(batch_size=100)
    looks_at.setup("fit")
    looks_at.setup("test")
    looks = Looks(looks_at, max(rounds // _LOOKS, 1))
    callbacks = [GeneratorEMA(0.998), looks, *([way.callback()] if way.callback else [])]
    trainer = Trainer(
        accelerator="cpu",
        max_steps=rounds,
        max_epochs=-1,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(gan, data)
    rows = [_row(name, seed, looks, gan.sample(len(looks.train), rng=1))]
    if name == BASELINE:
        calibration = calibrate(gan, looks.val.reshape(-1, 1, 8, 8))
        for label, how in SAMPLINGS.items():
            start = time.process_time()
            scored = sample(gan, _SCORED, rng=0, calibration=calibration, **how)
            took = time.process_time() - start
            other = sample(gan, len(looks.train), rng=1, calibration=calibration, **how)
            rows.append(
                _row(label, seed, looks, other) | {"curve": [], "parzen": looks.score(scored), "sampling": took}
            )
    return rows


def _row(name: str, seed: int, looks: Looks, samples: Tensor) -> Row:
    found = precision_recall(looks.train, samples.flatten(1))
    spread = {name: float(value) for name, value in found.items()}
    last = looks.curve[-1]
    return {
        "name": name,
        "seed": seed,
        "curve": looks.curve,
        "parzen": last["parzen"],
        "train": looks.seconds,
        **spread,
    }


def _reached(row: Row, target: float) -> Row | None:
    return next((point for point in row["curve"] if point["parzen"] >= target), None)


def _mean(values: list[float], digits: int) -> str:
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def _cost(rows: list[Row], target: float) -> list[str]:
    """Rounds and seconds to the target: the mean of the seeds that reach it, and how many did."""
    found = [point for row in rows if (point := _reached(row, target))]
    if not rows[0]["curve"]:
        return ["", "", f"{statistics.mean(row['sampling'] for row in rows):.1f} s to sample"]
    each = f"{1000 * statistics.mean(row['train'] / row['curve'][-1]['round'] for row in rows):.1f} ms a round"
    if not found:
        return ["never", "", each]
    of = "" if len(found) == len(rows) else f" ({len(found)} of {len(rows)} seeds)"
    means = (statistics.mean(point[key] for point in found) for key in ("round", "seconds"))
    return [f"{next(means):.0f}{of}", f"{next(means):.1f}", each]


def table(results: list[Row]) -> str:
    """The results in Markdown."""
    target = statistics.mean(row["parzen"] for row in results if row["name"] == BASELINE)
    rounds = max(row["curve"][-1]["round"] for row in results if row["curve"])
    columns = ["", "Parzen, nats", f"rounds to {target:.1f}", "CPU s to it", "cost"]
    columns += ["precision", "recall", "density", "coverage"]
    lines = []
    for name in [*WAYS, *SAMPLINGS]:
        rows = [row for row in results if row["name"] == name]
        if rows:
            cells = [name, _mean([row["parzen"] for row in rows], 1), *_cost(rows, target)]
            cells += [_mean([row[key] for row in rows], 3) for key in columns[5:]]
            lines.append(cells)
    return f"After {rounds} rounds, mean ± sd over seeds.\n\n" + markdown(columns, lines)


def plot(results: list[Row], file: Path) -> None:
    """Scores by rounds, and coverage beside precision."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the backend is set

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5))
    for name in [*WAYS, *SAMPLINGS]:
        rows = [row for row in results if row["name"] == name]
        if not rows:
            continue
        style = {"color": "black", "linewidth": 2} if name == BASELINE else {}
        colour = style.get("color")
        if rows[0]["curve"]:
            curves = [[point["parzen"] for point in row["curve"]] for row in rows]
            line = left.plot(
                [point["round"] for point in rows[0]["curve"]],
                [statistics.mean(values) for values in zip(*curves, strict=True)],
                label=name,
                **style,
            )[0]
            colour = line.get_color()
        place = [statistics.mean(row[key] for row in rows) for key in ("precision", "coverage")]
        right.plot(*place, "o" if rows[0]["curve"] else "^", color=colour)
        right.annotate(name, place, fontsize=7, xytext=(4, 3), textcoords="offset points")
    left.set(xlabel="round", ylabel="Parzen log-likelihood of the test images, nats", ylim=(-25, None))
    left.legend(fontsize=7, loc="lower right")
    right.set(xlabel="precision", ylabel="coverage", title="triangles: other samples of the baseline")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def main() -> None:
    """Runs the benchmark, or goes on with it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coordination", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the table and the plot")
    parser.add_argument("--rounds", type=int, default=500, help="of each training (default: 500)")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the trainings (default: 0 1 2)")
    parser.add_argument("--join", type=Path, nargs="+", default=[], help="folders whose results are taken in")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    store = options.out / "coordination.json"
    results: list[Row] = json.loads(store.read_text()) if store.exists() else []
    for folder in options.join:
        results += json.loads((folder / "coordination.json").read_text())
    store.write_text(json.dumps(results, indent=1))
    for seed in options.seeds:
        for name in WAYS:
            if any((row["name"], row["seed"]) == (name, seed) for row in results):
                continue
            rows = train(name, seed, options.rounds)
            results += rows
            store.write_text(json.dumps(results, indent=1))
            print(f"{name}, seed {seed}: {rows[0]['parzen']:.1f} nats", flush=True)
    (options.out / "coordination.md").write_text(table(results))
    plot(results, options.out / "coordination.png")
    print(table(results))


if __name__ == "__main__":
    main()
