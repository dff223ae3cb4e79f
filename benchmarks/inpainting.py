"""Completions, measured: with a latent, by the same network without one, by a mean image and by the nearest image.

``python -m benchmarks.inpainting --out FOLDER`` trains ``digits_inpainting`` in both ways, tests them, and writes
``inpainting.md`` and ``results.json``; with ``--config mnist_inpainting --root DIR`` on MNIST. ``--quick`` trains for
two epochs: that it runs, and no more. What is in the JSON file is not measured again; a training that was stopped goes
on.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measuring import markdown
from benchmarks.shipped import QUICK, Numbers, once
from lit_gan.evaluation.completions import REPORTED

WITH, WITHOUT = "with a latent", "without a latent"
_WAYS = {
    WITH: [],
    # One that stands still: the network, its start and its rounds are the same.
    WITHOUT: [
        "--model.init_args.latent=lit_gan.latents.Normal",
        "--model.init_args.latent.init_args.std=1e-9",
    ],
}
_COLUMNS = {
    "error": ".3f",
    "error_best": ".3f",
    "spread": ".2f",
    "parzen_nll": ".1f",
    "agreement": ".0%",
    "entropy": ".2f",
}
_BASELINES = {"the nearest training image": "nearest", "the mean training image": "mean_fill"}


def table(results: Mapping[str, Numbers]) -> str:
    """For each mask a row of each way and of each baseline."""
    head = ["visible", "filled in by", "error", "best of 8", "spread", "Parzen NLL, nats", "agreement", "entropy"]
    rows = []
    for mask in REPORTED:
        of_mask = mask.replace("-", "_")
        for way, numbers in results.items():
            cells = [_cell(numbers, f"completion_{name}_{of_mask}", form) for name, form in _COLUMNS.items()]
            rows.append([mask, way, *cells])
        first = next(iter(results.values()))
        for said, name in _BASELINES.items():
            error = _cell(first, f"completion_error_{name}_{of_mask}", ".3f")
            nll = _cell(first, f"completion_parzen_nll_{name}_{of_mask}", ".1f")
            rows.append([mask, said, error, "", "", nll, "", ""])
    return markdown(head, rows)


def _cell(numbers: Numbers, name: str, form: str) -> str:
    return format(numbers[name], form) if name in numbers else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="digits_inpainting")
    parser.add_argument("--root", help="the folder of MNIST")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    given = list(QUICK) if options.quick else []
    given += [] if options.root is None else [f"--data.init_args.root={options.root}"]
    results = once(options.out, options.config, _WAYS, given)
    (options.out / "inpainting.md").write_text(table(results))
    print(table(results), end="")


if __name__ == "__main__":
    main()
