"""Precision, recall, density and coverage as one torchmetrics metric."""

from typing import Any

from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.features.pixels import Pixels
from lit_gan.functional.precision_recall import precision_recall
from lit_gan.metrics.feature_sets import FeatureSets


class PrecisionRecall(FeatureSets):
    """How true samples are, and how much of the data they cover, by nearest neighbours among features.

    Precision is the part of the samples that lie among real images, recall the part of the real images that lie among
    samples; density and coverage are their counterparts that an outlier moves less. See
    :func:`~lit_gan.functional.precision_recall.precision_recall` for the definitions; one k serves all four. The result
    has the same bits for every batch size, order and number of processes, wherever the features have. It depends on
    the numbers of images: compare like with like, 10,000 of each as published.

    Args:
        features: What images are compared in: a module from ``(N, C, H, W)`` in [0, 1] to ``(N, F)``; it is put into
            evaluation mode. The pixels by default.
        k: The radius of a point is the distance to its k-th nearest other point of its set.
        reset_real_features: Whether ``reset()`` forgets the real images too.
        **kwargs: Those of ``torchmetrics.Metric``.

    Raises:
        UserError: If ``k`` is below 1; in :meth:`compute`, if there are not more than k images of each kind.

    Example:
        >>> import torch
        >>> metric = PrecisionRecall(k=1)
        >>> ramp = torch.linspace(0, 1, 5)[:, None, None, None]
        >>> metric.update(ramp, real=True)
        >>> metric.update(ramp[:3] + 0.01, real=False)
        >>> {name: value.item() for name, value in metric.compute().items()}
        {'precision': 1.0, 'recall': 0.8, 'density': 2.0, 'coverage': 0.8}
    """

    higher_is_better = True

    def __init__(
        self, features: nn.Module | None = None, k: int = 5, reset_real_features: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(Pixels() if features is None else features, reset_real_features, **kwargs)
        if k < 1:
            raise UserError(f"PrecisionRecall k = {k}: expected at least 1.")
        self.k = k

    def compute(self) -> dict[str, Tensor]:
        """The four numbers by name, in [0, 1] but for the density, the same on every process.

        Raises:
            UserError: If there are not more than k images of each kind.
        """
        real, generated = self._rows("real"), self._rows("generated")
        if min(len(real), len(generated)) <= self.k:
            raise UserError(
                f"PrecisionRecall: got {len(real)} real and {len(generated)} generated images: expected more than "
                f"k = {self.k} of each."
            )
        return self._found(precision_recall(real, generated, self.k))
