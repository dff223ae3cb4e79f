"""A player's turn: what it is shown, what D says of it, and the quantities that are read off that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lit_gan.engine.minibatches import changed_as_whole
from lit_gan.errors import UserError
from lit_gan.functional.theory import jsd_lower_bound, value_function
from lit_gan.objectives import Objective
from lit_gan.penalties import Penalty

PlayerName = Literal["generator", "discriminator"]


def _nobody(*_: Any) -> Tensor:
    raise UserError("Turn.discriminate: expected a turn of a GAN's; this one was made without a discriminator.")


@dataclass(frozen=True)
class Turn:
    """What a player sees in its turn: for penalties, and for further tasks of a player (``auxiliary_loss``).

    The images are those before augmentation, the logits of those after it. Of a minibatch that passes in pieces
    (``micro_batches``), a turn is one piece.

    Args:
        player: Whose turn it is, ``"discriminator"`` or ``"generator"``.
        x: The examples, ``(N, C, H, W)``, no part of any graph; in G's turn those of D's last one, or its own where the
            objective pairs examples.
        generated: G's samples, ``(N, C, H, W)``; in G's turn with the graph back to its weights.
        real_logits: D's logits on the examples, ``(N, 1)`` or a map of them; ``None`` in G's turn, but where the
            objective pairs examples with samples; where it matches features, these.
        fake_logits: D's logits on the samples, ``(N, 1)``; likewise.
        condition: What both are conditioned on, ``(N, ...)``, or ``None``.
        discriminate: ``discriminate(images, condition)``: D's logits on any images, augmented as in this turn, in at
            least 32 bits.
        draws: Gives :attr:`rng`; torch's global generator where there is none.
        rows: Which rows of its minibatch this piece is; all, by default.
        rows_in_all: How many rows the minibatch has.
        number: Which turn of its round it is, from 0 on.

    Example:
        >>> x = torch.ones(2, 1, 1, 1, requires_grad=True)
        >>> turn = Turn("discriminator", x, torch.zeros(2, 1, 1, 1), 5 * x.flatten(), torch.zeros(2))
        >>> turn.gradient("x").flatten().tolist()
        [5.0, 5.0]
    """

    player: PlayerName
    x: Tensor
    generated: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    condition: Tensor | None = None
    discriminate: Callable[..., Tensor] = _nobody
    draws: Callable[[], torch.Generator] | None = field(default=None, repr=False)
    rows: slice | None = field(default=None, repr=False)
    rows_in_all: int | None = field(default=None, repr=False)
    number: int = field(default=0, repr=False)

    def gradient(self, of: Literal["x", "generated"]) -> Tensor:
        """The gradient of D at the images of this turn, row by row; it can be differentiated again.

        Args:
            of: At the examples (``"x"``) or at the samples (``"generated"``).

        Returns:
            A tensor of the images' shape: for each row the gradient of the sum of its logits.

        Raises:
            UserError: If they require none: in rounds in which no penalty is due that names them.
        """
        if of not in self._gradients:
            raise UserError(
                f"Turn.gradient({of!r}): no penalty that is due needs it: expected a penalty with "
                f"differentiates = ({of!r},)."
            )
        return self._gradients[of]

    @cached_property
    def _gradients(self) -> dict[str, Tensor]:
        """All of them by one differentiation; rows do not see each other, so the gradient of a sum is each row's."""
        logits = {"x": self.real_logits, "generated": self.fake_logits}
        images = {name: each for name, each in (("x", self.x), ("generated", self.generated)) if each.requires_grad}
        if not images:
            return {}
        sums = [logits[name].sum() for name in images]
        gradients = torch.autograd.grad(sums, list(images.values()), create_graph=True)
        return dict(zip(images, gradients, strict=True))

    @cached_property
    def rng(self) -> torch.Generator | None:
        """Where draws for this turn come from: a function of (seed, round, turn, rank).

        Where a minibatch passes in pieces, each has it from its beginning: by :meth:`drawn` and :meth:`changed` a row's
        draws are its own.
        """
        return None if self.draws is None else self.draws()

    @property
    def logits_of_generator(self) -> list[Tensor]:
        """What an objective's ``loss_g`` is given."""
        return [self.fake_logits] if self.real_logits is None else [self.fake_logits, self.real_logits]

    def uniform(self) -> Tensor:
        """A number in [0, 1) for each row, whatever the pieces that a minibatch passes in.

        Returns:
            A tensor ``(N, 1, 1, 1)``.
        """
        drawn = self.drawn(partial(torch.rand, generator=self.rng, device=self.x.device, dtype=self.x.dtype))
        return drawn.reshape(-1, *[1] * (self.x.ndim - 1))

    def drawn(self, draw: Callable[[int], Tensor]) -> Tensor:
        """Draws for the rows of this turn, whatever the pieces that a minibatch passes in.

        Args:
            draw: Draws for a number of rows, by :attr:`rng`.

        Returns:
            Those of this turn's rows.
        """
        drawn = draw(self.rows_in_all or len(self.x))
        return drawn if self.rows is None else drawn[self.rows]

    def changed(self, images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """As many images as the turn has, after a random change by :attr:`rng`; likewise.

        Args:
            images: ``(N, C, H, W)``.
            change: Changes a minibatch.

        Returns:
            A tensor of the same shape.
        """
        rows, rows_in_all = self.rows or slice(0, len(self.x)), self.rows_in_all or len(self.x)
        return changed_as_whole(images, change, rows, rows_in_all)


class Outcome(NamedTuple):
    """What a turn of D came to, cut off from the graph.

    Args:
        loss: D's loss, a scalar, without penalties.
        real_logits: On the examples.
        fake_logits: On the samples.
        penalties: What each penalty that was due came to, before its weight.
    """

    loss: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    penalties: dict[str, Tensor]

    def loss_with(self, due: Mapping[str, Penalty], round_index: int) -> Tensor:
        """What D minimises, half the sum of its parts: the loss is halved already."""
        return sum((each.factor(round_index) * self.penalties[name] for name, each in due.items()), self.loss)

    @classmethod
    def of_pieces(cls, pieces: Sequence[tuple[float, "Outcome"]]) -> "Outcome":
        """Of a minibatch that passed in pieces."""
        outcomes = [outcome for _, outcome in pieces]
        if len(outcomes) == 1:  # nothing to sum
            loss, real, fake, penalties = outcomes[0]
            paid = {name: penalty.detach() for name, penalty in penalties.items()}
            return cls(loss.detach(), real.detach(), fake.detach(), paid)
        return cls(
            loss=torch.stack([share * outcome.loss.detach() for share, outcome in pieces]).sum(),
            real_logits=torch.cat([outcome.real_logits.detach() for outcome in outcomes]),
            fake_logits=torch.cat([outcome.fake_logits.detach() for outcome in outcomes]),
            penalties={
                name: torch.stack([share * outcome.penalties[name].detach() for share, outcome in pieces]).sum()
                for name in outcomes[0].penalties
            },
        )


def quantities(real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    """V(D, G), the bound on the divergence, and D's mean probability on examples and on samples, by logged name.

    They have a meaning where the objective says that D's logits are log-odds.
    """
    value = value_function(real_logits, fake_logits)
    return {
        "value": value,
        "jsd_bound": jsd_lower_bound(value),
        "d_real": real_logits.sigmoid().mean(),
        "d_fake": fake_logits.sigmoid().mean(),
    }


def accuracies(real_logits: Tensor, fake_logits: Tensor, objective: Objective) -> dict[str, Tensor]:
    """How many of the examples and of the samples D takes for what they are; half of the ties."""
    boundary = objective.decision_boundary
    above_real = fake_logits if boundary is None else torch.full_like(real_logits, boundary)
    above_fake = real_logits if boundary is None else torch.full_like(fake_logits, boundary)
    real = _share_above(real_logits, above_real)
    fake = _share_above(above_fake, fake_logits)
    return {"accuracy": (real + fake) / 2, "accuracy_real": real, "accuracy_fake": fake}


def lead(accuracy: Tensor) -> Tensor:
    """How far D is ahead, from its accuracy: 0 where it can only guess, 1 where it is always right.

    It is a lower bound of the total variation distance between data and samples, up to the error of their number: no
    set holds more of the one and less of the other than that. It counts decisions, so that objectives which ask for
    other logits can be compared; a critic (``decision_boundary = None``) takes none.
    """
    return 2 * accuracy - 1


def _share_above(higher: Tensor, lower: Tensor) -> Tensor:
    return (torch.sign(higher - lower).mean() + 1) / 2


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits in float32 or better: losses are formed so, whatever the precision of the networks."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
