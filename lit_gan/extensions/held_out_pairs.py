"""What is kept while an inference network passes over held-out examples: the latents there, and the sums."""

import torch
from torch import Tensor

from lit_gan.functional.arrays import widest_float
from lit_gan.latents import LatentTable
from lit_gan.metrics.exact_mean import ExactMean
from lit_gan.sharding import Share

_DRAWS = 10_000


class HeldOutPairs:
    r"""One pass over a held-out loader: beside every example a latent z that is a function of its place.

    .. math:: R^2 = 1 - \frac{E \|z - E(G(z))\|^2}{E \|z - E z\|^2}

    1 where every latent is found again, 0 where all are taken for the mean; the denominator is that of 10,000 other
    draws. The error of reconstructions is :math:`\|x - G(E(x))\|^2 / D`, in pixels of [0, 1], a mean over images.

    Args:
        share: Which places this rank sees.
        latents: The latents of all places.
        others: The draws that tell the variance.
        device: Where the networks are.
    """

    def __init__(self, share: Share, latents: LatentTable, others: LatentTable, device: torch.device) -> None:
        self._share = share
        self._latents = latents
        self._rows = 0
        dtype = widest_float(device)
        variance = float(others.rows(range(_DRAWS)).double().var(dim=0).mean())
        self._r2 = ExactMean(lambda error: 1 - error / variance, dtype).to(device)
        self._error = ExactMean(dtype=dtype).to(device)

    def take(self, rows: int) -> Tensor:
        """The latents of the next batch's places, without those of repeated rows at its end."""
        places = self._share.places(self._rows, rows)
        self._rows += rows
        return self._latents.rows(places)

    def update_latents(self, z: Tensor, inferred: Tensor) -> None:
        """Adds a batch of latents, and what was inferred of their samples."""
        if len(z):
            self._r2.update((z.to(self._r2.sums) - inferred.to(self._r2.sums)).square().mean(), rows=len(z))

    def update_images(self, x: Tensor, again: Tensor) -> None:
        """Adds a batch of images in [0, 1], and their reconstructions."""
        self._error.update((x.to(self._error.sums) - again.to(self._error.sums)).square().mean(), rows=len(x))

    def means(self, *, images: bool) -> dict[str, ExactMean]:
        """By logged name; the error of images where there are any."""
        return {"latent_r2": self._r2, **({"reconstruction_error": self._error} if images else {})}
