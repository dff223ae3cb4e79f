"""What metrics have in common that compare real with generated images by features of both, all at once in the end."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from lit_gan.errors import UserError
from lit_gan.functional.arrays import widest_float
from lit_gan.functional.matmul import exact_matmul


class FeatureSets(Metric):
    """Keeps the features of every image; a subclass computes something of the two sets.

    Args:
        features: A module from ``(N, C, H, W)`` in [0, 1] to ``(N, F)``; it is put into evaluation mode.
        reset_real_features: Whether ``reset()`` forgets the real images too.
        **kwargs: Those of ``torchmetrics.Metric``.
    """

    is_differentiable = False
    full_state_update = False
    name = ""  # the keys are whole names
    normalize = True  # floats in [0, 1] are wanted, not bytes
    used_custom_model = True  # and as many channels as there are
    compares_pairs = True  # of images, all of them
    whole_reference = False  # whether a part of the real images would be another question

    real: list[Tensor]
    generated: list[Tensor]
    num_features: Tensor

    def __init__(self, features: nn.Module, reset_real_features: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features.eval()
        self.reset_real_features = reset_real_features
        # Flat: what torchmetrics joins the gather with where a rank has no data is empty and 1-D.
        for name in ("real", "generated"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("num_features", torch.tensor(0), dist_reduce_fx=None)

    def update(self, images: Tensor, real: bool, features: Tensor | None = None) -> None:
        """Takes in a batch.

        Args:
            images: ``(N, C, H, W)``, floats in [0, 1], or uint8; N may be 0.
            real: Whether they are data, or the generator's.
            features: What :meth:`features_of` says of them, where that is known already.

        Raises:
            UserError: If the features are no rows, one for each image, or not finite, or not as many as of the images
                before.
        """
        if len(images) == 0:
            return
        rows = self.features_of(images) if features is None else features
        expected = self._depth()
        if expected not in (0, rows.shape[1]):
            raise UserError(
                f"{type(self).__name__}: images have {rows.shape[1]} features each: expected {expected}, as in the "
                "batches before."
            )
        self.num_features = torch.tensor(rows.shape[1], device=self.device)
        self._keep("real" if real else "generated", rows)

    def features_of(self, images: Tensor) -> Tensor:
        """The features of images, in float32, outside autocast and whatever precision products have elsewhere.

        Args:
            images: As for :meth:`update`, at least one.

        Returns:
            A tensor ``(N, F)``.

        Raises:
            UserError: If the features are no rows, one for each image, or not finite.
        """
        images, whose = images.to(self.device), f"{type(self).__name__}: {type(self.features).__name__}"
        with exact_matmul(self.device):
            found = self.features.eval()(images.float() / 255 if images.dtype == torch.uint8 else images)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(images):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"{whose} makes {shape} of {len(images)} images: expected features ({len(images)}, F).")
        if not bool(found.isfinite().all()):
            raise UserError(f"{whose} gives features that are not finite.")
        return found.detach().float()

    def _keep(self, kind: Literal["real", "generated"], rows: Tensor) -> None:
        """Takes in the features ``(N, F)`` of a batch."""
        getattr(self, kind).append(rows.clone().reshape(-1))

    def _depth(self) -> int:
        """How many features an image has, over all processes; 0 where there are no images."""
        sizes = torch.unique(self.num_features)
        sizes = sizes[sizes > 0]
        if sizes.numel() > 1:
            raise UserError(
                f"{type(self).__name__}: images have {sizes.tolist()} features each on different ranks: expected one "
                "size."
            )
        return int(sizes) if sizes.numel() else 0

    def _rows(self, name: Literal["real", "generated"]) -> Tensor:
        """The features ``(N, F)`` of all images of a kind, over all processes, where float64 is to be had."""
        state, depth = getattr(self, name), self._depth()
        if depth == 0 or len(state) == 0:
            return torch.empty(0, 1)
        rows = dim_zero_cat(state).reshape(-1, depth)
        return rows.cpu() if rows.device.type == "mps" else rows  # it has no float64

    def _found(self, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
        """Numbers on the device of the metric, in float64 where it has that."""
        dtype = widest_float(self.device)
        return {name: value.to(self.device, dtype) for name, value in numbers.items()}

    def reset(self) -> None:
        """Forgets the generated images and, with ``reset_real_features``, the real ones."""
        kept = None if self.reset_real_features else (list(self.real), self.num_features)
        super().reset()
        if kept is not None:
            self.real, self.num_features = kept
