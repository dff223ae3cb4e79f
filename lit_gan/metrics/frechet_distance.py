"""The Fréchet distance by any features, as one torchmetrics metric."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchmetrics.utilities.data import dim_zero_cat

from lit_gan.errors import UserError
from lit_gan.features.pixels import Pixels
from lit_gan.functional.frechet import Moments, frechet_distance
from lit_gan.metrics.feature_sets import FeatureSets


class FrechetDistance(FeatureSets):
    r"""How far samples are from real images, taken for normal distributions of features.

    .. math:: d^2 = \lVert \mu_r - \mu_g \rVert^2 + \mathrm{tr}(\Sigma_r + \Sigma_g - 2 (\Sigma_r \Sigma_g)^{1/2})

    With the features of an Inception network it is the FID; with others it is no FID, and compares with numbers by the
    same features alone. No image is kept, nor its features: sums in float64, the same for any batch size, order and
    number of processes but for their rounding, about 1e-12 of the number. It falls with the number of images, of which
    there should be more than features: compare at equal numbers, which are logged beside it.

    - ``frechet_distance``: the distance.
    - ``frechet_num_real``, ``frechet_num_generated``: of how many images.

    Args:
        features: What images are compared in: a module from ``(N, C, H, W)`` in [0, 1] to ``(N, F)``, such as
            :class:`lit_gan.features.EfficientNetLite0` or :class:`lit_gan.features.ReferenceClassifier`; it is put into
            evaluation mode. The pixels by default. Two matrices of F x F numbers are held.
        reset_real_features: Whether ``reset()`` forgets the real images too.
        **kwargs: Those of ``torchmetrics.Metric``.

    Raises:
        UserError: In :meth:`compute`, if there are fewer than two images of a kind.

    Example:
        >>> import torch
        >>> metric = FrechetDistance()
        >>> ramp = torch.linspace(0, 1, 5)[:, None, None, None]
        >>> metric.update(ramp, real=True)
        >>> metric.update(ramp + 0.5, real=False)
        >>> round(metric.compute()["frechet_distance"].item(), 6)
        0.25

    Reference:
        Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*.
    """

    higher_is_better = False
    compares_pairs = False

    def __init__(self, features: nn.Module | None = None, reset_real_features: bool = True, **kwargs: Any) -> None:
        super().__init__(Pixels() if features is None else features, reset_real_features, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """The distance and the two numbers by name, the same on every process.

        Raises:
            UserError: If there are fewer than two images of a kind.
        """
        real, generated = self._moments("real"), self._moments("generated")
        counts = [0 if each is None else each.num for each in (real, generated)]
        if real is None or generated is None or min(counts) < 2:
            raise UserError(
                f"FrechetDistance: got {counts[0]} real and {counts[1]} generated images: expected at least 2 of each."
            )
        distance = frechet_distance(real, generated)
        names = ("frechet_num_real", "frechet_num_generated")
        numbers = {name: distance.new_tensor(float(count)) for name, count in zip(names, counts, strict=True)}
        return self._found({"frechet_distance": distance, **numbers})

    def _keep(self, kind: Literal["real", "generated"], rows: Tensor) -> None:
        """Adds a batch's sums to those of this process: one flat tensor, which torchmetrics gathers."""
        state, batch = getattr(self, kind), Moments.of(rows.cpu() if rows.device.type == "mps" else rows)
        flat = torch.cat([batch.total.new_tensor([float(batch.num)]), batch.total, batch.products.flatten()])
        # In words of 32 bits: what torchmetrics gathers of a process without an image is of float32, and empty.
        state[:] = [sum((each.view(torch.float64) for each in state), flat).view(torch.float32)]

    def _moments(self, kind: Literal["real", "generated"]) -> Moments | None:
        """Of all images of a kind, over all processes."""
        state, depth = getattr(self, kind), self._depth()
        if depth == 0 or len(state) == 0:
            return None
        sums = dim_zero_cat(state).view(torch.float64).reshape(-1, 1 + depth + depth**2).sum(0)
        return Moments(int(sums[0]), sums[1 : 1 + depth], sums[1 + depth :].reshape(depth, depth))
