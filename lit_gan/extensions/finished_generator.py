"""A generator whose training is over, taken from the checkpoint of its GAN."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent
from lit_gan.runs.checkpoint_files import load_checkpoint

_OPTION = "generator_checkpoint"
_HOW = (
    "train a GAN first, as by `lit-gan fit --config quickstart`, and give its run folder: "
    f"--model.init_args.{_OPTION} RUN"
)


class FinishedGenerator(NamedTuple):
    """G as its GAN shows it: with its average weights where there are any.

    Args:
        network: G.
        latent: What it is fed with.
        value_range: The values of black and white, where they are known.
        construction: How the two are built, as plain data; empty where the checkpoint does not say.
    """

    network: nn.Module
    latent: Latent
    value_range: tuple[float, float] | None
    construction: dict[str, Any]


def finished_generator(given: str) -> FinishedGenerator:
    """Loads one.

    Args:
        given: A checkpoint, a run folder, or a folder of run folders, of which the newest counts.
    """
    path = _newest_run(Path(given))
    gan = GenerativeModule.load_from_checkpoint(path, map_location="cpu")
    if type(gan).generate is not GenerativeModule.generate or gan.sample_condition(1) is not None:
        raise UserError(
            f"{_OPTION} = {given} holds a {type(gan).__name__}, whose samples are not G(z) alone: expected a GAN "
            "without a condition."
        )
    # Not gan.hparams: while a command builds a module, these are what that module is built of.
    stored = load_checkpoint(path).get("hyper_parameters") or {}
    construction = {name: stored[name] for name in ("generator", "latent") if name in stored}
    return FinishedGenerator(gan.for_export().generator, gan.latent, gan.value_range, construction)


def _newest_run(path: Path) -> Path:
    """The path itself; of a folder of run folders the newest one, whose names begin with the time."""
    if not path.exists():
        raise UserError(f"{_OPTION} = {path} does not exist: {_HOW}.")
    if path.is_file() or (path / "checkpoints").is_dir() or any(path.glob("*.ckpt")):
        return path
    runs = sorted(folder.parent for folder in path.glob("*/checkpoints") if any(folder.glob("*.ckpt")))
    if not runs:
        raise UserError(f"{_OPTION} = {path} holds no run with a checkpoint: {_HOW}.")
    return runs[-1]


def no_generator() -> UserError:
    """What is said where neither a generator nor its checkpoint is given."""
    return UserError(f"an InferenceNetwork needs a finished generator: {_HOW}.")
