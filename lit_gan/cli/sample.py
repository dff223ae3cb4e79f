"""`lit-gan sample`: a grid of samples from a checkpoint, no data needed."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lit_gan.cli.plain_parser import PlainParser
from lit_gan.errors import UserError
from lit_gan.tracking.checkpoint_files import load_checkpoint, resolve_checkpoint

if TYPE_CHECKING:
    import torch

    from lit_gan.gan import GAN


def main(verb: str, arguments: list[str]) -> int:
    """Draws samples and writes them.

    Args:
        verb: ``"sample"``.
        arguments: What follows it on the command line.

    Returns:
        The exit code.

    Raises:
        UserError: If an argument is out of its range or the checkpoint is none.
    """
    try:
        options = _parser(verb).parse_args(arguments)
    except SystemExit as ending:  # --help
        return int(ending.code or 0)
    if not options.checkpoint:
        raise UserError("expected a run folder or a checkpoint, got an empty name.")
    checkpoint = resolve_checkpoint(options.checkpoint)
    # torch, for a command that is worth it
    from lit_gan.cli.samples_file import PICTURES, TENSORS, check_target, write_samples  # noqa: PLC0415
    from lit_gan.gan import GAN  # noqa: PLC0415

    target = Path(options.out)
    check_target(target, (*PICTURES, *TENSORS))
    if options.columns < 1:
        raise UserError(f"--columns {options.columns}: expected at least 1.")
    if not abs(options.seed) < 2**63:
        raise UserError(f"--seed {options.seed}: expected a whole number of at most 63 bits.")
    _import_class_of(checkpoint)
    gan = GAN.load_from_checkpoint(checkpoint, map_location="cpu")
    condition = _condition(gan, options.condition, options.num)
    try:
        samples = gan.sample(options.num, rng=options.seed, condition=condition)
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise UserError(f"--num {options.num}: so many samples do not fit into memory; draw fewer.") from error
    write_samples(target, samples, options.columns)
    print(f"lit-gan: wrote {options.num} samples to {target}")
    return 0


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__)
    parser.add_argument("checkpoint", help="a checkpoint, or a run folder")
    parser.add_argument("--num", type=int, default=100, help="how many samples (default: 100)")
    parser.add_argument("--out", default="samples.png", help="a picture, or .pt for the tensor (default: samples.png)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal samples (default: 0)")
    parser.add_argument("--columns", type=int, default=10, help="pictures per row (default: 10)")
    parser.add_argument("--condition", type=int, help="the class, for a conditional GAN (default: each in turn)")
    return parser


def _import_class_of(checkpoint: Path) -> None:
    """A class of the reader's own: on the command line there is no other place to import it."""
    class_path = load_checkpoint(checkpoint).get("hyper_parameters", {}).get("_class_path")
    if class_path is None:
        return
    module = str(class_path).rpartition(".")[0]
    try:
        import_module(module)
    except ImportError as error:
        raise UserError(
            f"{checkpoint} holds a {class_path}, and its module cannot be imported ({error}): expected {module} to be "
            "installed, or to lie in the working directory."
        ) from error


def _condition(gan: "GAN", condition: int | None, num: int) -> "torch.Tensor | None":
    if condition is None:
        return None
    import torch  # noqa: PLC0415 -- as above

    from lit_gan.extensions.conditional import ConditionalGAN  # noqa: PLC0415

    if not isinstance(gan, ConditionalGAN):
        raise UserError(f"--condition {condition}: the checkpoint holds a {type(gan).__name__}, which takes none.")
    if not 0 <= condition < gan.num_classes:
        raise UserError(f"--condition {condition}: expected a class from 0 to {gan.num_classes - 1}.")
    return torch.full((max(num, 0),), condition)
