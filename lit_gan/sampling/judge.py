"""What D says of latents: the density ratio that it stands for, through G."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_gan.engine.evaluation_mode import evaluating
from lit_gan.engine.held_out import row_scores
from lit_gan.errors import UserError
from lit_gan.functional.logistic import fit_logistic
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent, LatentTable

#: Rows that pass through the networks at once.
BLOCK = 1000


@dataclass(frozen=True)
class Judge:
    r"""D on what G makes of latents.

    At its optimum :math:`D = p_{data} / (p_{data} + p_g)`, so its log-odds are :math:`\log p_{data} / p_g`. A D that
    was trained for a while is too sure or not sure enough: a logistic fit to its logits on held-out examples and
    samples puts that right.

    Args:
        gan: G, with its average weights where there are any, and D, both in evaluation mode.
        latent: What latents are drawn from.
        slope: What D's logits are multiplied by.
        offset: What is added then.
    """

    gan: GAN
    latent: Latent
    slope: float
    offset: float

    @classmethod
    def of(cls, gan: GenerativeModule, latent: Latent, method: str, calibration: tuple[float, float] | None) -> "Judge":
        """For a method of sampling that asks D.

        Raises:
            UserError: If there is no D, or one whose logits say nothing of a single sample.
        """
        if not isinstance(gan, GAN):
            raise UserError(f"method = {method}: it asks a discriminator, and a {type(gan).__name__} has none.")
        if getattr(gan.discriminator, "sees_whole_batch", False):
            raise UserError(
                f"method = {method}: the discriminator sees a batch as a whole (sees_whole_batch): expected one that "
                "judges each sample by itself; method latent asks none."
            )
        calibration = gan.calibration if calibration is None else calibration
        if calibration is None and not gan.objective.logits_are_log_odds:
            raise UserError(
                f"method = {method}: D's logits are no log-odds under {type(gan.objective).__name__}, and there is no "
                "calibration, which the first validation of a training takes: expected a checkpoint of a training that "
                "validates, or calibration=lit_gan.sampling.calibrate(gan, images)."
            )
        slope, offset = calibration or (1.0, 0.0)
        return cls(gan, latent, max(slope, 0.0), offset)  # a D that is worse than none is not asked

    @contextmanager
    def judging(self) -> Iterator[Callable[[Tensor, Tensor | None], Tensor]]:
        """Within this context: the log-ratios of latents ``(N, size)``, in float64 on the CPU; gradients flow."""
        gan = self.gan
        with gan.averaged(), evaluating(gan.device, gan.generator, gan.discriminator):
            yield self._log_ratio

    def _log_ratio(self, z: Tensor, condition: Tensor | None) -> Tensor:
        images = self.gan.generate(z.to(self.gan.device), condition)
        scores = row_scores(self.gan.discriminate(images, condition)).to("cpu", torch.float64)
        return self.slope * scores + self.offset

    def table(self, seed: int, *position: int | str, latent: Latent | None = None) -> LatentTable:
        """Latents by row number: a function of the seed, of what they are for, and of the number."""
        return LatentTable(latent or self.latent, _dtype(self.gan), seed, *position)


def calibrate(gan: GAN, images: Tensor, rng: int = 0, condition: Tensor | None = None) -> tuple[float, float]:
    """Fits what makes log-odds of D's logits, on images that it was not trained on and as many samples.

    A training does so itself, at each validation, and its checkpoints keep it.

    Args:
        gan: A GAN.
        images: Held-out examples in data space, ``(N, C, H, W)``.
        rng: Seed of the samples.
        condition: One for each, ``(N, ...)``, for a conditional GAN.

    Returns:
        Slope and offset, for :func:`sample`.

    Example:
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> slope, offset = calibrate(gan, torch.rand(50, 1, 8, 8))
    """
    with torch.no_grad(), gan.averaged(), evaluating(gan.device, gan.generator, gan.discriminator):
        found = []
        for start in range(0, len(images), BLOCK):
            rows = slice(start, start + BLOCK)
            x, c = images[rows].to(gan.device, _dtype(gan)), None if condition is None else condition[rows]
            z = LatentTable(gan.latent, x.dtype, rng, "calibration").rows(range(start, start + len(x)))
            made = gan.generate(z.to(gan.device), c)
            found.append([row_scores(gan.discriminate(each, c)) for each in (x, made)])
    real, fake = (torch.cat([pair[i] for pair in found]) for i in (0, 1))
    return fit_logistic(real, fake)


def _dtype(gan: GAN) -> torch.dtype:
    return gan.dtype if isinstance(gan.dtype, torch.dtype) else torch.get_default_dtype()
