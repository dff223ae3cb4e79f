"""How a round grows with the batch, the networks, the data and the number of processes; and, on paper, on many GPUs.

``python -m benchmarks.scaling --out FOLDER`` trains the paper's MNIST networks through ``Trainer.fit`` on noise, one
number changed at a time, and by the command on one process and on two with ``ddp_gan``, and writes ``scaling.md``,
``scaling.json`` and ``scaling.png``. What stands there of 8 to 1,024 GPUs is computed and not measured: see
:func:`paper_round`.
"""

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import commands
from benchmarks.games import Game, shipped
from benchmarks.measuring import arguments, interleaved, markdown, write
from benchmarks.memory import write_noise
from benchmarks.products import Products
from benchmarks.throughput import Rounds

_CONFIG = "mnist"
_BATCHES = (25, 50, 100, 200, 400)
_WIDTHS = (300, 600, 1200, 2400)  # of G; D's are a fifth, as in the paper's
_ROWS = (1_000, 10_000, 100_000)
_GPUS = (8, 16, 64, 256, 1024)
Row = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """What the model on paper takes for given; none of it was measured here.

    Attributes:
        flops: What a GPU does a second in these products.
        inside: Bytes a second that a GPU sends within its machine.
        between: Bytes a second that it sends to another machine.
        latency_inside: Seconds of a step of the ring.
        latency_between: Seconds of a message to another machine.
        gpus_a_machine: As many.
    """

    flops: float = 100e12  # a tenth of the bf16 peak that an H100 is sold with, 989e12: these products are small
    inside: float = 350e9  # NVLink of the H100: 450e9 a direction, less what NCCL leaves of it
    between: float = 45e9  # 400 Gbit/s for each GPU, less a tenth
    latency_inside: float = 3e-6
    latency_between: float = 10e-6
    gpus_a_machine: int = 8


def ring(num: int, num_bytes: float, bandwidth: float, latency: float) -> float:
    r"""Seconds of an all-reduce over a ring: ``2 (N - 1) (latency + bytes / (N bandwidth))``."""
    return 2 * (num - 1) * (latency + num_bytes / (num * bandwidth))


def all_reduce(num: int, num_bytes: float, cluster: Cluster) -> float:
    """Seconds in two stages: each machine reduces and gathers, and between machines each GPU sums its share."""
    inside = min(num, cluster.gpus_a_machine)
    machines = num // inside
    within = ring(inside, num_bytes, cluster.inside, cluster.latency_inside)
    # Between machines NCCL takes a tree where latency counts: 2 log2 of it instead of 2 (N - 1).
    share = num_bytes / inside
    hops = min(2 * (machines - 1), 2 * (machines - 1).bit_length())
    across = (
        hops * cluster.latency_between + 2 * (machines - 1) / machines * share / cluster.between
        if machines > 1
        else 0.0
    )
    return within + across


def paper_round(num: int, flops: float, gradients: Mapping[str, tuple[int, float]], cluster: Cluster) -> Row:
    """A round on N GPUs, each with the batch of one: what it computes, and what waits for others.

    Each update sends its player's gradients once, 4 bytes a parameter. ``ddp_gan`` sends them in pieces while the
    backward pass goes on, so that between nothing and all of it is hidden; both ends are given.

    Args:
        num: N.
        flops: Of a round on one GPU.
        gradients: By player, how often it moves in a round, and how many parameters it has.
        cluster: What a GPU can do.
    """
    compute = flops / cluster.flops
    sent = sum(times * all_reduce(num, 4 * count, cluster) for times, count in gradients.values())
    hidden = max(0.0, sent - compute / 2)  # half of a round and more is backward passes
    return {
        "gpus": num,
        "compute": compute,
        "all_reduce": sent,
        "efficiency_at_least": compute / (compute + sent),
        "efficiency_at_most": compute / (compute + hidden),
    }


def on_paper() -> list[Row]:
    """For the networks of MNIST, and two batches on each GPU: the paper's, and one that fills it better."""
    game = shipped(_CONFIG, rows=1000)
    loop = Rounds(game, "32-true", 1).loop()
    flops = Products(loop.round).flops / game.data.batch_size
    networks = {name: player.network for name, player in game.gan.players.items()}
    gradients = {name: (1, sum(each.numel() for each in net.parameters())) for name, net in networks.items()}
    return [
        {"batch": batch, **paper_round(num, batch * flops, gradients, Cluster())}
        for batch in (100, 10_000)
        for num in _GPUS
    ]


def _varied(quick: bool) -> dict[str, list[tuple[int, Callable[[], Game]]]]:
    """What is changed, to what, and the game that comes of it."""
    batch = "--data.init_args.batch_size"
    sizes = [(size, partial(shipped, _CONFIG, f"{batch}={size}")) for size in _BATCHES]
    widths = [(width, partial(shipped, _CONFIG, *_of_width(width))) for width in _WIDTHS]
    rows = [(number, partial(shipped, _CONFIG, rows=number)) for number in _ROWS]
    varied: dict[str, list[tuple[int, Callable[[], Game]]]]
    varied = {"batch": [*sizes], "width": [*widths], "training images": [*rows]}
    return {name: each[:1] for name, each in varied.items()} if quick else varied


def _of_width(width: int) -> list[str]:
    networks = {"generator": width, "discriminator": width // 5}
    return [f"--model.init_args.{name}.init_args.hidden=[{size},{size}]" for name, size in networks.items()]


def alone(quick: bool, repeats: int, rounds: int) -> list[Row]:
    """One process: a row for each size, the sizes of a kind in turn."""
    found = []
    for changed, sizes in _varied(quick).items():
        games = {size: build() for size, build in sizes}
        ways = {str(size): Rounds(game, "32-true", rounds).fit for size, game in games.items()}
        for size, seconds in interleaved(ways, repeats).items():
            images = games[int(size)].data.batch_size
            found.append({"changed": changed, "to": int(size), "images_a_round": images, **asdict(seconds)})
    return found


def together(processes: int, rounds: int) -> Row:
    """The command on so many processes, 100 rows on each: images a second of all of them, as the run logs them."""
    with tempfile.TemporaryDirectory() as folder:
        root, run = Path(folder) / "data", Path(folder) / "run"
        write_noise(root, 10_000 + 200 * processes * rounds, 1000)
        short = (f"--trainer.max_steps={rounds}", "--trainer.limit_val_batches=0", "--report=false", "--num_threads=1")
        several = (f"--trainer.devices={processes}", f"--trainer.log_every_n_steps={rounds // 2}")
        commands.lit_gan(*commands.options_of(run, _CONFIG, *short, *several, f"--data.init_args.root={root}"))
        with (run / "metrics.csv").open() as table:
            speeds = [speed for row in csv.DictReader(table) if (speed := row.get("perf/images_per_second"))]
    return {"processes": processes, "images_a_second": float(speeds[-1])}


def table(results: Row) -> str:
    """Three tables."""
    sizes = [
        [
            each["changed"],
            f"{each['to']:,}",
            f"{1000 * each['cpu']:.1f}",
            f"{each['images_a_round'] / each['cpu']:,.0f}",
        ]
        for each in results["alone"]
    ]
    ranks = [[str(each["processes"]), f"{each['images_a_second']:,.0f}"] for each in results["together"]]
    paper = [
        [
            f"{each['gpus']:,}",
            f"{each['batch']:,}",
            f"{1e6 * each['compute']:,.0f}",
            f"{1e6 * each['all_reduce']:,.0f}",
            f"{each['efficiency_at_least']:.2f} to {each['efficiency_at_most']:.2f}",
        ]
        for each in results["on_paper"]
    ]
    head = ["GPUs", "batch of each", "products, us", "all-reduces, us", "of N times one GPU's speed"]
    given = ", ".join(f"{name} {value:g}" for name, value in asdict(Cluster()).items())
    return "\n".join(
        [
            "A round of the paper's MNIST networks through `Trainer.fit`, processor time:\n",
            markdown(["changed", "to", "ms a round", "images/s"], sizes),
            "The command with `ddp_gan`, 100 rows a process, by the clock:\n",
            markdown(["processes", "images/s"], ranks),
            f"Computed, not measured ({given}):\n",
            markdown(head, paper),
        ]
    )


def draw(figure: Any, results: Row) -> None:
    """Time a round by each size, and on paper the efficiency by GPUs."""
    kinds = list(dict.fromkeys(each["changed"] for each in results["alone"]))
    figure.set_size_inches(3 * (len(kinds) + 1), 3)
    *axes, last = figure.subplots(1, len(kinds) + 1)
    for axis, kind in zip(axes, kinds, strict=True):
        rows = [each for each in results["alone"] if each["changed"] == kind]
        axis.loglog([each["to"] for each in rows], [1000 * each["cpu"] for each in rows], "o-")
        axis.set(xlabel=kind, ylabel="ms a round", ylim=(10, 1000))
        _tick(axis, [each["to"] for each in rows])
    for batch in dict.fromkeys(each["batch"] for each in results["on_paper"]):
        rows = [each for each in results["on_paper"] if each["batch"] == batch]
        least, most = ([each[f"efficiency_at_{end}"] for each in rows] for end in ("least", "most"))
        last.fill_between([each["gpus"] for each in rows], least, most, alpha=0.5, label=f"{batch:,} a GPU")
    last.set(xscale="log", xlabel="GPUs", ylabel="of N times one GPU's speed", ylim=(0, 1.02), title="on paper")
    _tick(last, _GPUS)
    last.legend(fontsize=7)


def _tick(axis: Any, places: Sequence[int]) -> None:
    """Only where something was measured."""
    axis.set_xticks(places, [f"{place:,}" for place in places], fontsize=7)
    axis.minorticks_off()


def main(given: Sequence[str] | None = None) -> None:
    """Measures and computes."""
    parser = arguments("scaling", __doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of each size (default: 3)")
    parser.add_argument(
        "--rounds", type=int, default=10, help="of each training; the command's has four times as many (default: 10)"
    )
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2], help="(default: 1 2)")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    if options.quick:
        options.repeats, options.rounds, options.processes = 1, 2, options.processes[:1]
    results = {
        "alone": alone(options.quick, options.repeats, options.rounds),
        "together": [together(number, 4 * options.rounds) for number in options.processes],
        "cluster": asdict(Cluster()),
        "on_paper": on_paper(),
    }
    print(write(options.out, "scaling", results, table(results), lambda figure: draw(figure, results)))


if __name__ == "__main__":
    main()
