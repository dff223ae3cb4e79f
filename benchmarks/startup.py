"""How long one waits: for ``import lit_gan``, for ``lit-gan --help``, and for the first round of the quickstart.

``python -m benchmarks.startup --out FOLDER`` starts each several times, in turn, and writes ``startup.md``,
``startup.json`` and ``startup.png``. Python itself is part of each; it is shown by itself, too.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import commands
from benchmarks.measuring import Seconds, arguments, interleaved, markdown, write

#: Each way, and within how many seconds it should be.
WAYS: dict[str, tuple[Callable[[], Seconds], float | None]] = {
    "python -c pass": (lambda: commands.python("-c", "pass").took, None),
    "import lit_gan": (lambda: commands.python("-c", "import lit_gan").took, 0.2),
    "lit-gan --help": (lambda: commands.lit_gan("--help").took, 0.3),
    "first round of the quickstart": (lambda: first_round("quickstart"), 10.0),
}


def first_round(config: str) -> Seconds:
    """From the command to the end of the first round."""
    with tempfile.TemporaryDirectory() as folder, commands.marks() as (options, file):
        short = ("--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--report=false", *options)
        ran = commands.lit_gan(*commands.options_of(Path(folder) / "run", config, *short))
        (mark,) = commands.read(file, "first round")
    return Seconds(mark["cpu"], mark["at"] - ran.begun)


def table(found: dict[str, Seconds]) -> str:
    """A row for each way."""
    rows = []
    for name, seconds in found.items():
        wanted = WAYS[name][1]
        rows.append([name, f"{seconds.cpu:.2f}", f"{seconds.wall:.2f}", "" if wanted is None else f"{wanted:g}"])
    return markdown(["", "processor time, s", "by the clock, s", "at most"], rows)


def draw(figure: Any, found: dict[str, Seconds]) -> None:
    """A bar for each way, and a mark where it should end."""
    figure.set_size_inches(7, 2.6)
    axis = figure.subplots()
    axis.barh([*found], [each.cpu for each in found.values()], color="tab:orange")
    for place, name in enumerate(found):
        wanted = WAYS[name][1]
        if wanted is not None:
            axis.plot([wanted, wanted], [place - 0.4, place + 0.4], color="black")
    axis.set(xscale="log", xlabel="processor time, seconds; black: at most")
    axis.invert_yaxis()


def main(given: Sequence[str] | None = None) -> None:
    """Measures all of them."""
    parser = arguments("startup", __doc__)
    parser.add_argument("--repeats", type=int, default=5, help="of each (default: 5)")
    options = parser.parse_args(given)
    found = interleaved({name: way for name, (way, _) in WAYS.items()}, 1 if options.quick else options.repeats)
    results = {name: asdict(seconds) for name, seconds in found.items()}
    print(write(options.out, "startup", results, table(found), lambda figure: draw(figure, found)))


if __name__ == "__main__":
    main()
