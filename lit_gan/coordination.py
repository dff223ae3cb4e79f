"""When each player moves within a round of Algorithm 1.

A new policy is one subclass of :class:`Coordination`; YAML names it by its ``class_path`` at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lit_gan.adaptive import Adaptive
from lit_gan.errors import UserError


class Coordination(Adaptive, ABC):
    """How many times D moves before G does, and in how many pieces each of them sees its minibatch.

    A policy that adapts overrides :meth:`~lit_gan.adaptive.Adaptive.observe`, ``state_dict`` and ``load_state_dict``,
    as :class:`AccuracyBand` does.

    Args:
        micro_batches: Each minibatch goes through the networks in this many pieces, whose gradients are added before
            the player moves (gradient accumulation inside the round). Saves memory, changes no update but by
            rounding and by dropout's draws.

    Raises:
        UserError: If ``micro_batches`` is below 1.

    Example:
        >>> class EverySecond(Coordination):
        ...     max_discriminator_steps = 1
        ...
        ...     def discriminator_steps(self, round_index):
        ...         return round_index % 2
        >>> [EverySecond().discriminator_steps(round_index) for round_index in range(4)]
        [0, 1, 0, 1]
    """

    def __init__(self, micro_batches: int = 1) -> None:
        if micro_batches < 1:
            raise UserError(f"micro_batches = {micro_batches}: expected at least 1 piece per minibatch.")
        self.micro_batches = micro_batches

    @property
    @abstractmethod
    def max_discriminator_steps(self) -> int:
        """The largest number of D-updates that a round may take: so many minibatches are loaded for each."""

    @abstractmethod
    def discriminator_steps(self, round_index: int) -> int:
        """The number of D-updates in this round.

        Args:
            round_index: Rounds completed so far.

        Returns:
            Between 0, where D rests and G moves alone, and :attr:`max_discriminator_steps`.
        """


class FixedSteps(Coordination):
    """Algorithm 1 as written: ``k`` D-updates, then one G-update, in every round.

    Args:
        k: D-updates per round, each on its own minibatch; the paper uses 1.
        micro_batches: See :class:`Coordination`.

    Raises:
        UserError: If ``k`` is below 1.

    Example:
        >>> FixedSteps(k=3).discriminator_steps(round_index=0)
        3

    Reference:
        Goodfellow et al. 2014, Algorithm 1.
    """

    def __init__(self, k: int = 1, micro_batches: int = 1) -> None:
        super().__init__(micro_batches)
        if k < 1:
            raise UserError(f"k = {k}: expected at least 1 discriminator step per round.")
        self.k = k

    @property
    def max_discriminator_steps(self) -> int:
        """``k``."""
        return self.k

    def discriminator_steps(self, round_index: int) -> int:
        """``k``, whatever the round."""
        return self.k


class AccuracyBand(Coordination):
    r"""Keeps D about as good as it should be: it moves more often while its accuracy is below a band, less above it.

    D's accuracy is the part of the examples and samples of its last minibatch of a round that it took for what they
    are, before it moved. Every ``window`` rounds in which D moved, their mean decides: below ``low``, D makes one step
    more per round from now on, up to ``max_steps``; above ``high``, one less. Below one step per round D moves in every
    second round alone. It starts with one step, Algorithm 1 with k = 1.

    The paper's k asks that D stay near its optimum while G changes slowly; a D that is always right has no more to say
    to G than one that guesses. Accuracies lie between 0.5, a D that cannot tell samples from examples, and 1.

    Args:
        low: Below this accuracy D needs more steps.
        high: Above this one it needs fewer.
        max_steps: The most D-updates in a round; so many minibatches are loaded for each, used or not.
        window: Rounds that the accuracy is averaged over; the device is waited for once in so many.
        micro_batches: See :class:`Coordination`.

    Raises:
        UserError: If it is not 0 <= ``low`` < ``high`` <= 1, or ``max_steps`` or ``window`` is below 1.

    Example:
        >>> import torch
        >>> band = AccuracyBand(low=0.6, high=0.9, max_steps=3, window=1)
        >>> band.observe({"accuracy": torch.tensor(0.5)})
        >>> band.discriminator_steps(round_index=1)
        2
    """

    def __init__(
        self, low: float = 0.6, high: float = 0.9, max_steps: int = 4, window: int = 16, micro_batches: int = 1
    ) -> None:
        super().__init__(micro_batches)
        if not 0 <= low < high <= 1:
            raise UserError(f"AccuracyBand low = {low}, high = {high}: expected 0 <= low < high <= 1.")
        for name, value in (("max_steps", max_steps), ("window", window)):
            if value < 1:
                raise UserError(f"AccuracyBand {name} = {value}: expected at least 1.")
        self.low = low
        self.high = high
        self.max_steps = max_steps
        self.window = window
        self.steps = 1
        self._seen = 0
        self._sum: Tensor | float = 0.0

    @property
    def max_discriminator_steps(self) -> int:
        """``max_steps``."""
        return self.max_steps

    def discriminator_steps(self, round_index: int) -> int:
        """The steps that the accuracies so far call for; at 0 of them, one in every second round."""
        return self.steps or round_index % 2

    def observe(self, quantities: Mapping[str, Tensor]) -> None:
        """Counts the round's accuracy, and decides at the end of a window."""
        if "accuracy" not in quantities:  # D rested
            return
        self._sum = self._sum + quantities["accuracy"].detach()
        self._seen += 1
        if self._seen == self.window:
            accuracy = float(self._sum) / self.window
            more = int(accuracy < self.low) - int(accuracy > self.high)
            self.steps = min(max(self.steps + more, 0), self.max_steps)
            self._seen, self._sum = 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """The steps per round, and how far the window is."""
        return {"steps": self.steps, "seen": self._seen, "sum": float(self._sum)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where that one stopped, within the bounds that are asked for now."""
        self.steps = min(int(state["steps"]), self.max_steps)
        self._seen, self._sum = int(state["seen"]), float(state["sum"])
        if self._seen >= self.window:  # it was longer then
            self._seen, self._sum = 0, 0.0
