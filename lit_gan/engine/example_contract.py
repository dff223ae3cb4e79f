"""What a batch's examples, and what they are conditioned on, have to be for the networks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lit_gan.engine.batches import described
from lit_gan.engine.extents import extent, in_words, lies_outside
from lit_gan.engine.look import Look
from lit_gan.engine.shapes import how_to_turn
from lit_gan.engine.value_ranges import Range, declared_range, name_of, warn
from lit_gan.errors import UserError

_ROUNDING = 1e-3  # of a range: what scaling and a resize may go beyond it
_BOX = 0.05  # the same, where the range is no pixels' but a box that a distribution seldom leaves
_HARDLY_USED = 0.02  # of the declared range: as if 255 had been divided by twice
_ENOUGH = 100  # numbers in a batch from which on their range says something


class ExampleContract:
    """Holds a batch of examples to what the networks take."""

    def __init__(self, generator: str, look: Look) -> None:
        self._generator = generator
        self._look = look

    def check_parts(self, parts: Any, whose: str) -> tuple[Tensor, Tensor | None]:
        """What ``split_batch`` has given: the examples, and what they are conditioned on."""
        pair = isinstance(parts, (tuple, list)) and len(parts) == 2
        if not (pair and isinstance(parts[0], Tensor) and isinstance(parts[1], Tensor | None)):
            raise UserError(
                f"{whose}.split_batch gives {described(parts)}: expected two things, the examples as a tensor and what "
                "they are conditioned on as a tensor or None, as in `return batch[0], None`."
            )
        x, condition = parts
        if condition is not None and (not condition.ndim or not x.ndim or len(condition) != len(x)):
            raise UserError(
                f"a batch of the {self._look.split} data has {described(x)} as examples and {described(condition)} as "
                "their condition: expected one row of it for each example."
            )
        return x, condition

    def check_classes(self, condition: Tensor | None, num_classes: int | None) -> None:
        """What class numbers must be; a condition of another kind is the subclass's own."""
        if condition is None or num_classes is None or not self._look.closely:
            return
        if condition.ndim != 1 or condition.is_floating_point() or not len(condition):
            return
        low, high = torch.stack(condition.aminmax()).tolist()
        if low < 0 or high >= num_classes:
            raise UserError(
                f"the labels of a batch of the {self._look.split} data run from {low} to {high}: expected 0 to "
                f"{num_classes - 1}, for num_classes = {num_classes}."
            )

    def check(self, x: Tensor, dtype: torch.dtype) -> None:
        """What a batch must be for the networks."""
        if x.ndim < 2:
            raise UserError(
                f"the examples of the {self._look.split} data are {described(x)}: expected rows of data, (N, C, H, W) "
                "for images."
            )
        if x.dtype != dtype:
            raise UserError(f"the examples of the {self._look.split} data are {self._of_another_type(x, dtype)}.")
        if x.requires_grad:
            raise UserError(
                f"the examples of the {self._look.split} data require a gradient: expected plain data; .detach() them "
                "in the loader or in split_batch."
            )
        if self._look.closely and x.numel():
            self._check_shape(x)
            self._check_values(x)

    def _of_another_type(self, x: Tensor, dtype: torch.dtype) -> str:
        low, high = declared_range(self._look.data) or self._look.output_range or (0.0, 1.0)
        wanted = f"expected {dtype} in [{low}, {high}]"
        kind = str(x.dtype)
        if x.dtype == torch.uint8:
            formula = {(0.0, 1.0): "x.float() / 255", (-1.0, 1.0): "x.float() / 127.5 - 1"}.get((low, high))
            how = f"scale them in the data set, {formula or 'from 0..255 to that range'}"
            return f"bytes ({kind}), 0 to 255: {wanted}: {how}"
        if x.is_complex():
            return f"complex ({kind}): {wanted}: give real and imaginary part as channels (torch.view_as_real)"
        if not x.is_floating_point():
            numbers = "truth values" if x.dtype == torch.bool else "whole numbers"
            return f"{numbers} ({kind}): {wanted}: scale them in the data set, .float() first"
        bits = {torch.float64: "64-true", torch.float32: "32-true", torch.float16: "16-true"}.get(x.dtype, "bf16-true")
        to = {torch.float32: ".float()", torch.float64: ".double()"}.get(dtype, f".to({dtype})")
        return (
            f"{kind} and the networks {dtype}: expected one type: {to} in the data set, or a training in the data's "
            f"(--trainer.precision {bits})"
        )

    def _check_shape(self, x: Tensor) -> None:
        shape = getattr(self._look.data, "image_shape", None)
        if shape is not None and tuple(shape) != tuple(x.shape[1:]):
            raise UserError(
                f"the examples of the {self._look.split} data have the shape {tuple(x.shape[1:])} but "
                f"{name_of(self._look.data)}.image_shape = {tuple(shape)}: expected the same"
                f"{how_to_turn(tuple(x.shape[1:]), tuple(shape))}."
            )

    def _check_values(self, x: Tensor) -> None:
        seen = extent(x)
        if seen is None:
            raise UserError(
                f"the first batch of the {self._look.split} data holds values that are not finite (NaN or inf): "
                "expected numbers; look for a division by zero or a damaged file."
            )
        declared = declared_range(self._look.data)
        if declared is not None:
            self._compare_with_declared(seen, declared, x)
        elif self._look.output_range is not None:
            self._compare_with_generator(seen, self._look.output_range)

    def _compare_with_declared(self, seen: Range, declared: Range, x: Tensor) -> None:
        low, high = declared
        rounding = _ROUNDING if getattr(self._look.data, "in_pixel_range", True) else _BOX
        whose = self._in_words(seen)
        declares = f"{name_of(self._look.data)} declares value_range = [{low}, {high}]"
        if lies_outside(seen, declared, max(rounding, 4 * torch.finfo(x.dtype).eps)):
            raise UserError(f"{whose}, but {declares}: scale the data to it, or declare what they are.")
        if x.numel() < _ENOUGH or self._look.split != "training":
            return
        if low < 0 <= seen[0]:
            warn(f"{whose}, the upper part alone of what is declared ({declares}): are they scaled as declared?")
        elif seen[1] - seen[0] < _HARDLY_USED * (high - low):
            warn(f"{whose}, next to nothing of what is declared ({declares}): have they been scaled twice?")

    def _compare_with_generator(self, seen: Range, given: Range) -> None:
        low, high = given
        whose = self._in_words(seen)
        if lies_outside(seen, given):
            raise UserError(
                f"{whose}, but {self._generator} gives [{low}, {high}]: expected the same range: scale the data, or "
                "change what the generator ends in and its output_range."
            )
        if low < 0 <= seen[0] and self._look.split == "training":
            warn(
                f"{whose}, but {self._generator} gives [{low}, {high}]: are the data scaled to that? Say so by an "
                "attribute value_range of the data module."
            )

    def _in_words(self, seen: Range) -> str:
        return f"the first batch of the {self._look.split} data has {in_words(seen)}"


def pixel_means_of(data: Any) -> Callable[[], Tensor]:
    """What computes the mean of the data's images, for a network that begins its training with it."""
    means: Callable[[], Tensor] = getattr(data, "pixel_means", _no_pixel_means)
    return means


def training_images_of(data: Any, num: int) -> Tensor:
    """So many of the data's training images, or as many as there are, for a discriminator that begins with them."""
    images = getattr(data, "images", None)
    if images is None:
        raise UserError(
            "the discriminator begins its training with images of the data set: expected a data module with "
            'images("train", num), as lit_gan.data\'s have, or a discriminator without begin_training.'
        )
    first: Tensor = images("train", num)
    return first


def _no_pixel_means() -> Tensor:
    raise UserError(
        "the generator's pixel_mean_bias needs the data's pixel means: expected a data module with pixel_means(), as "
        "lit_gan.data's have, or a generator with pixel_mean_bias=False."
    )
