"""Mode collapse, measured: how many modes a generator covers, by objective and penalty.

``python -m benchmarks.modes --out FOLDER [--seeds 0 1 2] [--problems gaussians stacked_digits]`` trains one pair of
networks on 25 Gaussians, and another on 1,000 kinds of stacked digits, by three methods that differ in objective and
penalties alone, and writes ``modes.md``, ``modes.json`` and ``modes.png``: modes covered, KL(p || uniform) over the
modes, samples. All are trained for the same rounds, and scored as they end, without an average of G's weights. What is
in the JSON file is not trained again.
"""

import base64
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor

from benchmarks.measuring import arguments, markdown, write
from benchmarks.mode_problems import Gaussians, Problem, Stacked, covered, divergence
from lit_gan import GAN
from lit_gan.latents import Normal
from lit_gan.objectives import NonSaturating, Objective, RelativisticPairing
from lit_gan.penalties import R1, R2

PROBLEMS: dict[str, Callable[[], Problem]] = {"gaussians": Gaussians, "stacked_digits": Stacked}
METHODS: dict[str, tuple[type[Objective], tuple[type[R1 | R2], ...]]] = {
    "non-saturating": (NonSaturating, ()),
    "non-saturating, R1": (NonSaturating, (R1,)),
    "pairing, R1 and R2": (RelativisticPairing, (R1, R2)),
}
REAL = "the data themselves"
_LOOKS = 4  # at each training
_SHOWN = {"gaussians": 2000, "stacked_digits": 64}

Row = dict[str, Any]


class Looks(Callback):
    """Counts the modes of the samples now and then, and times the training between."""

    def __init__(self, problem: Problem, every: int) -> None:
        self._problem, self._every = problem, every
        self.seconds = 0.0
        self.images = torch.empty(0)
        self.curve: list[Row] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """The clock runs."""
        self._start = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """The clock stands while modes are counted."""
        self.seconds += time.process_time() - self._start
        if trainer.global_step % self._every == 0 or trainer.global_step == trainer.max_steps:
            self.images = pl_module.sample(self._problem.num_samples, rng=0)
            self.curve.append({"round": trainer.global_step, **score(self._problem, self.images)})


def score(problem: Problem, images: Tensor) -> Row:
    """What is counted on samples, or on data, in [0, 1]."""
    counts = problem.counts(images)
    at_modes = float(counts.sum()) / len(images)
    return {"modes": covered(counts, problem.least), "divergence": divergence(counts), "at_modes": at_modes}


def train(problem: Problem, method: str, seed: int) -> tuple[Row, Tensor]:
    """One training; what came of it, and its samples."""
    seed_everything(seed, verbose=False)
    adam = partial(torch.optim.Adam, lr=problem.rate, betas=problem.betas)
    objective, penalties = METHODS[method]
    gan = GAN(
        *problem.players(),
        Normal(),
        objective=objective(),
        penalties=[penalty(problem.gamma) for penalty in penalties],
        optimizer_g=adam,
        optimizer_d=adam,
    )
    looks = Looks(problem, max(problem.rounds // _LOOKS, 1))
    trainer = Trainer(
        accelerator="cpu",
        max_steps=problem.rounds,
        max_epochs=-1,
        callbacks=[looks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(gan, problem.data(seed))
    last = {name: value for name, value in looks.curve[-1].items() if name != "round"}
    return {**last, "seconds": looks.seconds, "rounds": problem.rounds, "curve": looks.curve}, looks.images


def real(problem: Problem) -> tuple[Row, Tensor]:
    """The same of as many examples of the test: what G can come to."""
    data = problem.data(0)
    low, high = data.value_range
    images = (data.images("test", problem.num_samples) - low) / (high - low)
    return {**score(problem, images), "reader": problem.reader(), "num_samples": len(images)}, images


def packed(images: Tensor) -> str:
    """Images in [0, 1] as a short text, to 16 bits."""
    return base64.b64encode((images * 65535).round().numpy().astype("<u2").tobytes()).decode()


def unpacked(text: str, shape: Sequence[int]) -> Tensor:
    """Images of a shape again."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), "<u2") / 65535).reshape(-1, *shape)


def table(results: Sequence[Row]) -> str:
    """A row for each method, mean and range over the seeds, for each of the data sets."""
    texts = []
    for key in dict.fromkeys(row["problem"] for row in results):
        rows = [row for row in results if row["problem"] == key]
        [ceiling] = [row for row in rows if row["method"] == REAL]
        problem = PROBLEMS[key]()
        head = [problem.title, f"modes of {problem.num_modes:,}", "KL, nats", "at modes, %", "ms a round", "seeds"]
        cells = [_cells(name, [row for row in rows if row["method"] == name]) for name in [*METHODS, REAL]]
        said = f"{ceiling['num_samples']:,} samples each. {ceiling['reader']}"
        texts.append(f"{said}\n\n{markdown(head, [each for each in cells if each])}")
    return "\n".join(texts)


def _cells(name: str, rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    numbers = [_mean([row["modes"] for row in rows], "{:,.0f}"), _mean([row["divergence"] for row in rows], "{:.2f}")]
    numbers.append(_mean([100 * row["at_modes"] for row in rows], "{:.0f}"))
    if name == REAL:
        return [name, *numbers, "", ""]
    took = statistics.mean(1000 * row["seconds"] / row["rounds"] for row in rows)
    return [name, *numbers, f"{took:.1f}", str(len(rows))]


def _mean(values: Sequence[float], form: str) -> str:
    said = form.format(statistics.mean(values))
    ends = [form.format(end) for end in (min(values), max(values))]
    return said if len(values) == 1 else f"{said} ({' to '.join(ends)})"


def draw(figure: Any, results: Sequence[Row]) -> None:
    """Samples of the first seed of each method beside the data, and modes covered by round, a line for each seed."""
    problems = [*dict.fromkeys(row["problem"] for row in results)]
    columns = [REAL, *METHODS]
    figure.set_size_inches(3 * len(columns), 3.2 * (len(problems) + 1))
    grid = figure.add_gridspec(len(problems) + 1, 2 * len(columns))
    for line, key in enumerate(problems):
        rows = [row for row in results if row["problem"] == key]
        for place, name in enumerate(columns):
            found = next((row for row in rows if row["method"] == name), None)
            if found is not None:
                _samples(figure.add_subplot(grid[line, 2 * place : 2 * place + 2]), key, found)
        width = 2 * len(columns) // len(problems)
        _curves(figure.add_subplot(grid[-1, line * width : (line + 1) * width]), key, rows)


def _samples(axis: Any, key: str, row: Row) -> None:
    problem = PROBLEMS[key]()
    images = unpacked(row["samples"], row["shape"])
    if isinstance(problem, Gaussians):
        axis.scatter(*problem.places(images).T.numpy(), s=1, linewidths=0)
        axis.set(xlim=problem.grid.box, ylim=problem.grid.box, aspect="equal", xticks=(), yticks=())
    else:
        side = int(len(images) ** 0.5)
        framed = F.pad(images[: side**2], (1, 1, 1, 1), value=0.5)
        channels, height, width = framed.shape[1:]
        tiles = framed.reshape(side, side, channels, height, width).permute(0, 3, 1, 4, 2)
        axis.imshow(tiles.reshape(side * height, side * width, channels).numpy())
        axis.set_axis_off()
    seed = "" if row["method"] == REAL else f", seed {row['seed']}"
    axis.set_title(f"{row['method']}{seed}\nmodes covered: {row['modes']:,}, KL {row['divergence']:.2f}", fontsize=9)


def _curves(axis: Any, key: str, rows: Sequence[Row]) -> None:
    for row in rows:
        if row["method"] == REAL:
            axis.axhline(row["modes"], color="black", linewidth=0.8, linestyle=":", label=REAL)
            continue
        points = [(point["round"], point["modes"]) for point in row["curve"]]
        first = row is next(each for each in rows if each["method"] == row["method"])
        colour = f"C{[*METHODS].index(row['method'])}"
        axis.plot(*zip(*points, strict=True), color=colour, linewidth=1, label=row["method"] if first else None)
    axis.set(xlabel="round", ylabel="modes covered", title=PROBLEMS[key]().title, ylim=(0, None))
    axis.legend(fontsize=7, loc="center right")


def _kept(problem: Problem, key: str, method: str, seed: int | None) -> Row:
    row, images = real(problem) if seed is None else train(problem, method, seed)
    shown = images[: _SHOWN[key]]
    named = {"problem": key, "method": method, "seed": seed}
    return {**named, **row, "shape": [*shown.shape[1:]], "samples": packed(shown)}


def main(given: Sequence[str] | None = None) -> None:
    """Trains what is not there yet."""
    parser = arguments("modes", __doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--problems", nargs="+", choices=[*PROBLEMS], default=[*PROBLEMS])
    parser.add_argument("--rounds", type=int, help="of each training, in place of the problem's own")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    file = options.out / "modes.json"
    results: list[Row] = json.loads(file.read_text())["results"] if file.exists() else []
    for key in options.problems:
        problem = PROBLEMS[key]()
        problem.rounds = options.rounds or problem.rounds
        if options.quick:
            options.seeds, problem.rounds, problem.num_samples = options.seeds[:1], 3, 100
        there = {(row["method"], row["seed"]) for row in results if row["problem"] == key}
        ways = [(REAL, None), *((method, seed) for seed in options.seeds for method in METHODS)]
        left = [way for way in ways if way not in there]
        for method, seed in left:
            results.append(_kept(problem, key, method, seed))
            if not options.quick or (method, seed) == left[-1]:
                text = write(options.out, "modes", results, table(results), lambda figure: draw(figure, results))
                print(f"{text}\n", flush=True)


if __name__ == "__main__":
    main()
