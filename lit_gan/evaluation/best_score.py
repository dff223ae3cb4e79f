"""Which checkpoint is best by the Parzen score, where its error leaves that open."""

from typing import Any

from lit_gan.evaluation.scores import ParzenScore


class BestScore:
    """The score of the best checkpoint so far: a better one lies above it by more than the error of the difference.

    Args:
        score: Of the best checkpoint, where there is one.

    Example:
        >>> import torch
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
        """Whether a checkpoint is better than the best one; then it is the best one from now on.

        Args:
            score: The checkpoint's.
        """
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
        """Takes back what :meth:`state_dict` gave.

        Args:
            state: It; nothing, where the checkpoint was written without.
        """
        self._begin(ParzenScore.from_dict(state["score"]) if state else None)
        if state:
            self._compared, self._told_apart = int(state["compared"]), int(state["told_apart"])
            self._closest = (float(state["closest"][0]), float(state["closest"][1]))


def _num_observations(score: ParzenScore) -> int:
    """What an error is estimated from: images, or folds where there are several."""
    return len(score.rows[0]) if len(score.rows) == 1 else len(score.rows)
