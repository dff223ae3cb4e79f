"""How fast the shipped games train, beside the same game by hand, the usual public way, and its matrix products alone.

``python -m benchmarks.throughput --out FOLDER [--configs mnist quickstart] [--k 1 3] [--root DIR]`` takes all ways of a
configuration, in all precisions, in turn, several times over, each from the same weights and in a fork, and writes
``throughput.md``, ``throughput.json`` and ``throughput.png``: medians of the images a second, k minibatches a round,
and ratios. What is in the JSON file is not measured again: remove it for new figures. Where the data are not at hand,
noise of the same shapes takes their place.

The ways: ``Trainer.fit``, a plain Trainer; ``the command``, a Trainer with all that a run has, but for its progress bar
and its checkpoints; ``by hand``, a loop without Lightning; ``the usual way``, Lightning's example on a data set of
transforms image by image, where the game has no penalties; ``products``, the round's matrix products.

Seconds are processor time; with several threads, or on a GPU, by the clock.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from benchmarks.games import DEVICE, Game, shipped
from benchmarks.handwritten import Loop, UsualGAN, pictures_loader
from benchmarks.measuring import Seconds, Stopwatch, arguments, interleaved, markdown, timed, write
from benchmarks.products import Products
from lit_gan import Run

CONFIGS = ("quickstart", "mnist", "mnist_fast", "tfd", "cifar10_fc", "cifar10_conv", "images")
_OPTIONS = {"images": ["--data.init_args.image_size=32"]}
PRECISIONS = ("32-true", "bf16-mixed")
FIT, COMMAND, HAND, USUAL, PRODUCTS = "Trainer.fit", "the command", "by hand", "the usual way", "products"
WAYS = (FIT, COMMAND, HAND, USUAL, PRODUCTS)
_PICTURES = 10_000  # of the usual way, held as bytes

Cell = dict[str, Any]


class Clock(Callback):
    """Times the rounds after the first few, with all that Lightning does between two of them.

    Args:
        rounds: How many are timed.
        warm_up: After how many.
    """

    def __init__(self, rounds: int, warm_up: int) -> None:
        self._rounds, self._warm_up, self._begun = rounds, warm_up, 0
        self.seconds = Seconds(0.0, 0.0)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """From the end of a round to the end of another."""
        self._begun += 1
        if self._begun == self._warm_up:
            self._watch = Stopwatch()
        elif self._begun == self._warm_up + self._rounds:
            self.seconds = self._watch.seconds().each(self._rounds)


@dataclass(frozen=True)
class Rounds:
    """Some rounds of a game, in each of the ways.

    Attributes:
        game: Which.
        precision: ``32-true`` or ``bf16-mixed``.
        number: How many are timed, after the first few.
    """

    game: Game
    precision: str
    number: int

    @property
    def warm_up(self) -> int:
        """How many go before: the first ones look at the parts, and warm the caches; fewer where each is long."""
        return max(1, min(10, self.number // 4))

    def fit(self, **further: Any) -> Seconds:
        """Through a plain ``Trainer.fit``; ``further`` are arguments of the Trainer."""
        clock = Clock(self.number, self.warm_up)
        Trainer(**self._trainer(clock), **further).fit(self.game.begin_anew(), self.game.data)
        return clock.seconds

    def command(self) -> Seconds:
        """Of a run: its callbacks and those of the configuration, its ``metrics.csv``."""
        clock = Clock(self.number, self.warm_up)
        given = self._trainer(clock, *(self.game.trainer.get("callbacks") or ()))
        given |= {"logger": None, "enable_checkpointing": False}
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            run = Run(Path(folder) / "run", wandb="off", report=False)
            run.trainer(**given).fit(self.game.begin_anew(), self.game.data)
        return clock.seconds

    def by_hand(self) -> Seconds:
        """In the loop without Lightning."""
        loop = self.loop()
        timed(loop.round, self.warm_up)
        return timed(loop.round, self.number)

    def usual(self) -> Seconds:
        """In Lightning's example."""
        clock, data = Clock(self.number, self.warm_up), self.game.data
        low, high = data.value_range
        levels = data.images("train", _PICTURES).sub(low).mul(255 / (high - low)).round().clamp(0, 255).byte()
        given = self._trainer(clock)
        given["max_steps"] *= 2  # it counts each player's
        Trainer(**given).fit(UsualGAN(self.game.begin_anew()), pictures_loader(levels, data.batch_size))
        return clock.seconds

    def loop(self) -> Loop:
        """The loop without Lightning, about to begin."""
        data = self.game.data
        return Loop(self.game.begin_anew(), data.images("train"), data.batch_size, self.precision)

    def _trainer(self, *callbacks: Callback) -> dict[str, Any]:
        return {
            "callbacks": [*callbacks],
            "precision": self.precision,
            "max_steps": self.number + self.warm_up,
            "max_epochs": -1,
            "limit_val_batches": 0,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "devices": 1,
        }


def measure(config: str, k: int, options: argparse.Namespace) -> Cell:
    """All ways of a configuration, in all precisions, in turn."""
    steps = [] if k == 1 else [f"--model.init_args.coordination.init_args.k={k}"]
    root = options.root if config.startswith("mnist") else None
    game = shipped(config, *steps, *_OPTIONS.get(config, []), root=root)
    ways: dict[str, Callable[[], Seconds]] = {}
    flops: dict[str, int] = {}
    number: dict[str, int] = {}
    for precision in options.precisions:
        loop = Rounds(game, precision, 1).loop()
        alone = Products(loop.round, loop.cycle)
        took = timed(loop.round, max(2, loop.cycle))
        cycles = int(options.seconds / (took.wall if by_the_clock() else took.cpu)) // alone.rounds
        number[precision] = alone.rounds * max(2, min(200 // alone.rounds, cycles))
        rounds = Rounds(game, precision, number[precision])
        flops[precision] = alone.flops
        found = {FIT: rounds.fit, COMMAND: rounds.command, HAND: rounds.by_hand}
        found |= {USUAL: rounds.usual} if k == 1 and not game.gan.penalties else {}
        found |= {PRODUCTS: partial(alone.timed, number[precision])}
        ways |= {f"{precision}, {name}": partial(_apart, way) for name, way in found.items()}
    medians = interleaved(ways, options.repeats)
    return {
        "config": config,
        "k": k,
        "data": type(game.data).__name__,
        "images_a_round": k * game.data.batch_size,
        "rounds": number,
        "flops_a_round": flops,
        "seconds_a_round": {name: asdict(each) for name, each in medians.items()},
    }


def _apart(way: Callable[[], Seconds]) -> Seconds:
    """In a process of its own: what a training asks of the C library is not for the others."""
    if by_the_clock():
        return way()
    receiving, sending = Pipe(duplex=False)
    process = get_context("fork").Process(target=lambda: sending.send(way()))
    process.start()
    sending.close()
    try:
        found: Seconds = receiving.recv()
    except EOFError as error:
        raise SystemExit("benchmarks.throughput: a way has failed, which is told above.") from error
    finally:
        process.join()
    return found


def _seconds(cell: Cell, precision: str, way: str) -> float | None:
    """Of a round; ``None`` for a way that there is not."""
    found = cell["seconds_a_round"].get(f"{precision}, {way}")
    return None if found is None else float(found["wall" if by_the_clock() else "cpu"])


def by_the_clock() -> bool:
    """Whether processor time says little."""
    return torch.get_num_threads() > 1 or DEVICE.type != "cpu"


def table(cells: Sequence[Cell]) -> str:
    """A row for each configuration, number of steps and precision."""
    head = ["", "k", "precision", "images/s", "x by hand", "x the usual way", "x products", "Gflop/s"]
    head += ["the command: x by hand"]
    rows = []
    for cell in cells:
        for precision in cell["rounds"]:
            seconds = {way: _seconds(cell, precision, way) for way in WAYS}
            own, command = seconds[FIT], seconds[COMMAND]
            assert own is not None and command is not None  # noqa: S101, PT018 -- these two are always there
            ratios = [f"{each / own:.2f}" if (each := seconds[way]) else "" for way in (HAND, USUAL, PRODUCTS)]
            speeds = [
                f"{cell['images_a_round'] / own:,.0f}",
                *ratios,
                f"{cell['flops_a_round'][precision] / own / 1e9:.1f}",
            ]
            rows.append([cell["config"], str(cell["k"]), precision, *speeds, f"{(seconds[HAND] or 0) / command:.2f}"])
    said = "by the clock" if by_the_clock() else "processor time"
    return f"Through `Trainer.fit`; {said}, medians of ways in turn.\n\n" + markdown(head, rows)


def draw(figure: Any, cells: Sequence[Cell]) -> None:
    """The speed of each way, as a share of the products' alone: a panel for each precision."""
    precisions = list(dict.fromkeys(precision for cell in cells for precision in cell["rounds"]))
    figure.set_size_inches(5.5 * len(precisions), 1.2 + 0.55 * len(cells))
    axes = figure.subplots(1, len(precisions), sharey=True, squeeze=False)[0]
    shown = [way for way in WAYS if way != PRODUCTS]
    for axis, precision in zip(axes, precisions, strict=True):
        for place, way in enumerate(shown):
            shares = []
            for cell in cells:
                own, alone = _seconds(cell, precision, way), _seconds(cell, precision, PRODUCTS)
                shares.append(alone / own if own and alone else 0.0)
            heights = [row + 0.2 * (place - 1.5) for row in range(len(cells))]
            axis.barh(heights, shares, height=0.18, label=way)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set(title=precision, xlabel="speed / the products' alone", xlim=(0, None))
    axes[0].set_yticks(range(len(cells)), [f"{cell['config']}, k = {cell['k']}" for cell in cells])
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, loc="outside upper center", ncols=len(shown))


def main(given: Sequence[str] | None = None) -> None:
    """Measures what is not there yet."""
    parser = arguments("throughput", __doc__)
    parser.add_argument("--configs", nargs="+", default=[*CONFIGS])
    parser.add_argument("--precisions", nargs="+", default=[*PRECISIONS], choices=PRECISIONS)
    parser.add_argument("--k", type=int, nargs="+", default=[1, 3], help="updates of D a round (default: 1 3)")
    parser.add_argument("--root", type=Path, help="the folder of MNIST (default: noise of its shapes)")
    parser.add_argument("--repeats", type=int, default=5, help="of each way (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of rounds by hand at a time (default: 2)")
    options = parser.parse_args(given)
    if options.quick:
        options.configs, options.k, options.repeats, options.seconds = options.configs[:1], options.k[:1], 1, 0.02
    torch.set_num_threads(options.threads)
    file = options.out / "throughput.json"
    cells: list[Cell] = json.loads(file.read_text())["results"] if file.exists() else []
    for config in options.configs:
        for k in options.k:
            if not any((cell["config"], cell["k"]) == (config, k) for cell in cells):
                cells.append(measure(config, k, options))
                print(write(options.out, "throughput", cells, table(cells), partial(draw, cells=cells)), flush=True)


if __name__ == "__main__":
    main()
