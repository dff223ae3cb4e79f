"""A generator in a file format, and the proof that the file gives what ``sample`` draws."""

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lit_gan.engine.value_ranges import name_of
from lit_gan.errors import UserError
from lit_gan.exporting.description import describe
from lit_gan.exporting.file_format import FileFormat
from lit_gan.exporting.generator import ExportedGenerator, Inputs, as_given, exported_generator
from lit_gan.generative import GenerativeModule

_SEED = 0  # of the latents: that of `lit-gan sample`
_HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Export:
    """What is written, and what is known of it.

    Args:
        gan: Whose generator it is.
        file_format: The format.
        content: The file.
        description: What it says of itself.
        inputs: What it was tried with.
        images: What the GAN shows for these, ``(N, C, H, W)`` in [0, 1].
        difference: How far the file's are from them at most.
    """

    gan: GenerativeModule
    file_format: FileFormat
    content: bytes
    description: dict[str, Any]
    inputs: Inputs
    images: Tensor
    difference: float

    @property
    def checked(self) -> str:
        """How it was checked, and what came of it."""
        return (
            f"for {len(self.images)} latents, and for one alone, its images differ from those of `lit-gan sample` by "
            f"at most {self.difference:.2g}: checked by {self.file_format.checked_by}"
        )

    @property
    def description_text(self) -> str:
        """The description as JSON."""
        return as_json(self.description)


def export_generator(
    gan: GenerativeModule, file_format: FileFormat, checkpoint: dict[str, Any], num: int, licence: str = "unknown"
) -> Export:
    """Exports a generator, and checks the file against the GAN.

    Args:
        gan: As it was loaded; one in 16 bits is computed with in 32 from now on.
        file_format: As what.
        checkpoint: What the GAN was loaded from.
        num: How many latents it is tried with.
        licence: Under which it may be used.

    Returns:
        The file, and what is known of it.

    Raises:
        UserError: If the format cannot hold the generator, or its images are others.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.exporting import SafetensorsFile
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> export = export_generator(gan, SafetensorsFile(), {"global_step": 7, "lit_gan": {"seed": 3}}, num=4)
        >>> export.images.shape, export.difference
        (torch.Size([4, 1, 8, 8]), 0.0)
    """
    if next(gan.generator.parameters()).dtype in _HALVES:
        gan.float()
    generator, inputs = exported_generator(gan, num, _SEED)
    images, one = _expected(gan, generator, inputs), generator.expected(gan, _first_rows(inputs, 1))
    description = describe(gan, inputs, images, checkpoint, licence)
    content = file_format.content(generator, as_given(_first_rows(inputs, 2)), as_json(description))
    difference = file_format.difference(content, generator, inputs, (images, one))
    return Export(gan, file_format, content, description, inputs, images, difference)


def as_json(description: dict[str, Any]) -> str:
    """A description as text; what a configuration holds that JSON does not know is told by its name."""
    return json.dumps(description, indent=2, default=str, ensure_ascii=False)


def _expected(gan: GenerativeModule, generator: ExportedGenerator, inputs: Inputs) -> Tensor:
    images, again = generator.expected(gan, inputs), generator.expected(gan, inputs)
    whose = f"the generator ({name_of(gan.generator)})"
    if not bool(images.isfinite().all()):
        raise UserError(f"{whose} gives numbers that are not finite: expected the checkpoint of a sound training.")
    if not torch.equal(images, again):
        raise UserError(
            f"{whose} draws random numbers in evaluation mode: its images are no function of the latents, and no file "
            "gives those of `lit-gan sample`: expected noise that is a part of z."
        )
    return images


def _first_rows(inputs: Inputs, num: int) -> Inputs:
    return {name: value[:num] for name, value in inputs.items()}
