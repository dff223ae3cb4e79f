"""The Parzen score of p(x | c): every image under the windows on samples of its own class."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics.utilities.data import dim_zero_cat

from lit_gan.errors import UserError
from lit_gan.functional.arrays import Values, as_tensor, widest_float
from lit_gan.functional.distinct_rows import row_fingerprints
from lit_gan.functional.parzen import standard_error
from lit_gan.functional.parzen_windows import ParzenWindows, mean
from lit_gan.metrics.parzen import ParzenNLL

_LABELS = ("val_labels", "test_labels", "generated_labels")


class ConditionalParzenNLL(ParzenNLL):
    r"""As :class:`ParzenNLL`, of :math:`p(x \mid c)`: an image is scored under the samples of its own class alone.

    One sigma is chosen for all classes. Beside the pooled score of the same samples, which asks for :math:`p(x)`, it
    says what the condition is worth: where G heeds it, the images of a class lose none of their windows and a window
    counts for more, up to the logarithm of the number of classes (2.3 nats for ten) below the pooled score; where G
    does not, most samples that are near an image are of other classes, and the score is worse than the pooled one.

    Args:
        sigma: A width, or the grid to choose from; None for the paper's.
        **kwargs: Those of :class:`ParzenNLL`, but for ``scratch_dir``.

    Raises:
        UserError: For ``sigma = "em"``.

    Example:
        >>> metric = ConditionalParzenNLL(sigma=0.5)
        >>> images, classes = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1])
        >>> metric.update(images, real=False, condition=classes)
        >>> metric.update(images, real=True, condition=classes)
        >>> round(metric.compute()["nll"].item(), 4)  # 0.5 log(2 pi sigma^2)
        0.2258
    """

    val_labels: list[Tensor]
    test_labels: list[Tensor]
    generated_labels: list[Tensor]

    def __init__(self, sigma: float | Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(sigma, **kwargs)
        if not self.sigmas:
            raise UserError("sigma = 'em': expected a width, a grid of widths or None for a score by class.")
        for name in _LABELS:
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(  # type: ignore[override]  # it needs one thing more
        self, images: Values, real: bool, split: Literal["val", "test"] = "test", *, condition: Tensor
    ) -> None:
        """Takes in a batch.

        Args:
            images: As for :class:`ParzenNLL`.
            real: As for :class:`ParzenNLL`.
            split: As for :class:`ParzenNLL`.
            condition: The class of each image, ``(N,)`` whole numbers.

        Raises:
            UserError: If there is not one class for each image, or as for :class:`ParzenNLL`.
        """
        images = as_tensor("images", images)
        if condition.ndim != 1 or len(condition) != len(images) or condition.is_floating_point():
            raise UserError(
                f"condition is a tensor {tuple(condition.shape)} of {condition.dtype}: expected the class of each of "
                f"the {len(images)} images, a tensor ({len(images)},) of whole numbers."
            )
        super().update(images, real, split)
        if len(condition):
            # Floats, as the rows are: torchmetrics joins the ranks' with an empty one of floats where there is none.
            labels: list[Tensor] = getattr(self, f"{split if real else 'generated'}_labels")
            labels.append(condition.to(self.device, torch.float32))

    def compute(self) -> dict[str, Tensor]:
        """The result, the same on every process: ``nll``, ``se``, ``sigma``, ``num_centres`` (of all classes).

        Raises:
            UserError: If there are no images to report on, or a class that has some has no samples.
        """
        depth = self._depth()
        val, test, generated = (self._by_class(name, depth) for name in ("val", "test", "generated"))
        if not test or (len(self.sigmas) > 1 and not val):
            raise UserError("no real images: expected update(images, real=True, condition=...) before compute().")
        missing = sorted((val.keys() | test.keys()) - generated.keys())
        if missing:
            raise UserError(f"no generated images of class {missing[0]}: expected some of every class of the data.")
        everything = [rows for found in (val, test, generated) for rows in found.values()]
        low, high = min(float(rows.min()) for rows in everything), max(float(rows.max()) for rows in everything)
        windows = {label: ParzenWindows.around(rows, low, high) for label, rows in generated.items()}
        sigma = self._chosen(val, windows)
        scores = torch.cat([windows[label].log_likelihood(rows, [sigma])[:, 0] for label, rows in test.items()])
        self._log_likelihoods = scores
        numbers = {"nll": -mean(scores), "se": standard_error(scores), "sigma": sigma}
        numbers["num_centres"] = float(sum(map(len, generated.values())))
        dtype = widest_float(self.device)
        return {name: torch.tensor(value, dtype=dtype, device=self.device) for name, value in numbers.items()}

    def _chosen(self, val: dict[int, Tensor], windows: dict[int, ParzenWindows]) -> float:
        """The width of the grid with the highest mean over the validation rows of all classes."""
        if len(self.sigmas) == 1:
            return self.sigmas[0]
        scores = torch.cat([windows[label].log_likelihood(rows, self.sigmas) for label, rows in val.items()])
        means = [mean(column) for column in scores.unbind(1)]
        return self.sigmas[means.index(max(means))]

    def _by_class(self, name: str, depth: int) -> dict[int, Tensor]:
        """A state's rows over all processes by class, in an order that depends on the set of rows alone."""
        held = getattr(self, f"{name}_labels")
        if len(held) == 0:
            return {}
        rows, labels = self._rows(name, depth), dim_zero_cat(held).long()
        labels = labels.to(rows.device)
        order = row_fingerprints(rows).argsort(stable=True)
        rows, labels = rows[order], labels[order]
        return {label: rows[labels == label] for label in sorted(set(labels.tolist()))}

    def reset(self) -> None:
        """Forgets the generated samples and, with ``reset_real_features``, the real rows."""
        kept = None if self.reset_real_features else (list(self.val_labels), list(self.test_labels))
        super().reset()
        if kept is not None:
            self.val_labels, self.test_labels = kept
