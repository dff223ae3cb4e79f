"""The inference network, measured: what each term of its loss is worth, beside PCA and the nearest sample.

``python -m benchmarks.inference --out FOLDER`` trains ``quickstart`` and on its generator ``digits_inference`` in
several ways, tests them, and writes ``inference.md`` and ``results.json``. With ``--config mnist_inference --root DIR
--generator RUN`` on MNIST. ``--quick`` trains for two epochs: that it runs, and no more. What is in the JSON file is
not measured again; a training that was stopped goes on.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measuring import markdown
from benchmarks.shipped import QUICK, Numbers, call, once

_ARGUMENT = "--model.init_args"


def ways(latent_size: int, image_weight: float) -> dict[str, list[str]]:
    """Options by what they are: one term more each, and the joint game alone, as published."""
    pairs = [
        f"{_ARGUMENT}.discriminator=lit_gan.networks.MLPDiscriminator",
        f"{_ARGUMENT}.discriminator.init_args.condition_size={latent_size}",
        f"{_ARGUMENT}.discriminator.init_args.hidden=[512,512]",
    ]
    learning = [f"{_ARGUMENT}.optimizer_g=torch.optim.Adam", f"{_ARGUMENT}.optimizer_g.init_args.lr=0.0002"]
    learning += [f"{_ARGUMENT}.optimizer_g.init_args.betas=[0.5,0.999]"]
    of_g, of_images = (f"{_ARGUMENT}.image_weight={weight}" for weight in (0.0, image_weight))
    published = [f"{_ARGUMENT}.optimizer_e.init_args.{each}" for each in ("lr=0.0002", "betas=[0.5,0.999]")]
    alone = [of_g, f"{_ARGUMENT}.latent_weight=0", *pairs, *published]
    return {
        "pairs (z, G(z)) alone": [of_g],
        "and the image term": [of_images],
        "and the game of pairs": [of_images, *pairs],
        "the game of pairs alone": alone,
        "the game of pairs alone, G learning on": [*alone, *learning],
    }


def table(results: Mapping[str, Numbers]) -> str:
    """A row for each way, and two for what stands beside them."""
    head = ["", "R² of z", "reconstruction error", "1-nearest neighbour, %"]
    rows = [
        [
            name,
            f"{each['latent_r2']:.2f}",
            f"{each['reconstruction_error']:.4f}",
            f"{100 * each['nearest_neighbour_accuracy']:.1f}",
        ]
        for name, each in results.items()
    ]
    first = next(iter(results.values()))
    beside = {"PCA of as many numbers": "pca", "the nearest of 10,000 samples": "nearest_sample"}
    rows += [[said, "", f"{first[f'reconstruction_error_{name}']:.4f}", ""] for said, name in beside.items()]
    rows += [["pixels", "", "", f"{100 * first['nearest_neighbour_accuracy_pixels']:.1f}"]]
    return markdown(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="digits_inference")
    parser.add_argument("--root", help="the folder of MNIST")
    parser.add_argument("--generator", type=Path, help="a finished GAN; a quickstart is trained if there is none")
    parser.add_argument("--latent-size", type=int, default=32, help="the generator's (default: 32, the quickstart's)")
    parser.add_argument("--image-weight", type=float, default=1.0, help="of the image term (default: 1)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    quick = list(QUICK) if options.quick else []
    generator = options.generator or options.out / "generator"
    if not (generator / "checkpoints").is_dir():
        call("fit", "--config", "quickstart", "--run_dir", str(generator), "--wandb", "off", *quick)
    given = [f"{_ARGUMENT}.generator_checkpoint={generator}", *quick]
    given += [] if options.root is None else [f"--data.init_args.root={options.root}"]
    results = once(options.out, options.config, ways(options.latent_size, options.image_weight), given)
    (options.out / "inference.md").write_text(table(results))
    print(table(results), end="")


if __name__ == "__main__":
    main()
