"""The scores of models and baselines on the same images: kept beside the runs, compared, shown as a table."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lit_gan.errors import UserError
from lit_gan.evaluation.images import EvaluationImages
from lit_gan.evaluation.kept_file import KEPT, read_kept, write_kept
from lit_gan.evaluation.scores import ParzenScore

_CAVEATS = (
    "Nats per test image, higher is better. The number of centres is part of a score; an error covers the test images "
    "only, not the draw of the centres; blur and cluster centres score above real images: read docs/how-to/parzen.md."
)


class ScoreTable:
    """Scores by name, of one protocol: those are comparable.

    Args:
        file: Where they are kept.
        scores: They themselves.

    Example:
        >>> import tempfile, torch
        >>> rows = torch.tensor([20.0, 24.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = ScoreTable(Path(folder, "scores.pt"), {})
        ...     table.keep({"samples": ParzenScore(22.0, 2.0, sigma=0.1, num_centres=1000, rows=(rows,))})
        ...     table.scores["samples"].log_likelihood
        22.0

        ``ScoreTable.of(folds_of(data), sigma=None).scores["training images"].log_likelihood`` is what real data score.
    """

    def __init__(self, file: Path, scores: Mapping[str, ParzenScore]) -> None:
        self.file = file
        self.scores = dict(scores)

    @classmethod
    def of(cls, folds: Sequence[EvaluationImages], sigma: object, folder: Path = KEPT) -> "ScoreTable":
        """The scores that are kept for a protocol, if any.

        Args:
            folds: The images that sigma is chosen on and that are reported on.
            sigma: How sigma is chosen.
            folder: Where tables are kept.

        Raises:
            UserError: If what is kept cannot be read.
        """
        file = folder / f"{protocol_key(folds, sigma)}.pt"
        return cls(file, load_scores(file))

    def keep(self, scores: Mapping[str, ParzenScore]) -> None:
        """Adds scores, or replaces those of the same name, for later tables, too.

        Args:
            scores: By name, of this table's protocol.
        """
        self.scores |= scores
        save_scores(self.file, self.scores)

    def show(self, names: Sequence[str] | None = None, *, against: str | None = None) -> None:
        """Prints the best first.

        Args:
            names: Which; all if ``None``.
            against: Whose difference to each of the others is shown, with its paired error.
        """
        table = Table(caption=_CAVEATS, caption_justify="left")
        for column in ("", "centres", "sigma", "log-likelihood", *(("difference",) if against else ())):
            table.add_column(column, justify="right" if column else "left")
        shown = [(name, score) for name, score in self.scores.items() if names is None or name in names]
        for name, score in sorted(shown, key=lambda item: -item[1].log_likelihood):
            nats = f"{score.log_likelihood:.2f} ± {score.error:.2f}"
            row = [name, f"{score.num_centres:,}", f"{score.sigma:.4g}", nats]
            if against is not None:
                difference = "{:+.2f} ± {:.2f}".format(*self.scores[against].difference(score))
                row.append("" if name == against else difference)
            table.add_row(*row)
        Console().print(table)


def protocol_key(folds: Sequence[EvaluationImages], sigma: object) -> str:
    """A name for a protocol, a hash over the images and ``sigma``: scores are comparable where it is the same."""
    digest = hashlib.blake2b(repr(sigma).encode(), digest_size=8)
    for images in folds:
        for rows in (images.for_sigma, images.reported):
            digest.update(repr(tuple(rows.shape)).encode())
            digest.update(rows.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def save_scores(path: Path, scores: Mapping[str, ParzenScore]) -> None:
    """Writes scores by name to a file, ``.pt``."""
    write_kept(path, {name: score.as_dict() for name, score in scores.items()})


def load_scores(path: Path) -> dict[str, ParzenScore]:
    """Scores by name, none where there is no such file."""
    try:
        return {name: ParzenScore.from_dict(score) for name, score in (read_kept(path) or {}).items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no scores: delete it.") from error
