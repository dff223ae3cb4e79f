"""What an exported file says of itself, as plain data."""

from typing import Any

from torch import Tensor

from lit_gan import __version__
from lit_gan.exporting.generator import Inputs, as_given
from lit_gan.exporting.prior import prior
from lit_gan.generative import GenerativeModule

_MEANINGS = {
    "z": "latents, drawn from the distribution below",
    "condition": "what each image is generated under",
    "image": "what is filled in, in [0, 1]",
    "mask": "1 where the image stays, 0 where it is filled in",
}


def describe(
    gan: GenerativeModule, inputs: Inputs, images: Tensor, checkpoint: dict[str, Any], licence: str
) -> dict[str, Any]:
    """A generator in a file.

    Args:
        gan: As it was loaded.
        inputs: What it is called with.
        images: What it gave for them.
        checkpoint: What it was loaded from.
        licence: Under which it may be used.
    """
    construction = checkpoint.get("hyper_parameters") or {}
    generator = construction.get("generator")
    return {
        "lit_gan": __version__,
        "license": licence,
        "gan": type(gan).__name__,
        "generator": _without_parametrizations(generator) if isinstance(generator, dict) else _class_of(gan.generator),
        "inputs": [_input(gan, name, value) for name, value in as_given(inputs).items()],
        "output": {"name": "images", "dtype": "float32", "shape": ["N", *images.shape[1:]], "range": [0, 1]},
        "latent": prior(gan.latent),
        "value_range": gan.value_range,
        "averaged": gan.generator_average is not None,
        "rounds": checkpoint.get("global_step"),
        "seed": checkpoint.get("lit_gan", {}).get("seed"),
    }


def _input(gan: GenerativeModule, name: str, value: Tensor) -> dict[str, Any]:
    described = {"name": name, "dtype": str(value.dtype).removeprefix("torch."), "shape": ["N", *value.shape[1:]]}
    if value.is_floating_point():
        return {**described, "meaning": _MEANINGS[name]}
    classes = getattr(gan, "num_classes", None) or len(gan.class_names) or int(value.max()) + 1
    return {**described, "meaning": "the class", "num_classes": classes, "class_names": list(gan.class_names)}


def _without_parametrizations(generator: dict[str, Any]) -> dict[str, Any]:
    """How the network is built: its weights are what spectral normalisation has made of them."""
    arguments = generator.get("init_args")
    if not isinstance(arguments, dict) or not arguments.get("spectral_norm"):
        return generator
    return {**generator, "init_args": {**arguments, "spectral_norm": False}}


def _class_of(generator: object) -> dict[str, Any]:
    return {"class_path": f"{type(generator).__module__}.{type(generator).__qualname__}"}
