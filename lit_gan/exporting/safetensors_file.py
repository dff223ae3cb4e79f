"""safetensors: the weights and nothing else; who computes with them brings the network's code."""

from copy import deepcopy

import torch
from torch import Tensor

from lit_gan.exporting.file_format import FileFormat
from lit_gan.exporting.generator import ExportedGenerator, Inputs

_OF_THE_GENERATOR = "generator."


class SafetensorsFile(FileFormat):
    """By the names that the network has for them; checked by a copy of the network with these weights.

    Example:
        >>> SafetensorsFile().name  # after --format
        'safetensors'
    """

    name = "safetensors"
    suffixes = (".safetensors",)
    packages = ("safetensors",)
    checked_by = "a copy of the network that had none of its weights"

    def content(self, generator: ExportedGenerator, inputs: Inputs, description: str) -> bytes:
        """See :meth:`FileFormat.content`; the description is a file of its own beside it."""
        from safetensors.torch import save  # noqa: PLC0415 -- only where it is installed

        prefix = _prefix(generator)
        # Copies: safetensors refuses tensors that share their memory.
        weights = {
            name.removeprefix(prefix): value.clone(memory_format=torch.contiguous_format)
            for name, value in generator.state_dict().items()
        }
        return save(weights, {"format": "pt"})

    def images(self, content: bytes, generator: ExportedGenerator, inputs: Inputs) -> Tensor:
        """See :meth:`FileFormat.images`."""
        from safetensors.torch import load  # noqa: PLC0415 -- as above

        copied, prefix = deepcopy(generator), _prefix(generator)
        for value in copied.state_dict().values():
            value.fill_(torch.nan if value.is_floating_point() else 0)
        copied.load_state_dict({f"{prefix}{name}": value for name, value in load(content).items()})
        with torch.no_grad():
            images: Tensor = copied(*inputs.values())
        return images


def _prefix(generator: ExportedGenerator) -> str:
    """What all names begin with, where G generates alone: the names are then its own."""
    return _OF_THE_GENERATOR if all(name.startswith(_OF_THE_GENERATOR) for name in generator.state_dict()) else ""
