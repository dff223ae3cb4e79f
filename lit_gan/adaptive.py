"""What adapts to how the game goes: it sees each round's numbers, and its state is part of a checkpoint."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Adaptive:
    """A part of the game that may watch it; one that overrides nothing here costs nothing.

    What it does next must follow from :meth:`state_dict` and the number of the round alone. So all ranks do the same,
    and a resumed run goes on exactly where it stopped.

    Example:
        >>> import torch
        >>> class Best(Adaptive):
        ...     accuracy = 0.0
        ...
        ...     def observe(self, quantities):
        ...         self.accuracy = max(self.accuracy, float(quantities["accuracy"]))
        ...
        ...     def state_dict(self):
        ...         return {"accuracy": self.accuracy}
        ...
        ...     def load_state_dict(self, state):
        ...         self.accuracy = state["accuracy"]
        >>> best = Best()
        >>> best.observe({"accuracy": torch.tensor(0.75)})
        >>> best.state_dict()
        {'accuracy': 0.75}
    """

    def observe(self, quantities: Mapping[str, Tensor]) -> None:
        """Sees a round's numbers, at its end; called only where a class overrides it, in every round.

        Args:
            quantities: Scalars on the device, by name, each the mean over all ranks and so the same on each: what is
                logged as ``train/...`` (``loss_d``, ``loss_g``, ``d_real``, ...), D's ``accuracy``,
                ``accuracy_real`` and ``accuracy_fake``, in [0, 1], and the means ``logit_real`` and ``logit_fake`` of
                what it said. Of D's part nothing is there in a round in which D rested. Reading a number (``float``)
                waits for the device: do so as seldom as the policy allows.
        """

    def state_dict(self) -> dict[str, Any]:
        """What it has become, in tensors and plain data; empty for what does not adapt."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what :meth:`state_dict` gave.

        Args:
            state: Of an instance of the same class.
        """

    def observes(self) -> bool:
        """Whether its class overrides :meth:`observe`."""
        return type(self).observe is not Adaptive.observe


def adapted(parts: Mapping[str, Adaptive]) -> dict[str, Any]:
    """What a checkpoint holds of parts that adapt."""
    states = {name: {"class": type(part).__qualname__, "state": part.state_dict()} for name, part in parts.items()}
    return {name: state for name, state in states.items() if state["state"]}


def adapt_again(parts: Mapping[str, Adaptive], saved: Mapping[str, Any]) -> None:
    """Takes back what :func:`adapted` gave; a part of another class than the one that was saved begins anew."""
    for name, part in parts.items():
        if name in saved and saved[name]["class"] == type(part).__qualname__:
            part.load_state_dict(saved[name]["state"])
