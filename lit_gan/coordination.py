"""When each player moves within a round of Algorithm 1.

A new policy is one subclass of :class:`Coordination`; YAML names it by its ``class_path`` at once.
"""

from abc import ABC, abstractmethod

from lit_gan.errors import UserError


class Coordination(ABC):
    """How many times D moves before G does, and in how many pieces each of them sees its minibatch.

    Args:
        micro_batches: Each minibatch goes through the networks in this many pieces, whose gradients are added before
            the player moves (gradient accumulation inside the round). Saves memory, changes no update but by
            rounding and by dropout's draws.

    Raises:
        UserError: If ``micro_batches`` is below 1.
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
            Between 1 and :attr:`max_discriminator_steps`.
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
