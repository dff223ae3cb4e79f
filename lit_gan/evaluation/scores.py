"""A score under the Parzen protocol, with what is needed to compare it with another one on the same images."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.evaluation.images import EvaluationImages
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
        """What :meth:`as_dict` gave."""
        return cls(**{**stored, "rows": tuple(stored["rows"])})


def over_folds(results: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The one result of ``ParzenNLL``, or the mean over folds, its error across them, and each fold's own number.

    Args:
        results: What ``ParzenNLL.compute()`` gave on each fold.

    Returns:
        ``nll``, ``se``, ``sigma``, and ``nll_fold0``, ... where there are several folds.
    """
    if len(results) == 1:
        return {name: results[0][name] for name in ("nll", "se", "sigma")}
    nll = torch.stack([result["nll"] for result in results])
    sigma = torch.stack([result["sigma"] for result in results]).mean()
    folds = {f"nll_fold{index}": value for index, value in enumerate(nll)}
    return {"nll": nll.mean(), "se": nll.new_tensor(standard_error(nll)), "sigma": sigma, **folds}


def protocol_key(folds: Sequence[EvaluationImages], sigma: object) -> str:
    """A name for a protocol: scores are comparable where it is the same.

    Args:
        folds: The images that sigma is chosen on and that are reported on.
        sigma: How sigma is chosen.

    Returns:
        A hash over the images and ``sigma``.
    """
    digest = hashlib.blake2b(repr(sigma).encode(), digest_size=8)
    for images in folds:
        for rows in (images.for_sigma, images.reported):
            digest.update(repr(tuple(rows.shape)).encode())
            digest.update(rows.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def save_scores(path: Path, scores: Mapping[str, ParzenScore]) -> None:
    """Writes scores by name.

    Args:
        path: The file, ``.pt``; its folder is made.
        scores: What it will hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part")
    torch.save({name: score.as_dict() for name, score in scores.items()}, temporary)
    temporary.replace(path)


def load_scores(path: Path) -> dict[str, ParzenScore]:
    """Scores by name, none where there is no such file.

    Args:
        path: What :func:`save_scores` wrote.

    Raises:
        UserError: If it is something else.
    """
    if not path.is_file():
        return {}
    try:
        stored: dict[str, Any] = torch.load(path, weights_only=True)
        return {name: ParzenScore.from_dict(score) for name, score in stored.items()}
    except Exception as error:  # damaged bytes make the reader raise anything at all
        raise UserError(f"{path} cannot be read as scores ({type(error).__name__}): delete it.") from error
