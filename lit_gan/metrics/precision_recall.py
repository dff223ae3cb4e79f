"""Precision, recall, density and coverage as one torchmetrics metric."""

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from lit_gan.errors import UserError
from lit_gan.functional.precision_recall import precision_recall


class PrecisionRecall(Metric):
    """How true samples are, and how much of the data they cover, by nearest neighbours among features.

    Precision is the part of the samples that lie among real images, recall the part of the real images that lie among
    samples; density and coverage are their counterparts that an outlier moves less. See
    :func:`~lit_gan.functional.precision_recall.precision_recall` for the definitions; one k serves all four. The result
    has the same bits for every batch size, order and number of processes, wherever the features have. It depends on
    the numbers of images: compare like with like, 10,000 of each as published.

    Args:
        features: What images are compared in: a module from ``(N, C, H, W)`` in [0, 1] to ``(N, F)``; it is put into
            evaluation mode. ``torch.nn.Flatten()`` compares pixels.
        k: The radius of a point is the distance to its k-th nearest other point of its set.
        reset_real_features: Whether ``reset()`` forgets the real images too.
        **kwargs: Those of ``torchmetrics.Metric``.

    Raises:
        UserError: If ``k`` is below 1; in :meth:`compute`, if there are not more than k images of each kind.

    Example:
        >>> metric = PrecisionRecall(nn.Flatten(), k=1)
        >>> ramp = torch.linspace(0, 1, 5)[:, None, None, None]
        >>> metric.update(ramp, real=True)
        >>> metric.update(ramp[:3] + 0.01, real=False)
        >>> {name: value.item() for name, value in metric.compute().items()}
        {'precision': 1.0, 'recall': 0.8, 'density': 2.0, 'coverage': 0.8}
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    name = ""  # the four are whole names
    normalize = True  # floats in [0, 1] are wanted, not bytes
    used_custom_model = True  # and as many channels as there are

    real: list[Tensor]
    generated: list[Tensor]
    num_features: Tensor

    def __init__(self, features: nn.Module, k: int = 5, reset_real_features: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if k < 1:
            raise UserError(f"PrecisionRecall k = {k}: expected at least 1.")
        self.features = features.eval()
        self.k = k
        self.reset_real_features = reset_real_features
        # Flat: what torchmetrics joins the gather with where a rank has no data is empty and 1-D.
        for name in ("real", "generated"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("num_features", torch.tensor(0), dist_reduce_fx="max")

    @torch.no_grad()
    def update(self, images: Tensor, real: bool) -> None:
        """Takes in a batch.

        Args:
            images: ``(N, C, H, W)``, floats in [0, 1], or uint8; N may be 0.
            real: Whether they are data, or the generator's.

        Raises:
            UserError: If the features are no rows, one for each image, or not finite.
        """
        if len(images) == 0:
            return
        images = images.to(self.device)
        found = self.features.eval()(images.float() / 255 if images.dtype == torch.uint8 else images)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(images):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(
                f"PrecisionRecall: {type(self.features).__name__} makes {shape} of {len(images)} images: expected "
                f"features ({len(images)}, F)."
            )
        if not bool(found.isfinite().all()):
            raise UserError(f"PrecisionRecall: {type(self.features).__name__} gives features that are not finite.")
        self.num_features = torch.tensor(found.shape[1], device=self.device)
        getattr(self, "real" if real else "generated").append(found.detach().float().clone().reshape(-1))

    def compute(self) -> dict[str, Tensor]:
        """The four numbers by name, in [0, 1] but for the density, the same on every process.

        Raises:
            UserError: If there are not more than k images of each kind.
        """
        real, generated = (self._rows(name) for name in ("real", "generated"))
        if min(len(real), len(generated)) <= self.k:
            raise UserError(
                f"PrecisionRecall: got {len(real)} real and {len(generated)} generated images: expected more than "
                f"k = {self.k} of each."
            )
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return {name: value.to(self.device, dtype) for name, value in precision_recall(real, generated, self.k).items()}

    def _rows(self, name: str) -> Tensor:
        state, depth = getattr(self, name), int(self.num_features)
        if depth == 0 or len(state) == 0:
            return torch.empty(0, 1)
        rows = dim_zero_cat(state).reshape(-1, depth)
        return rows.cpu() if rows.device.type == "mps" else rows  # it has no float64

    def reset(self) -> None:
        """Forgets the generated images and, with ``reset_real_features``, the real ones."""
        kept = None if self.reset_real_features else (list(self.real), self.num_features)
        super().reset()
        if kept is not None:
            self.real, self.num_features = kept
