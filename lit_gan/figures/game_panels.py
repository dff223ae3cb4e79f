"""The four moments of the paper's figure 1, of a training whose games were kept."""

from collections.abc import Callable, Sequence
from copy import deepcopy

from torch import Tensor
from torch.optim import Adam

from lit_gan.data.mixtures import GaussianMixture
from lit_gan.evaluation.known_game import KnownGame, dtype_of, evenly_probable, known_game, latent_line
from lit_gan.figures.game_frames import GameFrame
from lit_gan.functional.theory import value_function
from lit_gan.gan import GAN

_NEAR = 0.25  # nats: two normal densities that are one and a half standard deviations apart
_BEST_STEPS, _BEST_RATE = 600, 0.01
_MOVES, _MOVE_RATE, _LOOKS = 200, 0.001, 4
_CLOSER = 0.4  # of the divergence that is left when G has moved
_LEFT_BEHIND = 1.2  # of the least divergence: G has gone past
_NODES, _BINS = 512, 4


def panels_of(frames: Sequence[GameFrame], gan: GAN, mixture: GaussianMixture) -> list[tuple[str, KnownGame]]:
    """The four panels, as the paper has them.

    (a) near convergence: the first game of the training whose divergence has come down to 0.25 nats. (b) The same G
    with D trained to its optimum: D's own network, by gradient ascent on V on the densities themselves. (c) The same D
    after updates of G against it, by gradient descent of G's own objective, until four tenths of the divergence are
    left, or G would go past the data. (d) The end of the training.

    Args:
        frames: The games that were kept, at least one, by round.
        gan: The GAN, whose weights change.
        mixture: The data's density.

    Returns:
        Titles and games; of frames without the players' weights (a) and (d) alone, of a single frame (d).
    """
    last = frames[-1]
    end = ("at the end", last.game)
    early = _near_convergence(frames)
    if early is last:
        return [(f"{end[0]}, round {last.rounds:,}", last.game)]
    found = [(f"near convergence,\nround {early.rounds:,}", early.game)]
    if early.players:
        gan = _with_players(gan, early)
        train_discriminator(gan, mixture)
        found.append(("D trained\nto its optimum", known_game(gan, mixture)))
        move_generator(gan, mixture, early.game.jsd)
        found.append(("after updates\nof G", known_game(gan, mixture)))
    found.append((f"{end[0]},\nround {last.rounds:,}", last.game))
    return [(f"({letter}) {title}", game) for letter, (title, game) in zip("abcd", found, strict=False)]


def train_discriminator(gan: GAN, mixture: GaussianMixture) -> None:
    """D ascends V against a fixed G, on both densities at once, without a draw: as near to D* as its network can."""
    game = known_game(gan, mixture)
    width = float(game.x[1] - game.x[0])
    num = len(game.x) // _BINS * _BINS  # a few bins in one: D is smooth
    x = game.x[:num].view(-1, _BINS).mean(1).to(dtype_of(gan))[:, None, None, None]
    real, fake = ((density[:num] * width).view(-1, _BINS).sum(1) for density in (game.p_data, game.p_g))

    def loss() -> Tensor:
        logits = gan.discriminate(x).flatten(1).mean(1).double()
        return -value_function(logits, logits, real, fake)

    optimizer = Adam(gan.discriminator.parameters(), lr=_BEST_RATE)
    for step in range(_BEST_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _BEST_RATE * (1 - 0.95 * step / _BEST_STEPS)
        _descend(optimizer, loss)


def move_generator(gan: GAN, mixture: GaussianMixture, divergence: float) -> None:
    """G descends its objective against a fixed D, until the divergence has fallen."""
    z, masses = latent_line(gan.latent)
    z = z[evenly_probable(masses, _NODES)].to(dtype_of(gan))

    def loss() -> Tensor:
        return gan.objective.loss_g(gan.discriminate(gan.generate(z, None)))

    optimizer, generator = Adam(gan.generator.parameters(), lr=_MOVE_RATE), gan.generator
    least, best = divergence, deepcopy(generator.state_dict())
    for move in range(_MOVES):
        _descend(optimizer, loss)
        if move % _LOOKS:
            continue
        left = known_game(gan, mixture).jsd
        if left < least:
            least, best = left, deepcopy(generator.state_dict())
        if left > _LEFT_BEHIND * least or least < _CLOSER * divergence:
            break
    generator.load_state_dict(best)


def _descend(optimizer: Adam, loss: Callable[[], Tensor]) -> None:
    optimizer.zero_grad()
    loss().backward()  # type: ignore[no-untyped-call]  # torch gives no types
    optimizer.step()


def _near_convergence(frames: Sequence[GameFrame]) -> GameFrame:
    near = [frame for frame in frames if frame.game.jsd <= _NEAR]
    return near[0] if near else frames[-1]


def _with_players(gan: GAN, frame: GameFrame) -> GAN:
    """The GAN of that moment, in evaluation mode."""
    gan.generator_average = None
    gan.generator.load_state_dict(frame.players["generator"])
    gan.discriminator.load_state_dict(frame.players["discriminator"])
    gan.requires_grad_(True)
    return gan.eval()
