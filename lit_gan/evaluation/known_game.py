"""A game of one dimension on a known density, as theory sees it: p_g, the best D, and how far off the players are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_gan.data.mixtures import GaussianMixture
from lit_gan.engine.evaluation_mode import evaluating
from lit_gan.errors import UserError
from lit_gan.functional.pushforward import point_masses, pushforward
from lit_gan.functional.theory import (
    generator_criterion,
    jensen_shannon_divergence,
    optimal_discriminator,
    value_function,
)
from lit_gan.gan import GAN
from lit_gan.latents import Latent
from lit_gan.randomness import stream

_BINS = 2000
_CELLS = 2**14  # of the latent's line
_DRAWS = 2**17  # of a latent of more dimensions
_PLACES = 1000  # draws that tell where a latent without ends has its mass
_WIDER = 2.0  # and how much further than these it is looked at, in their range


@dataclass(frozen=True)
class KnownGame:
    r"""The two players and the two densities on the line, at the centres of fine bins.

    The bins cover the mixture's box (six standard deviations around each mode) and wherever G goes. A density is the
    mass of a bin divided by its width: the data's in closed form, the generator's by :func:`pushforward
    <lit_gan.functional.pushforward.pushforward>` of 16,384 cells of its latent, or, where that has more than one
    dimension, of 131,072 draws that are the same each time (then JSD is too large by about the number of occupied bins
    divided by eight times the draws, 0.002 nats).

    Attributes:
        x: The centres of the bins, ``(B,)``.
        p_data: The data's density, ``(B,)``.
        p_g: The generator's, ``(B,)``.
        d: :math:`D(x)`, probabilities, ``(B,)``.
        d_optimal: :math:`D^*(x)` against this generator, ``(B,)``; not numbers where neither has any mass.
        z: Latents on the line, ``(N + 1,)``; empty where they are no line.
        masses: The latent's mass between one of them and the next, ``(N,)``.
        g: :math:`G(z)`, ``(N + 1,)``.
        value: :math:`V(D, G)`, in nats.
        criterion: :math:`C(G) = \max_D V(D, G) = -\log 4 + 2 \, JSD`.
        jsd: :math:`JSD(p_{data} \| p_g)`.
        d_error: :math:`E|D(x) - D^*(x)|` under :math:`(p_{data} + p_g) / 2`: in [0, 1].
    """

    x: Tensor
    p_data: Tensor
    p_g: Tensor
    d: Tensor
    d_optimal: Tensor
    z: Tensor
    masses: Tensor
    g: Tensor
    value: float
    criterion: float
    jsd: float
    d_error: float


@torch.no_grad()
def known_game(gan: GAN, mixture: GaussianMixture) -> KnownGame:
    """How a game stands, on data whose density is known.

    D is asked in evaluation mode, G with its average weights where there are any: as a validation does.

    Args:
        gan: On points ``(N, 1, 1, 1)``, not conditional.
        mixture: The data's density, of one dimension.

    Returns:
        The densities, the players and what theory says of them, in float64 on the CPU.

    Raises:
        UserError: If the mixture has more dimensions, or D's logits are no log-odds.

    Example:
        >>> from lit_gan.data import ToyDataModule
        >>> from lit_gan.data.mixtures import Line
        >>> from lit_gan.networks import MLPDiscriminator, MLPGenerator
        >>> data = ToyDataModule(Line(num_modes=2, spacing=2.0, std=0.5))
        >>> sizes = {"image_shape": data.image_shape, "hidden": (8,)}
        >>> gan = GAN(MLPGenerator(latent_size=1, output_activation="linear", **sizes), MLPDiscriminator(**sizes))
        >>> game = known_game(gan, data.mixture)
        >>> game.value <= game.criterion  # V(D, G) never passes C(G)
        True
    """
    check_known(gan, mixture)
    z, masses = latent_line(gan.latent)
    g = _outputs(gan, z)
    if not bool(g.isfinite().all()):
        raise UserError("the samples are not finite (NaN or inf): expected a GAN that has not diverged.")
    edges = _edges(mixture, g)
    width, x = float(edges[1] - edges[0]), (edges[1:] + edges[:-1]) / 2
    generated = pushforward(g, masses, edges) if gan.latent.size == 1 else point_masses(g, masses, edges)
    real, generated = _mass(mixture, edges), generated / generated.sum()
    logits = _logits(gan, x)
    d, best = logits.sigmoid(), optimal_discriminator(real, generated)
    drawn = len(z) if gan.latent.size == 1 else 0
    apart = torch.where(real + generated > 0, (d - best).abs(), 0.0)
    return KnownGame(
        x=x,
        p_data=real / width,
        p_g=generated / width,
        d=d,
        d_optimal=best,
        z=z[:drawn, 0],
        masses=masses[:drawn],
        g=g[:drawn],
        value=float(value_function(logits, logits, real, generated)),
        criterion=float(generator_criterion(real, generated)),
        jsd=float(jensen_shannon_divergence(real, generated)),
        d_error=float((apart * (real + generated) / 2).sum()),
    )


def check_known(gan: GAN, mixture: GaussianMixture) -> None:
    """Refuses a game of which nothing is known in closed form or by quadrature."""
    if mixture.num_dims != 1:
        raise UserError(
            f"a game on a known density needs data of one dimension, got {mixture.num_dims}: expected a mixture such "
            "as lit_gan.data.mixtures.Line; for others count the modes by lit_gan.metrics.ModesCovered."
        )
    if not gan.objective.logits_are_log_odds:
        raise UserError(
            f"{type(gan.objective).__name__} makes no probability of D's logits, and theory says nothing of such a D: "
            "expected NonSaturating or Minimax."
        )


def latent_line(latent: Latent) -> tuple[Tensor, Tensor]:
    """Latents that stand for the whole distribution, ``(N, size)``, and their masses.

    Of one dimension they are the nodes of a grid, and the masses, one fewer, lie between them: by the density in the
    middle of each cell. Of more, or without a known density, they are draws that are the same each time.
    """
    if latent.size == 1:
        low, high = _ends(latent)
        nodes = torch.linspace(low, high, _CELLS + 1, dtype=torch.float64)
        try:
            density = latent.log_density(((nodes[1:] + nodes[:-1]) / 2)[:, None]).double().exp()
        except UserError:  # a latent of one's own
            return _sorted_draws(latent)
        return nodes[:, None], density / density.sum()
    draws = latent.sample(_DRAWS, generator=stream(0, "known density"))
    return draws, torch.full((_DRAWS,), 1 / _DRAWS, dtype=torch.float64)


def evenly_probable(masses: Tensor, num: int) -> Tensor:
    """Numbers of cells with as much of the mass between one and the next, half of that before the first.

    Example:
        >>> evenly_probable(torch.tensor([0.1, 0.1, 0.6, 0.2]), 2).tolist()
        [2, 2]
    """
    wanted = (torch.arange(num, dtype=torch.float64) + 0.5) / num
    return torch.searchsorted(masses.double().cumsum(0), wanted * masses.double().sum()).clamp(max=len(masses) - 1)


def _sorted_draws(latent: Latent) -> tuple[Tensor, Tensor]:
    draws = latent.sample(_CELLS + 1, generator=stream(0, "known density")).sort(dim=0).values
    return draws, torch.full((_CELLS,), 1 / _CELLS, dtype=torch.float64)


def _ends(latent: Latent) -> tuple[float, float]:
    if latent.bounds is not None:
        return latent.bounds
    draws = latent.sample(_PLACES, generator=stream(0, "known density"))
    low, high = float(draws.min()), float(draws.max())
    return low - _WIDER * (high - low) / 2, high + _WIDER * (high - low) / 2


def _outputs(gan: GAN, z: Tensor) -> Tensor:
    with evaluating(gan.device, gan.generator), gan.averaged():
        data = gan.generate(z.to(gan.device, dtype_of(gan)), None)
    return data.detach().flatten().cpu().double()


def _logits(gan: GAN, x: Tensor) -> Tensor:
    with evaluating(gan.device, gan.discriminator):
        logits = gan.discriminate(x.to(gan.device, dtype_of(gan))[:, None, None, None])
    return logits.detach().cpu().double().flatten(1).mean(1)


def _edges(mixture: GaussianMixture, g: Tensor) -> Tensor:
    """Even bins of the width that the mixture's box asks for; more of them, up to ten times, where G leaves it."""
    low, high = mixture.box
    width = (high - low) / _BINS
    before = max(0, -(-(low - float(g.min())) // width))
    after = max(0, -(-(float(g.max()) - high) // width))
    num = int(_BINS + before + after)
    ends = low - before * width, high + after * width
    return torch.linspace(*ends, min(num, 10 * _BINS) + 1, dtype=torch.float64)


def _mass(mixture: GaussianMixture, edges: Tensor) -> Tensor:
    """The mixture's mass in each bin, of all the mass that is in them."""
    below = torch.special.ndtr((edges[:, None] - mixture.means[:, 0]) / mixture.std) @ mixture.weights
    mass: Tensor = below.diff() / (below[-1] - below[0])
    return mass


def dtype_of(gan: GAN) -> torch.dtype:
    """What its generator computes in."""
    return next(gan.generator.parameters()).dtype
