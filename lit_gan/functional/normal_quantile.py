"""The quantile function of the normal distribution by plain operations, for whoever lacks torch's own."""

from collections.abc import Sequence

import torch
from torch import Tensor

# Of AS 241 (PPND16): numerator and denominator in the middle, in the tails, and in the far tails; highest power first.
_MIDDLE = (
    (
        *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457),
        *(13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    ),
    (
        *(5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867),
        *(5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
    ),
)
_TAIL = (
    (
        *(7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258),
        *(3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1),
        *(6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1.0),
    ),
)
_FAR_TAIL = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3, 2.6532189526576123093e-2),
        *(2.9656057182850489123e-1, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    ),
    (
        *(2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4),
        *(1.48753612908506148525e-2, 1.3692988092273580531e-1, 5.9983220655588793769e-1, 1.0),
    ),
)
_HALF_OF_THE_MIDDLE, _CENTRE_OF_TAIL, _FAR = 0.425, 1.6, 5.0


def normal_quantile(p: Tensor) -> Tensor:
    r""":math:`\Phi^{-1}(p)`, as ``torch.special.ndtri``, of nothing but arithmetic, logarithm and square root.

    Args:
        p: Probabilities in (0, 1), of any shape.

    Returns:
        A tensor of that shape, to the rounding of its type.

    Example:
        >>> normal_quantile(torch.tensor([0.025, 0.5, 0.975]))
        tensor([-1.9600,  0.0000,  1.9600])

    Reference:
        Wichura 1988, *Algorithm AS 241: The Percentage Points of the Normal Distribution*.
    """
    q = p - 0.5
    middle = q * _ratio(_HALF_OF_THE_MIDDLE**2 - q * q, _MIDDLE)
    depth = torch.minimum(p, 1 - p).log().neg().sqrt()  # of the middle, too, where it is not looked at
    tail = torch.where(depth <= _FAR, _ratio(depth - _CENTRE_OF_TAIL, _TAIL), _ratio(depth - _FAR, _FAR_TAIL))
    return torch.where(q.abs() <= _HALF_OF_THE_MIDDLE, middle, torch.where(q < 0, -tail, tail))


def _ratio(x: Tensor, of: tuple[Sequence[float], Sequence[float]]) -> Tensor:
    above, below = (_polynomial(x, each) for each in of)
    return above / below


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    value = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
