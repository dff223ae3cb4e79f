"""The activation functions that a configuration can name."""

from collections.abc import Callable

from torch import nn

from lit_gan.errors import UserError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "linear": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

_RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def activation(name: str, value: str) -> nn.Module:
    """The activation function called ``value``, with torch's default settings.

    Example:
        >>> activation("output_activation", "tanh")
        Tanh()
    """
    if value not in ACTIVATIONS:
        raise UserError(f"{name} = {value!r}: expected one of {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[value]()


def output_range(value: str) -> tuple[float, float] | None:
    """The interval that the activation ``value`` maps into, or None where it is not bounded.

    Example:
        >>> output_range("sigmoid"), output_range("linear")
        ((0.0, 1.0), None)
    """
    return _RANGES.get(value)
