"""Which modes of a toy mixture generated points reach."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lit_gan.data.mixtures import GaussianMixture, Ring

_NEAR = 3.0  # standard deviations
_COVERED = 0.1  # of its weight


class ModesCovered(Metric):
    r"""How many modes of a mixture the samples reach, and how many samples are at one.

    A sample is at the mode whose centre is the nearest in standard deviations, if it lies within three of them.

    - ``modes_covered``: share of the modes that hold at least a tenth of the samples that are their due. (The
      literature counts a mode from its first sample on; of ten thousand some fall between two modes.)
    - ``at_modes``: share of the samples that are at a mode.
    - ``at_modes_real``: what the mixture itself scores: the mass of a Gaussian of d dimensions within three standard
      deviations, 0.9889 for two; of modes that overlap at least that.

    It looks at samples alone. Under several ranks the counts are summed, so the numbers are those of one process.

    Args:
        mixture: That of :class:`~lit_gan.data.ToyDataModule`; None for its default, eight modes on a ring.
        **kwargs: Those of ``torchmetrics.Metric``.

    Example:
        >>> from lit_gan.data import ToyDataModule
        >>> data = ToyDataModule(Ring(num_modes=4))
        >>> low, high = data.value_range
        >>> metric = ModesCovered(Ring(num_modes=4))
        >>> metric.update((data.images("test") - low) / (high - low))
        >>> {name: round(value.item(), 2) for name, value in metric.compute().items()}
        {'modes_covered': 1.0, 'at_modes': 0.98, 'at_modes_real': 0.99}

    Reference:
        Srivastava et al. 2017, *VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning*.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    name = ""  # its keys are the names
    normalize, used_custom_model = True, True  # images in [0, 1], with their own number of channels

    counts: Tensor

    def __init__(self, mixture: GaussianMixture | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mixture = Ring() if mixture is None else mixture
        # The last one is that of the samples that are at none.
        size = len(self.mixture.means) + 1
        self.add_state("counts", torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        """Takes in a batch.

        Args:
            images: Generated points ``(N, 1, 1, d)``, 0 and 1 the ends of the mixture's box.
        """
        low, high = self.mixture.box
        points = images.flatten(1).cpu().double() * (high - low) + low
        apart = torch.cdist(points, self.mixture.means) / self.mixture.std
        nearest, mode = apart.min(1)
        mode[nearest > _NEAR] = len(self.mixture.means)
        self.counts = self.counts + mode.bincount(minlength=len(self.counts)).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """The shares by name, scalars; not numbers where there are no samples."""
        shares = self.counts.cpu().double() / self.counts.sum().cpu()
        covered = (shares[:-1] >= _COVERED * self.mixture.weights).double().mean()
        real = torch.special.gammainc(*(torch.tensor(x / 2.0).double() for x in (self.mixture.num_dims, _NEAR**2)))
        found = {
            "modes_covered": torch.where(shares.isfinite().all(), covered, torch.nan),
            "at_modes": 1 - shares[-1],
            "at_modes_real": real,
        }
        return {name: value.to(self.device, torch.float32) for name, value in found.items()}
