"""What G's samples have to be for D, and for who looks at them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lit_gan.engine.extents import extent, in_words, lies_outside
from lit_gan.engine.look import Look
from lit_gan.engine.network_contract import NetworkContract
from lit_gan.engine.shapes import how_to_turn
from lit_gan.engine.value_ranges import name_of, warn
from lit_gan.errors import UserError

_HALVES = (torch.float16, torch.bfloat16)


class SampleContract(NetworkContract):
    """Holds what G makes to what D can see."""

    kind = "samples"
    one_tensor = (
        "samples; where the network gives more, let the method generate of a subclass of the GAN return the samples "
        "alone"
    )
    given = "latents"
    rows = "one sample for each"
    cut_off = "do not depend on its weights: no gradient can reach them;"

    def __init__(self, generator: nn.Module, look: Look) -> None:
        super().__init__(f"the generator ({name_of(generator)})", look)
        self._wants_maps = isinstance(next(_with_weights(generator), None), (nn.ConvTranspose2d, nn.Conv2d))

    def hint(self, error: Exception) -> str:
        """Latents are no maps."""
        if self._wants_maps and isinstance(error, (RuntimeError, ValueError)):
            return (
                "; latents are (N, latent_size): where the network begins with a convolution over (N, nz, 1, 1), let "
                "its first layer be nn.Unflatten(1, (nz, 1, 1))"
            )
        return ""

    def check(self, generated: Any, rows: int, x: Tensor | None = None) -> None:
        """What G must have made of its latents."""
        self._check_form(generated, rows)
        if x is not None:
            self._compare_with_examples(generated, x)
        if self._look.closely:
            self._check_closely(generated)

    def _compare_with_examples(self, generated: Tensor, x: Tensor) -> None:
        made, wanted = tuple(generated.shape[1:]), tuple(x.shape[1:])
        if made != wanted:
            raise UserError(
                f"{self.name} makes samples of shape {made} but the examples of the {self._look.split} data have the "
                f"shape {wanted}: expected the same{how_to_turn(wanted, made) or self._how_to_fit(made, wanted)}."
            )
        lowered = generated.dtype in _HALVES and torch.is_autocast_enabled(generated.device.type)
        if generated.dtype != x.dtype and not lowered:
            raise UserError(
                f"{self.name} gives {generated.dtype} and the examples are {x.dtype}: expected one type; let the "
                "network keep that of its latents."
            )

    def _how_to_fit(self, made: tuple[int, ...], wanted: tuple[int, ...]) -> str:
        taken = getattr(type(self._look.data).__init__, "__annotations__", {})
        sides = made[-1] == made[-2] if len(made) == len(wanted) == 3 else False
        way = "; with image_shape among the arguments of the network's __init__, the command line tells it the data's"
        if sides and made[0] == wanted[0] and "image_size" in taken:
            return f"{way}; or --data.init_args.image_size {made[-1]} brings the data to its size"
        if sides and made[0] == 1 and made[1:] == wanted[1:] and "grey" in taken:
            return f"{way}; or --data.init_args.grey true makes the data grey"
        return way

    def _check_closely(self, generated: Tensor) -> None:
        self._check_gradient(generated)
        seen = extent(generated)
        if seen is None:
            if self._look.split == "training":
                raise self._not_finite()
            return  # an evaluation reports what there is
        declared = self._look.output_range
        if declared is not None and lies_outside(seen, declared):
            warn(
                f"{self.name} gives {in_words(seen)}, but declares output_range = {list(declared)}: samples are shown "
                "by what is declared."
            )


def _with_weights(network: nn.Module) -> Iterator[nn.Module]:
    return (layer for layer in network.modules() if next(layer.parameters(recurse=False), None) is not None)
