"""A generator as a function of tensors alone: latents in, and what else it takes; images in [0, 1] out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lit_gan.errors import UserError
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.functional.display import to_display_range
from lit_gan.generative import GenerativeModule

#: By the names that a file has for them, in their order.
Inputs = dict[str, Tensor]


class ExportedGenerator(nn.Module):
    """What a file holds of a GAN: G as it is shown, in 32 bits, with what else its ``generate`` calls.

    Args:
        gan: A GAN of :meth:`GenerativeModule.for_export`.
        inputs: What it is called with.
    """

    def __init__(self, gan: GenerativeModule, inputs: Inputs) -> None:
        super().__init__()
        self._gan = (gan,)  # no part of this module: a Lightning module is more than what it computes
        self.input_names = tuple(inputs)
        for name in _called_by(gan, lambda: self(*inputs.values())):
            self.add_module(name, getattr(gan, name))
        for name, parameter in gan.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def forward(self, z: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` in [0, 1] of latents ``(N, latent_size)``."""
        return self.shown(z, None)

    def shown(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """What G makes of latents under a condition, as ``sample`` shows it."""
        [gan] = self._gan
        return to_display_range(gan.generate(z, condition), gan.value_range)

    @staticmethod
    def example(gan: GenerativeModule, num: int, seed: int) -> Inputs:
        """The latents of ``lit-gan sample --seed``."""
        dtype = next(gan.generator.parameters()).dtype
        return {"z": gan.latent.sample(num, generator=torch.Generator().manual_seed(seed), dtype=dtype)}

    @staticmethod
    def expected(gan: GenerativeModule, inputs: Inputs) -> Tensor:
        """What the GAN itself shows for them."""
        return gan.decode(inputs["z"])


class ConditionalGenerator(ExportedGenerator):
    """With a condition: classes ``(N,)``, or ``(N, ...)`` of another kind."""

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]  # it takes one more
        """Images under conditions, one for each latent."""
        return self.shown(z, condition)

    @staticmethod
    def example(gan: GenerativeModule, num: int, seed: int) -> Inputs:
        """With the conditions that ``lit-gan sample`` draws under."""
        condition = gan.sample_condition(num)
        assert condition is not None  # noqa: S101 -- it is by this that the class is chosen
        return {**ExportedGenerator.example(gan, num, seed), "condition": condition}

    @staticmethod
    def expected(gan: GenerativeModule, inputs: Inputs) -> Tensor:
        """What the GAN itself shows under these conditions."""
        return gan.decode(inputs["z"], inputs["condition"])


class InpaintingGenerator(ExportedGenerator):
    """With an image in [0, 1] and a mask, 1 where it stays: what is hidden is filled in."""

    def forward(self, z: Tensor, image: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Images ``(N, C, H, W)`` that are the given ones where the mask ``(N, 1, H, W)`` is above 1/2."""
        stays = mask > 0.5
        x = torch.where(stays, _in_data_space(self._gan[0], image), 0.0)
        return self.shown(z, torch.cat([x, stays.to(x.dtype)], dim=1))

    @staticmethod
    def example(gan: GenerativeModule, num: int, seed: int) -> Inputs:
        """Nothing is visible in the first half of the rows, as in ``lit-gan sample``; then a half of what that drew."""
        inputs = ExportedGenerator.example(gan, num, seed)
        image = gan.decode(inputs["z"])
        mask = torch.zeros_like(image[:, :1])
        mask[num // 2 :, :, :, : image.shape[-1] // 2] = 1
        return {**inputs, "image": image, "mask": mask}

    @staticmethod
    def expected(gan: GenerativeModule, inputs: Inputs) -> Tensor:
        """What ``lit-gan complete`` would fill in."""
        assert isinstance(gan, InpaintingGAN)  # noqa: S101 -- it is by this that the class is chosen
        visible = gan.visible(_in_data_space(gan, inputs["image"]), inputs["mask"])
        return gan.decode(inputs["z"], visible)


def exported_generator(gan: GenerativeModule, num: int, seed: int) -> tuple[ExportedGenerator, Inputs]:
    """G as a function of tensors alone, and inputs to try it with.

    Args:
        gan: As it was loaded; it stays as it is.
        num: How many rows.
        seed: Of the latents: that of ``lit-gan sample --seed``.

    Returns:
        The module, in evaluation mode and in 32 bits, and its inputs in the type of the GAN.

    Raises:
        UserError: If the GAN cannot sample by its checkpoint alone, or G cannot be copied.
    """
    kind = _kind_of(gan)
    inputs = kind.example(gan, num, seed)
    try:
        exported = gan.for_export().float().requires_grad_(False)
    except RuntimeError as error:  # deepcopy, of a weight that is computed anew in each forward pass
        raise UserError(
            f"the generator ({type(gan.generator).__name__}) cannot be copied ({_first_line(error)}): expected weights "
            "that are parameters; of torch.nn.utils.weight_norm and spectral_norm use those in "
            "torch.nn.utils.parametrizations."
        ) from error
    _fix_parametrized_weights(exported)
    rows = as_given({name: value[:2] for name, value in inputs.items()})
    with torch.no_grad():
        return kind(exported, rows).eval(), inputs


def as_given(inputs: Inputs) -> Inputs:
    """Inputs as a file takes them: numbers in 32 bits, classes as they are."""
    return {name: value.float() if value.is_floating_point() else value for name, value in inputs.items()}


def _kind_of(gan: GenerativeModule) -> type[ExportedGenerator]:
    if isinstance(gan, InpaintingGAN):
        if gan.value_range is None:
            raise UserError(
                "this InpaintingGAN's data are no pixel levels, and no image in [0, 1] can be made one of them: "
                "complete them in Python, by gan.complete(x, mask)."
            )
        return InpaintingGenerator
    return ExportedGenerator if gan.sample_condition(1) is None else ConditionalGenerator


def _in_data_space(gan: GenerativeModule, image: Tensor) -> Tensor:
    low, high = gan.value_range or (0.0, 1.0)
    return low + (high - low) * image


def _called_by(gan: nn.Module, generate: Callable[[], Any]) -> list[str]:
    """The parts of a GAN that generating calls: of an inference network, say, not the encoder."""
    called: dict[str, None] = {}

    def note(name: str, *_: Any) -> None:
        called[name] = None

    hooks = [part.register_forward_hook(partial(note, name)) for name, part in gan.named_children()]
    try:
        generate()
    finally:
        for hook in hooks:
            hook.remove()
    return list(called)


@torch.no_grad()
def _fix_parametrized_weights(module: nn.Module) -> None:
    """Weights that are computed from others, as by spectral normalisation, become what they are by now.

    Not by ``remove_parametrizations``, which takes them from all copies: these share a class that torch has made.
    """
    for part in [each for each in module.modules() if parametrize.is_parametrized(each)]:
        names = list(getattr(part, "parametrizations"))  # noqa: B009 -- torch's type knows no such attribute
        values = {name: getattr(part, name) for name in names}
        part.__class__ = parametrize.type_before_parametrizations(part)
        del part.parametrizations
        for name, value in values.items():
            part.register_parameter(name, nn.Parameter(value, requires_grad=False))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
