"""Scores under the Parzen protocol: what is needed to compare two on the same images, and which one is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lit_gan.functional.parzen import paired_standard_error, standard_error


@dataclass(frozen=True)
class ParzenScore:
    """What a set of centres scores.

    Args:
        log_likelihood: Mean over the test images (over the folds, where there are several), in nats.
        error: Its standard error over the test images (across the folds).
        sigma: The width of the windows (the mean over the folds).
        num_centres: How many centres.
        rows: The log-likelihood of each test image, per fold.

    Example:
        >>> rows = torch.tensor([20.0, 24.0])
        >>> worse = ParzenScore(22.0, 2.0, sigma=0.1, num_centres=1000, rows=(rows,))
        >>> better = ParzenScore(23.0, 2.0, sigma=0.1, num_centres=1000, rows=(rows + 1,))
        >>> better.difference(worse)  # each image by as much: the paired error is 0
        (1.0, 0.0)
    """

    log_likelihood: float
    error: float
    sigma: float
    num_centres: int
    rows: tuple[Tensor, ...]

    @classmethod
    def of(cls, result: Mapping[str, Tensor], num_centres: int, rows: Sequence[Tensor]) -> "ParzenScore":
        """The score that :func:`over_folds` sums up.

        Args:
            result: ``nll``, ``se`` and ``sigma``.
            num_centres: How many centres.
            rows: The log-likelihood of each test image, per fold.
        """
        numbers = (-float(result["nll"]), float(result["se"]), float(result["sigma"]))
        return cls(*numbers, num_centres, tuple(row.cpu() for row in rows))

    def difference(self, other: "ParzenScore") -> tuple[float, float]:
        """How far this score lies above another one on the same images, and the paired error of that.

        Args:
            other: The other score.

        Returns:
            The difference and its standard error (across the folds, where there are several), in nats; the difficulty
            of the images cancels.

        Raises:
            UserError: If the two were not made on the same number of images.
        """
        difference = self.log_likelihood - other.log_likelihood
        if len(self.rows) == 1:
            return difference, paired_standard_error(self.rows[0], other.rows[0])
        per_fold = [torch.stack([rows.mean() for rows in score.rows]) for score in (self, other)]
        return difference, paired_standard_error(*per_fold)

    def as_dict(self) -> dict[str, Any]:
        """Plain data and tensors, that ``torch.load(weights_only=True)`` takes."""
        return {**self.__dict__, "rows": list(self.rows)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "ParzenScore":
        """What :meth:`as_dict` gave.

        Args:
            stored: As a file has it.
        """
        return cls(**{**stored, "rows": tuple(stored["rows"])})


def over_folds(results: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The one result of ``ParzenNLL``, or the mean over folds, its error across them, and each fold's own number."""
    if len(results) == 1:
        return {name: results[0][name] for name in ("nll", "se", "sigma")}
    nll = torch.stack([result["nll"] for result in results])
    sigma = torch.stack([result["sigma"] for result in results]).mean()
    folds = {f"nll_fold{index}": value for index, value in enumerate(nll)}
    return {"nll": nll.mean(), "se": nll.new_tensor(standard_error(nll)), "sigma": sigma, **folds}


class BestScore:
    """The score of the best checkpoint so far: a better one lies above it by more than the error of the difference.

    Example:
        >>> def score(*rows):
        ...     values = torch.tensor(rows)
        ...     return ParzenScore(float(values.mean()), 1.0, 0.2, 10, (values,))
        >>> best = BestScore()
        >>> best.is_beaten_by(score(1.0, 5.0)), best.is_beaten_by(score(3.0, 4.0)), best.is_beaten_by(score(2.0, 6.0))
        (True, False, True)
    """

    def __init__(self, score: ParzenScore | None = None) -> None:
        self._begin(score)

    def _begin(self, score: ParzenScore | None) -> None:
        self._score = score
        self._compared = self._told_apart = 0
        self._closest = (0.0, 0.0)  # the greatest difference that was not told apart, and its error

    def is_beaten_by(self, score: ParzenScore) -> bool:
        """Whether a checkpoint is better than the best one; then it is the best one from now on."""
        best = self._score
        if best is None or [len(rows) for rows in best.rows] != [len(rows) for rows in score.rows]:
            self._begin(score)  # the first one, or the first on other data
            return True
        difference, error = score.difference(best)
        if _num_observations(score) < 2:
            error = float("inf")
        self._compared += 1
        if abs(difference) > error:
            self._told_apart += 1
        elif abs(difference) >= abs(self._closest[0]):
            self._closest = difference, error
        if difference > error:
            self._score = score
        return difference > error

    @property
    def undecided(self) -> bool:
        """Whether there were several checkpoints, and no two of them could be told apart."""
        return self._compared > 0 and self._told_apart == 0

    @property
    def why_undecided(self) -> str:
        """What that means, in one line."""
        images = 0 if self._score is None else sum(len(rows) for rows in self._score.rows)
        difference, error = self._closest
        return (
            f"no checkpoint is better than another by val/parzen_nll: on {images} held-out images all differences lie "
            f"within their errors (the largest {abs(difference):.3g} ± {error:.3g} nats); best-*.ckpt is the first: "
            "take last.ckpt, hold out more images, or choose by another --checkpoint.monitor."
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain data and tensors; empty where there is no score."""
        if self._score is None:
            return {}
        counts = {"compared": self._compared, "told_apart": self._told_apart, "closest": list(self._closest)}
        return {"score": self._score.as_dict(), **counts}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Takes back what :meth:`state_dict` gave."""
        self._begin(ParzenScore.from_dict(state["score"]) if state else None)
        if state:
            self._compared, self._told_apart = int(state["compared"]), int(state["told_apart"])
            self._closest = (float(state["closest"][0]), float(state["closest"][1]))


def _num_observations(score: ParzenScore) -> int:
    """What an error is estimated from: images, or folds where there are several."""
    return len(score.rows[0]) if len(score.rows) == 1 else len(score.rows)
