"""Whether the range of a generator is that of its data, as far as the two say it."""

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from lit_gan.errors import UserError

Range = tuple[float, float]

#: Layers that bound what comes after nothing else, with their ranges.
_BOUNDING: Mapping[type[nn.Module], Range] = {
    nn.Tanh: (-1.0, 1.0),
    nn.Hardtanh: (-1.0, 1.0),
    nn.Softsign: (-1.0, 1.0),
    nn.Sigmoid: (0.0, 1.0),
    nn.Hardsigmoid: (0.0, 1.0),
}
#: Layers that change the form of what they get, or nothing: what stands before them is the last that counts.
_SHAPING = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.PixelShuffle)
_ACTIVATIONS: Mapping[Range, str] = {(0.0, 1.0): "sigmoid", (-1.0, 1.0): "tanh"}


class ContractWarning(UserWarning):
    """Something of the user's looks as if it were not what the rest expects."""


def warn(message: str) -> None:
    """Tells what looks wrong, on one rank."""
    rank_zero_warn(message, category=ContractWarning)


def name_of(part: object) -> str:
    """How the user calls the class of something.

    Example:
        >>> name_of(nn.Linear(1, 1))
        'torch.nn.modules.linear.Linear'
    """
    kind = type(part)
    inside = kind.__module__ == "__main__" or kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return kind.__qualname__ if inside else f"{kind.__module__}.{kind.__qualname__}"


def last_layer(network: nn.Module) -> nn.Module | None:
    """The last layer that changes the numbers, in the order in which a network lists its layers.

    Example:
        >>> last_layer(nn.Sequential(nn.Linear(4, 1), nn.Sequential(nn.Sigmoid(), nn.Flatten())))
        Sigmoid()
    """
    layers = [layer for layer in _layers(network) if not isinstance(layer, _SHAPING)]
    return layers[-1] if layers else None


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    children = [child for name, child in network.named_children() if name != "parametrizations"]
    if not children:
        yield network
    for child in children:
        yield from _layers(child)


def range_of_last_layer(generator: nn.Module) -> Range | None:
    """The range that a generator's last layer bounds it to, by the looks of it."""
    layer = last_layer(generator)
    if isinstance(layer, nn.Hardtanh):  # with bounds of the user's own; ReLU6 is one of [0, 6]
        return float(layer.min_val), float(layer.max_val)
    return next((bounds for kind, bounds in _BOUNDING.items() if isinstance(layer, kind)), None)


def declared_range(data: Any) -> Range | None:
    """The range that a data module says its examples have."""
    return _pair(getattr(data, "value_range", None), f"{name_of(data)}.value_range")


def output_range(generator: nn.Module) -> Range | None:
    """The range that a generator says its samples have."""
    return _pair(getattr(generator, "output_range", None), f"{name_of(generator)}.output_range")


def _pair(value: Any, name: str) -> Range | None:
    if value is None:
        return None
    message = f"{name} = {value!r}: expected two finite numbers, the lower one first, such as (0.0, 1.0)."
    try:
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError) as error:
        raise UserError(message) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(message)
    return low, high


def check_declared_ranges(generator: nn.Module, data: Any) -> None:
    """Refuses a generator that says another range than the data do."""
    check_same_range(generator, declared_range(data), data)


def check_same_range(generator: nn.Module, declared: Range | None, data: Any = None) -> None:
    """As :func:`check_declared_ranges`, of a range that is known already."""
    given = output_range(generator)
    if given is not None and declared is not None and given != declared:
        whose = (
            "output activation"
            if hasattr(generator, "output_activation")
            else f"output ({name_of(generator)}.output_range)"
        )
        raise UserError(
            f"the data lie in {list(declared)} but the generator's {whose} gives {list(given)}: expected the same "
            f"range; {ways_out(generator, data, given, declared)}."
        )


def warn_of_last_layer(generator: nn.Module, data: Any) -> None:
    """Warns of a generator that says nothing of its range, but whose last layer has another one than the data."""
    declared, bounds = declared_range(data), range_of_last_layer(generator)
    if declared is not None and bounds not in (None, declared) and output_range(generator) is None:
        assert bounds is not None  # noqa: S101 -- seen above
        warn(
            f"the data lie in {list(declared)} but the generator ({name_of(generator)}) ends in a "
            f"{type(last_layer(generator)).__name__}, which gives {list(bounds)}: "
            f"{ways_out(generator, data, bounds, declared)}."
        )


def ways_out(generator: nn.Module, data: Any, given: Range, declared: Range) -> str:
    """What to type where the range of a generator is not that of the data."""
    if data is None:
        one = f"give data in {list(given)}"
    elif "value_range" in inspect.signature(type(data).__init__).parameters:
        one = f"--data.init_args.value_range '{list(given)}' (in Python: value_range={given}) scales the data to it"
    else:
        one = f"scale the images of {name_of(data)} to {list(given)} and set its value_range"
    if hasattr(generator, "output_activation"):
        activation = _ACTIVATIONS.get(declared, "linear")
        two = f"--model.init_args.generator.init_args.output_activation {activation} changes the generator"
    else:
        two = f"let the generator end in what gives {list(declared)} and set its attribute output_range to that"
    return f"{one}, or {two}"
