"""The bilinear game min_x max_y xy: which ways of moving two players contract, and how fast, in closed form.

``python -m benchmarks.bilinear --out FILE.png`` draws it. The game has one solution, (0, 0), and no player has a reason
of its own to stand still: it is where a game differs from a minimisation. All ways are linear, so each has a rate: the
factor per round by which the distance to the solution shrinks or grows, the spectral radius of its matrix.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: x, y, and the gradients that each player has seen last.
State = NDArray[np.float64]
Round = Callable[[State], State]

START: State = np.array([1.0, 1.0, 0.0, 0.0])


def simultaneous(rate: float) -> Round:
    """Both move by the gradients at where both stand."""

    def move(state: State) -> State:
        x, y, _, _ = state
        return np.array([x - rate * y, y + rate * x, y, x])

    return move


def alternating(rate: float) -> Round:
    """As Algorithm 1 has it: the one who ascends first, and then the other, who sees that."""

    def move(state: State) -> State:
        x, y, _, _ = state
        y = y + rate * x
        return np.array([x - rate * y, y, y, state[0]])

    return move


def optimistic(rate: float) -> Round:
    """Simultaneous steps by twice the gradient less the last one."""

    def move(state: State) -> State:
        x, y, last_x, last_y = state
        return np.array([x - rate * (2 * y - last_x), y + rate * (2 * x - last_y), y, x])

    return move


def alternating_optimistic(rate: float) -> Round:
    """The same in turns: what ``OptimisticAdam`` does in a GAN, but for Adam's scale."""

    def move(state: State) -> State:
        x, y, last_x, last_y = state
        y = y + rate * (2 * x - last_y)
        return np.array([x - rate * (2 * y - last_x), y, y, state[0]])

    return move


def radius(move: Round, rounds: int = 1) -> float:
    """The rate of a way per round: the spectral radius of the matrix that ``rounds`` of it are, to the 1/rounds."""
    matrix = np.linalg.matrix_power(np.stack([move(unit) for unit in np.eye(4)], axis=1), rounds)
    return float(np.abs(np.linalg.eigvals(matrix)).max() ** (1 / rounds))


def lookahead_radius(move: Round, k: int, alpha: float) -> float:
    """The rate per round of ``Lookahead(k, alpha)`` around a way that remembers no gradient."""
    matrix = np.stack([move(unit)[:2] for unit in np.eye(4)[:2]], axis=1)
    cycle = (1 - alpha) * np.eye(2) + alpha * np.linalg.matrix_power(matrix, k)
    return float(np.abs(np.linalg.eigvals(cycle)).max() ** (1 / k))


def path(move: Round, rounds: int, k: int | None = None, alpha: float = 0.5) -> State:
    """Where the players are after each round, ``(rounds + 1, 2)``; with Lookahead where ``k`` is given."""
    state, slow = START, START[:2]
    places = [state[:2]]
    for number in range(1, rounds + 1):
        state = move(state)
        if k is not None and number % k == 0:
            slow = slow + alpha * (state[:2] - slow)
            state = np.concatenate([slow, state[2:]])
        places.append(state[:2])
    return np.stack(places)


def closed_forms(rate: float, k: int, alpha: float) -> dict[str, float]:
    """What mathematics says of each rate, for rates below 1/2."""
    angle = np.arccos(1 - rate**2 / 2)  # the eigenvalues of alternating steps are exp(+-i angle)
    return {
        "simultaneous": float(np.sqrt(1 + rate**2)),
        "alternating": 1.0,
        "optimistic": float(np.sqrt((1 + np.sqrt(1 - 4 * rate**2)) / 2)),
        # The largest root of z (z - 1)^2 + rate^2 (2 z - 1)^2.
        "alternating optimistic": float(np.abs(np.roots([1, -2 + 4 * rate**2, 1 - 4 * rate**2, rate**2])).max()),
        "lookahead, simultaneous": float(np.abs(1 - alpha + alpha * (1 + 1j * rate) ** k) ** (1 / k)),
        "lookahead, alternating": float(np.abs(1 - alpha + alpha * np.exp(1j * k * angle)) ** (1 / k)),
    }


def measured(rate: float, k: int, alpha: float) -> dict[str, float]:
    """The same rates, of the ways as they are written here."""
    return {
        "simultaneous": radius(simultaneous(rate)),
        "alternating": radius(alternating(rate)),
        "optimistic": radius(optimistic(rate)),
        "alternating optimistic": radius(alternating_optimistic(rate)),
        "lookahead, simultaneous": lookahead_radius(simultaneous(rate), k, alpha),
        "lookahead, alternating": lookahead_radius(alternating(rate), k, alpha),
    }


def draw(file: Path, rate: float = 0.2, k: int = 5, alpha: float = 0.5, rounds: int = 100) -> None:
    """Paths of the players, and their distances to the solution."""
    import matplotlib as mpl  # noqa: PLC0415  whoever wants the rates needs no plots

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rates = closed_forms(rate, k, alpha)
    paths = {
        "simultaneous": path(simultaneous(rate), rounds),
        "alternating": path(alternating(rate), rounds),
        "alternating optimistic": path(alternating_optimistic(rate), rounds),
        "lookahead, alternating": path(alternating(rate), rounds, k, alpha),
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
    for name, places in paths.items():
        (line,) = left.plot(*places.T, linewidth=1, label=f"{name}: {rates[name]:.4f} a round")
        right.semilogy(np.linalg.norm(places, axis=1), color=line.get_color())
        right.semilogy(
            np.sqrt(2) * rates[name] ** np.arange(rounds + 1), color=line.get_color(), linestyle=":", linewidth=1
        )
    left.plot(0, 0, "k+")
    left.set(xlabel="x", ylabel="y", xlim=(-4, 4), ylim=(-4, 4), aspect="equal", title="min over x, max over y of xy")
    left.legend(loc="lower right", fontsize=8)
    right.set(
        xlabel="round", ylabel="distance to the solution", title=f"rate {rate}, lookahead k = {k}, alpha = {alpha}"
    )
    right.text(0.02, 0.03, "dotted: the closed form", transform=right.transAxes, fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    """Draws the figure, and prints the rates."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bilinear", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the picture")
    parser.add_argument("--rate", type=float, default=0.2, help="of both players (default: 0.2)")
    options = parser.parse_args()
    for name, factor in closed_forms(options.rate, 5, 0.5).items():
        print(f"{name}: {factor:.6f} a round")
    draw(options.out, options.rate)


if __name__ == "__main__":
    main()
