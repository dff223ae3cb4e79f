"""How the weights of a layer are drawn before training."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.arguments import non_negative, whole_number


class WeightInit(ABC):
    """How the weights of one layer are drawn; called once, when the layer is built.

    A subclass fills the tensor in place with torch's global generator (``lightning.seed_everything`` sets it), and
    makes what else it needs on ``weight.device``, so that networks can be built under ``torch.device("meta")``. A
    float ``r`` in place of an initialiser means ``UniformWeights(r)``.

    Example:
        >>> from lit_gan.networks import MLPGenerator
        >>> class Orthogonal(WeightInit):
        ...     def __call__(self, weight):
        ...         torch.nn.init.orthogonal_(weight)
        >>> generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,), weight_init=Orthogonal())
    """

    @abstractmethod
    def __call__(self, weight: Tensor) -> None:
        """Fill ``weight`` in place.

        Args:
            weight: ``(units, ...)``: ``weight[i]`` holds the incoming weights of unit i. Gradients are off.
        """


class UniformWeights(WeightInit):
    """Weights from U(-range, range).

    Args:
        range: Half the width of the interval, at least 0. The paper's networks use 0.05 (G) and 0.005 (D).

    Raises:
        UserError: If ``range`` is negative or not finite.

    Example:
        >>> weight = torch.empty(3, 4)
        >>> UniformWeights(0.5)(weight)
        >>> bool((weight.abs() <= 0.5).all())
        True
    """

    def __init__(self, range: float = 0.05) -> None:  # noqa: A002 -- the public argument, and what the field calls it
        self.range = non_negative("range", range)

    def __call__(self, weight: Tensor) -> None:
        """Fill ``weight`` in place."""
        weight.uniform_(-self.range, self.range)

    def __repr__(self) -> str:
        return f"UniformWeights(range={self.range})"


class NormalWeights(WeightInit):
    """Weights from N(0, std^2).

    Args:
        std: The standard deviation, at least 0.

    Raises:
        UserError: If ``std`` is negative or not finite.

    Example:
        >>> weight = torch.empty(3, 4)
        >>> NormalWeights(std=0.0)(weight)
        >>> weight.count_nonzero().item()
        0
    """

    def __init__(self, std: float = 0.02) -> None:
        self.std = non_negative("std", std)

    def __call__(self, weight: Tensor) -> None:
        """Fill ``weight`` in place."""
        weight.normal_(0.0, self.std)

    def __repr__(self) -> str:
        return f"NormalWeights(std={self.std})"


class KaimingWeights(WeightInit):
    r"""Weights from :math:`N(0, \sigma^2)`, :math:`\sigma^2 = 2 / ((1 + a^2) F)`, F being the inputs of a unit.

    So drawn, layers with the activation function :math:`\max(x, a x)` keep the scale of what passes through them.

    Args:
        negative_slope: :math:`a`: 0 for layers with ReLU, the slope of a leaky ReLU, 1 for a linear layer.

    Raises:
        UserError: If ``negative_slope`` is negative or not finite.

    Example:
        >>> weight = torch.empty(100, 800)
        >>> KaimingWeights()(weight)
        >>> round(weight.std().item(), 2)
        0.05

    Reference:
        He et al. 2015, *Delving Deep into Rectifiers*.
    """

    def __init__(self, negative_slope: float = 0.0) -> None:
        self.negative_slope = non_negative("negative_slope", negative_slope)

    def __call__(self, weight: Tensor) -> None:
        """Fill ``weight`` in place."""
        weight.normal_(0.0, math.sqrt(2 / ((1 + self.negative_slope**2) * weight[0].numel())))

    def __repr__(self) -> str:
        return f"KaimingWeights(negative_slope={self.negative_slope})"


class XavierWeights(WeightInit):
    r"""Weights from :math:`U(-r, r)`, :math:`r = g \sqrt{6 / (F + F')}`, F being a unit's inputs, F' its outputs.

    Of a convolution, a unit's inputs are its kernel over all input channels, its outputs a kernel over all channels
    that the layer makes.

    Args:
        gain: :math:`g`, at least 0.

    Raises:
        UserError: If ``gain`` is negative or not finite.

    Example:
        >>> weight = torch.empty(100, 200)
        >>> XavierWeights()(weight)
        >>> round(weight.abs().max().item(), 3)  # sqrt(6 / 300)
        0.141

    Reference:
        Glorot and Bengio 2010, *Understanding the difficulty of training deep feedforward neural networks*, eq. 16.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = non_negative("gain", gain)

    def __call__(self, weight: Tensor) -> None:
        """Fill ``weight`` in place."""
        nn.init.xavier_uniform_(weight, self.gain)

    def __repr__(self) -> str:
        return f"XavierWeights(gain={self.gain})"


class SparseWeights(WeightInit):
    """Every unit gets exactly ``nonzeros`` incoming weights from N(0, std^2), at random places; the others are 0.

    Martens' sparse initialisation; the output layer of the paper's TFD generator uses it with its defaults.

    Args:
        nonzeros: Non-zero incoming weights of each unit, at least 1 and at most as many as it has inputs.
        std: The standard deviation of these, at least 0.

    Raises:
        UserError: If an argument is out of its range; when called, if a unit has fewer than ``nonzeros`` inputs.

    Example:
        >>> weight = torch.empty(3, 50)
        >>> SparseWeights(nonzeros=5)(weight)
        >>> weight.count_nonzero(dim=1)
        tensor([5, 5, 5])
    """

    def __init__(self, nonzeros: int = 100, std: float = 1.0) -> None:
        self.nonzeros = whole_number("nonzeros", nonzeros)
        self.std = non_negative("std", std)

    def __call__(self, weight: Tensor) -> None:
        """Fill ``weight`` in place."""
        units, inputs = weight.shape[0], weight[0].numel()
        if self.nonzeros > inputs:
            raise UserError(
                f"nonzeros = {self.nonzeros}: expected at most {inputs}, the inputs of each unit of the layer that "
                "SparseWeights was given to."
            )
        # The places of the largest of independent uniform numbers are a draw without replacement.
        order = torch.rand(units, inputs, device=weight.device)
        places = order.topk(self.nonzeros, dim=1, sorted=False).indices
        values = torch.empty(units, self.nonzeros, device=weight.device, dtype=weight.dtype).normal_(0.0, self.std)
        dense = torch.zeros(units, inputs, device=weight.device, dtype=weight.dtype).scatter_(1, places, values)
        weight.copy_(dense.view(weight.shape))

    def __repr__(self) -> str:
        return f"SparseWeights(nonzeros={self.nonzeros}, std={self.std})"


def as_weight_init(name: str, value: float | WeightInit) -> WeightInit:
    """The initialiser that ``value`` means: a float ``r`` is ``UniformWeights(r)``.

    Args:
        name: The argument's name, for the error.
        value: A half-width, at least 0, or an initialiser.

    Returns:
        The initialiser.

    Raises:
        UserError: If ``value`` is neither.

    Example:
        >>> as_weight_init("weight_init", 0.05)
        UniformWeights(range=0.05)
    """
    if isinstance(value, WeightInit):
        return value
    return UniformWeights(non_negative(name, value))
