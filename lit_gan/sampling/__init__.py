"""Samples of a GAN that is trained, beyond a draw from its prior: truncated, or with D having a say."""

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.sampling.judge import Judge
from lit_gan.sampling.judge import calibrate as calibrate
from lit_gan.sampling.methods import Langevin as Langevin
from lit_gan.sampling.methods import Rejection as Rejection
from lit_gan.sampling.methods import SamplingMethod as SamplingMethod

METHODS = ("latent", "rejection", "langevin")


def sample(
    gan: GenerativeModule,
    num: int,
    *,
    method: str | SamplingMethod = "latent",
    truncation: float | None = None,
    rng: int | torch.Generator | None = None,
    condition: Tensor | None = None,
    calibration: tuple[float, float] | None = None,
) -> Tensor:
    """Draws samples for showing, in [0, 1]: as :meth:`lit_gan.GAN.sample` does, or as a method has it.

    Args:
        gan: A GAN, say ``GAN.load_from_checkpoint(RUN)``; no data are needed.
        num: How many.
        method: ``"latent"``, latents as they are drawn; ``"rejection"``, those that pass for examples
            (:class:`Rejection`); ``"langevin"``, moved to where D takes them for examples (:class:`Langevin`); or one
            of these two with arguments of its own.
        truncation: How far a latent may be from the middle of its distribution: in standard deviations of a normal one,
            as a part of the range of a uniform one. Less is more typical and less varied.
        rng: A seed or a generator; torch's global one if ``None``. Equal seeds give equal samples, but for rounding
            whatever their number.
        condition: One per sample, ``(num, ...)``, for a conditional GAN; ``gan.sample_condition(num)`` where ``None``.
        calibration: What makes log-odds of D's logits, of :func:`calibrate`; the checkpoint's if ``None``, which the
            last validation before it has taken; D as it is, where there is none.

    Returns:
        A tensor ``(num, C, H, W)`` on the GAN's device.

    Raises:
        UserError: If there is no such method, its D or its latent does not serve, or an argument is out of range.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> sample(gan, 3, method=Rejection(pool=100), truncation=0.7, rng=0).shape
        torch.Size([3, 1, 8, 8])
    """
    if isinstance(method, str) and method not in METHODS:
        raise UserError(f"method = {method}: expected one of {', '.join(METHODS)}.")
    if method == "latent" and truncation is None:
        return gan.sample(num, rng=rng, condition=condition)
    if num < 1:
        raise UserError(f"num = {num}: expected at least 1 sample.")
    latent = gan.latent if truncation is None else gan.latent.truncated(truncation)
    condition = gan.sample_condition(num) if condition is None else condition
    if condition is not None and len(condition) != num:
        raise UserError(f"condition has {len(condition)} rows: expected one for each of the num = {num} samples.")
    if method == "latent":
        generator = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        return gan.decode(latent.sample(num, generator=generator), condition)
    how = _DEFAULTS[method] if isinstance(method, str) else method
    name = method if isinstance(method, str) else type(method).__name__
    seed = rng if isinstance(rng, int) else int(torch.randint(2**62, (), generator=rng))
    judge = Judge.of(gan, latent, name, calibration)
    return gan.decode(how.latents(judge, num, seed, condition), condition)


_DEFAULTS: dict[str, SamplingMethod] = {"rejection": Rejection(), "langevin": Langevin()}
