"""What NumPy draws by the lines of a card is distributed as the latents are."""

from typing import Any

import numpy as np
import pytest
import torch

from lit_gan.exporting.prior import draw_in_numpy, prior
from lit_gan.latents import Latent, Mixture, Normal, Spherical, Truncated, Uniform


class Bits(Latent):
    """A latent of the reader's own."""

    def draw(self, shape: tuple[int, int], generator: Any, dtype: Any) -> torch.Tensor:
        return torch.randint(2, shape, generator=generator).to(dtype or torch.float32)


def _drawn(latent: Latent, num: int) -> np.ndarray:
    names: dict[str, Any] = {"np": np, "centres_given": prior(latent).get("centres")}
    exec("\n".join(draw_in_numpy(prior(latent), num, "centres_given")), names)  # noqa: S102 -- the card's own code
    return names["z"]


@pytest.mark.parametrize(
    "latent",
    [
        Uniform(5, low=-1.0, high=2.0),
        Normal(5),
        Normal(5, mean=1.0, std=0.5),
        Truncated(5, threshold=0.7, mean=2.0, std=0.5),
        Spherical(5),
        Mixture(3, size=5, std=0.1),
        Mixture(3, size=5, std=0.1, threshold=1.0),
    ],
    ids=lambda latent: type(latent).__name__,
)
def test_numpy_draws_from_the_same_distribution(latent: Latent) -> None:
    num = 40_000
    drawn, expected = _drawn(latent, num), latent.sample(num, generator=torch.Generator().manual_seed(1)).numpy()
    assert (drawn.dtype, drawn.shape) == (np.float32, (num, 5))
    shares = [0.0005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.9995]
    spread = expected.std()
    inner = slice(1, -1)
    quantiles = [np.quantile(each, shares, axis=0) for each in (drawn, expected)]
    assert np.abs(quantiles[0] - quantiles[1])[inner].max() < 0.06 * spread
    assert np.abs(quantiles[0] - quantiles[1]).max() < 0.5 * spread
    assert np.abs(np.cov(drawn.T) - np.cov(expected.T)).max() < 0.05 * spread**2
    lengths = [np.linalg.norm(each, axis=1).std() for each in (drawn, expected)]
    assert abs(lengths[0] - lengths[1]) < 0.02 * spread


def test_the_bounds_of_a_truncated_latent_are_kept() -> None:
    drawn = _drawn(Truncated(5, threshold=0.7, mean=2.0, std=0.5), 2000)
    assert 2 - 0.36 < drawn.min() < drawn.max() < 2 + 0.36


def test_a_latent_of_the_readers_own_is_named() -> None:
    described = prior(Bits(4))
    assert described == {"class_path": f"{Bits.__module__}.Bits", "size": 4}
    [line] = draw_in_numpy(described, 16, "")
    assert line == f'z = np.zeros((16, 4), "float32")  # instead of zeros: what {Bits.__module__}.Bits draws'
