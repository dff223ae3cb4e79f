"""What is kept of a one-dimensional game while it trains: numbers to draw it by, and the players if they are small."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from lit_gan.data.mixtures import GaussianMixture
from lit_gan.evaluation.known_game import KnownGame, known_game
from lit_gan.figures.film import numbered, tell_left_out
from lit_gan.figures.writing import write_file
from lit_gan.gan import GAN
from lit_gan.torch_files import load_whole

SUFFIX = ".pt"
_NODES = 512  # of the latent line that are kept
_MOST_WEIGHTS = 100_000  # of both players; 400 kB
_PLAYERS = ("generator", "discriminator")


@dataclass(frozen=True)
class GameFrame:
    """A game after so many rounds.

    Attributes:
        rounds: How many.
        game: The densities and what the players do.
        players: The weights by the player's name; empty where they are too many to be kept.
    """

    rounds: int
    game: KnownGame
    players: dict[str, dict[str, Tensor]]


def write_game_frame(gan: GAN, mixture: GaussianMixture, target: Path) -> None:
    """Keeps the game of this moment in a file of some tens of kilobytes."""
    kept = {
        name: value.float() if isinstance(value, Tensor) else value
        for name, value in asdict(_thinned(known_game(gan, mixture))).items()
    }
    content = {"game": kept, "players": _players(gan)}

    def save(file: BinaryIO) -> None:
        torch.save(content, file)

    write_file(target, save)


def read_game_frames(folder: Path) -> list[GameFrame]:
    """The games that were kept in a folder, by round; one that cannot be read is told, and left out."""
    frames = (_read(rounds, path) for rounds, path in numbered(folder, "frame", SUFFIX))
    return [frame for frame in frames if frame is not None]


def _read(rounds: int, path: Path) -> GameFrame | None:
    try:
        content: Any = load_whole(path)
        return GameFrame(rounds, KnownGame(**content["game"]), content["players"])
    except Exception as error:  # a damaged file makes the reader raise anything at all
        tell_left_out(path, error)
        return None


def _thinned(game: KnownGame) -> KnownGame:
    """Every so many nodes of the latent line; the mass between two that are left is that of all cells there."""
    step = max(1, len(game.masses) // _NODES)
    masses = game.masses[: len(game.masses) // step * step].view(-1, step).sum(1)
    return KnownGame(**{**_fields(game), "z": game.z[::step], "g": game.g[::step], "masses": masses})


def _fields(game: KnownGame) -> dict[str, Any]:
    return dict(vars(game))


def _players(gan: GAN) -> dict[str, dict[str, Tensor]]:
    """Copies, G's as it is shown."""
    networks = {name: getattr(gan, name) for name in _PLAYERS}
    num = sum(parameter.numel() for network in networks.values() for parameter in network.parameters())
    if num > _MOST_WEIGHTS:
        return {}
    with gan.averaged():
        return {
            name: {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
            for name, network in networks.items()
        }
