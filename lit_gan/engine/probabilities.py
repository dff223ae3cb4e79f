"""Probabilities where logits are expected: of a D that ends in a sigmoid, by its layers, its graph and its values."""

import torch
from torch import Tensor, nn

from lit_gan.engine.value_ranges import last_layer, name_of, warn
from lit_gan.objectives import LeastSquares, Objective, Wasserstein

_PROBABILITIES = (nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Softmax, nn.Softmax2d, nn.LogSoftmax)
_SETTLED = 20  # rounds after which a D's logits say something of it
#: Names of torch's graph: what changes the form of a tensor or its type, and no value.
_PASSING = tuple(
    f"{name}Backward"
    for name in (
        *("View", "UnsafeView", "ReshapeAlias", "Alias", "Squeeze", "Unsqueeze", "Expand", "Permute", "Transpose", "T"),
        *("Slice", "Select", "Clone", "ToCopy", "_DDPSink"),
    )
)
_PROBABLE = ("Sigmoid", "Hardsigmoid", "Softmax", "LogSoftmax", "LogSigmoid")
_UNBOUNDED = ("Addmm", "Mm", "Mv", "Bmm", "Baddbmm", "Addbmm", "Convolution", "Add", "Sub")
_MAY_BE_BOUNDED = (LeastSquares, Wasserstein)  # what these objectives ask of D may well be in [0, 1]


class ProbabilityWatch:
    """Warns of a D that gives probabilities, once: of its last layer at once, of what it gives by the objective."""

    def __init__(self, discriminator: nn.Module | None) -> None:
        self._name = f"the discriminator ({name_of(discriminator)})"
        self._told = discriminator is not None and ends_in_probabilities(discriminator)
        if discriminator is not None and self._told:
            warn(_expected_logits(self._name, type(last_layer(discriminator)).__name__))

    def look_at_graph(self, logits: Tensor, objective: Objective) -> None:
        """Whether D's last operation makes probabilities: by the graph, at no cost and without a wait."""
        if isinstance(objective, _MAY_BE_BOUNDED):
            return
        operation = _last_operation(logits)
        if operation in _PROBABLE and not self._told:
            warn(_expected_logits(self._name, operation))
        # What ends in a sum or a product of matrices is bounded by nothing: its values need not be looked at.
        self._told |= operation in _PROBABLE or operation in _UNBOUNDED

    def look_at_values(self, real_logits: Tensor, fake_logits: Tensor, objective: Objective, rounds: int) -> None:
        """Whether all of D's logits lie in [0, 1]; in a round that is logged, for it reads them."""
        if self._told or rounds < _SETTLED or isinstance(objective, _MAY_BE_BOUNDED):
            return
        self._told = True
        lows, highs = zip(real_logits.aminmax(), fake_logits.aminmax(), strict=True)
        low, high = torch.stack([torch.stack(lows).min(), torch.stack(highs).max()]).tolist()
        if low >= 0 and high <= 1:
            warn(
                f"all logits of {self._name} lie in [0, 1] after {rounds} rounds, as probabilities do: "
                "expected logits; leave out what makes probabilities of them, for the objectives apply the sigmoid "
                "themselves."
            )


def ends_in_probabilities(discriminator: nn.Module) -> bool:
    """Whether a network's last layer makes probabilities of logits, by the looks of it.

    Example:
        >>> ends_in_probabilities(nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()))
        True
    """
    return isinstance(last_layer(discriminator), _PROBABILITIES)


def _expected_logits(who: str, last: str) -> str:
    way = f"leave the {last} out, for the objectives apply the sigmoid themselves"
    return f"{who} ends in a {last}: expected logits; {way}."


def _last_operation(logits: Tensor) -> str:
    """The last operation in torch's graph, where there is a graph; what only changes the form is passed over."""
    node = logits.grad_fn
    while node is not None and node.name().rstrip("0123456789") in _PASSING and node.next_functions:
        node = node.next_functions[0][0]
    return "" if node is None else node.name().rstrip("0123456789").removesuffix("Backward").lstrip("_")
