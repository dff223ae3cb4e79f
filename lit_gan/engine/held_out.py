"""What is kept while a GAN passes over held-out examples: where it stands, the latents there, and the sums."""

from collections.abc import Callable

import torch
from torch import Tensor

from lit_gan.engine.turn import accuracies, lead, quantities
from lit_gan.functional.arrays import widest_float
from lit_gan.functional.logistic import fit_logistic
from lit_gan.functional.theory import jsd_lower_bound
from lit_gan.latents import LatentTable
from lit_gan.metrics.exact_mean import ExactMean
from lit_gan.objectives import Objective
from lit_gan.sharding import Share

_OF_PROBABILITIES = ("value", "jsd_bound", "d_real", "d_fake")


class HeldOut:
    """One pass over a held-out loader: every example once, under latents that are a function of its place.

    The numbers are means over the rows of all batches and ranks, formed in float64 of D's logits. So they depend on
    the batch size and on the ranks no more than the networks' own forward passes do, whose roundings change with the
    shape of a batch: about 1e-6 of a number in float32, 1e-12 in float64. An objective whose losses are no means over
    rows is weighted by batches, and its losses depend on these. A latent belongs to a place: examples in another order
    meet other latents, which changes the numbers of a conditional GAN alone.

    Args:
        share: Which places this rank sees.
        latents: The latents of all places.
        objective: What each player minimises.
        device: Where the networks are.

    Example:
        >>> from lit_gan.latents import Uniform
        >>> from lit_gan.objectives import NonSaturating
        >>> latents = LatentTable(Uniform(4), torch.float32, 0, "val", 0)
        >>> held_out = HeldOut(Share(0, 2, num_examples=3), latents, NonSaturating(), torch.device("cpu"))
        >>> x, z, _ = held_out.take(torch.zeros(3, 1, 8, 8), None)  # places 0, 2 and, to pad, 4
        >>> len(x), len(z)
        (2, 2)
        >>> held_out.update(torch.zeros(2, 1), torch.zeros(2, 1))
        >>> round(held_out.means["value"].compute().item(), 4)
        -1.3863
    """

    def __init__(self, share: Share, latents: LatentTable, objective: Objective, device: torch.device) -> None:
        self._share = share
        self._latents = latents
        self._objective = objective
        self._rows = 0
        self.taken = 0  # rows of the last batch that were no repeats
        self._dtype = widest_float(device)
        self.means = {
            name: ExactMean(jsd_lower_bound if name == "jsd_bound" else None, self._dtype).to(device)
            for name in ("loss_d", "loss_g", *_read_off_logits(objective))
            if not (name == "loss_g" and objective.matches_features)  # D's logits are all that is kept
        }
        self._scores: list[tuple[Tensor, Tensor]] = []

    def take(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The rows of the next batch that are no repeats, and the latents that go with them.

        Args:
            x: The batch's examples.
            condition: What they are conditioned on, or ``None``.

        Returns:
            The examples, their latents, their condition; of no rows, where all are repeats.
        """
        places = self._share.places(self._rows, len(x))
        self.taken = len(places)
        self._rows += len(x)
        own = slice(len(places))
        return x[own], self._latents.rows(places).to(x.device), None if condition is None else condition[own]

    def next_places(self, rows: int) -> range:
        """Where the rows of the next batch stand, of repeats as if the list went on."""
        return Share(self._share.rank, self._share.world_size).places(self._rows, rows)

    def update(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Adds what D says of a batch.

        Args:
            real_logits: On the examples.
            fake_logits: On as many samples.
        """
        real, fake = real_logits.to(self._dtype), fake_logits.to(self._dtype)
        loss_d = self._objective.loss_d(real, fake)
        numbers = quantities(real, fake)
        # The bound is that of the mean value: it is formed at the end.
        d_lead = lead(accuracies(real, fake, self._objective)["accuracy"])
        numbers |= {"loss_d": loss_d, "d_lead": d_lead, "jsd_bound": numbers["value"]}
        if "loss_g" in self.means:
            numbers["loss_g"] = self._objective.loss_g(fake, *([real] if self._objective.pairs_examples else []))
        for name, mean in self.means.items():
            mean.update(numbers[name], rows=len(real))
        self._scores.append((row_scores(real_logits).detach(), row_scores(fake_logits).detach()))

    def calibration(self, total: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        """What makes log-odds of D's logits: the slope and the offset of a logistic fit to all that were added.

        Args:
            total: Sums a tensor over all ranks.
        """
        empty = torch.empty(0)
        real, fake = (torch.cat([empty, *(each[i].cpu() for each in self._scores)]) for i in (0, 1))
        return fit_logistic(real, fake, total)


def row_scores(logits: Tensor) -> Tensor:
    """One number of D's for each row, ``(N,)``: of a map of logits the mean."""
    return logits.flatten(1).mean(1) if logits.ndim > 1 else logits


def _read_off_logits(objective: Objective) -> tuple[str, ...]:
    """The quantities that an objective gives a meaning to."""
    judges = ("d_lead",) if objective.decision_boundary is not None else ()
    return judges + (_OF_PROBABILITIES if objective.logits_are_log_odds else ())
