"""The four moments of the paper's figure 1, and how they are drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lit_gan.data.mixtures import GaussianMixture, Line
from lit_gan.evaluation.known_game import KnownGame, known_game
from lit_gan.figures import game_frames
from lit_gan.figures.game import game_figure, game_film
from lit_gan.figures.game_frames import GameFrame, read_game_frames, write_game_frame
from lit_gan.figures.game_panels import move_generator, panels_of, train_discriminator
from lit_gan.figures.writing import drawn_plainly, write_figure
from lit_gan.gan import GAN
from lit_gan.latents import Normal
from lit_gan.networks import MLPDiscriminator, MLPGenerator


@pytest.fixture
def mixture() -> GaussianMixture:
    return Line(1, std=1.0)


def _gan(shift: float) -> GAN:
    """Samples of about unit variance about a mean."""
    torch.manual_seed(0)
    generator = MLPGenerator((1, 1, 1), 1, (32, 32), "softplus", "linear", [2.0, 0.3, 0.6])
    gan = GAN(generator, MLPDiscriminator((1, 1, 1), (32,)), Normal())
    with torch.no_grad():
        generator.output.bias += shift - gan.sample_data(4000, rng=0).mean()
    return gan


def _frames(folder: Path, mixture: GaussianMixture, shifts: dict[int, float]) -> list[GameFrame]:
    for rounds, shift in shifts.items():
        write_game_frame(_gan(shift), mixture, folder / f"frame-{rounds:06d}.pt")
    return read_game_frames(folder)


def test_what_is_kept_is_the_game(tmp_path: Path, mixture: GaussianMixture) -> None:
    [frame] = _frames(tmp_path, mixture, {7: -1.0})
    game = known_game(_gan(-1.0), mixture)
    assert frame.rounds == 7
    assert (frame.game.jsd, frame.game.d_error) == (game.jsd, game.d_error)
    torch.testing.assert_close(frame.game.p_g, game.p_g.float(), rtol=0, atol=0)
    assert float(frame.game.masses.sum()) == pytest.approx(1, abs=1e-6)
    assert len(frame.game.z) == len(frame.game.g) == len(frame.game.masses) + 1 == 513
    assert (tmp_path / "frame-000007.pt").stat().st_size < 150_000


def test_the_panels_are_those_of_the_paper(tmp_path: Path, mixture: GaussianMixture) -> None:
    frames = _frames(tmp_path, mixture, {0: -4.0, 10: -1.2, 20: -0.5, 30: 0.0})
    panels = panels_of(frames, _gan(9.0), mixture)
    assert [title for title, _ in panels] == [
        "(a) near convergence,\nround 10", "(b) D trained\nto its optimum", "(c) after updates\nof G",
        "(d) at the end,\nround 30",
    ]  # fmt: skip
    near, best, moved, end = (game for _, game in panels)
    assert 0.1 < near.jsd < 0.25
    assert best.jsd == pytest.approx(near.jsd, abs=1e-6)
    assert best.d_error < 0.01 < near.d_error
    assert best.value == pytest.approx(best.criterion, abs=1e-3)
    assert moved.jsd < 0.6 * best.jsd
    places = np.linspace(-3, 3, 50)
    d = [np.interp(places, game.x.numpy(), game.d.numpy()) for game in (best, moved)]
    np.testing.assert_allclose(*d, atol=1e-3)  # the same D
    assert end.jsd == frames[-1].game.jsd
    again = panels_of(frames, _gan(9.0), mixture)
    assert all(torch.equal(one.d, other.d) for (_, one), (_, other) in zip(panels, again, strict=True))


def test_of_large_players_there_are_two_panels_and_of_one_game_one(
    tmp_path: Path, mixture: GaussianMixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(game_frames, "_MOST_WEIGHTS", 1000)
    frames = _frames(tmp_path, mixture, {0: -1.2, 9: 0.0})
    assert frames[0].players == {}
    assert [title[:4] for title, _ in panels_of(frames, _gan(0.0), mixture)] == ["(a) ", "(b) "]
    assert [title for title, _ in panels_of(frames[1:], _gan(0.0), mixture)] == ["at the end, round 9"]


def test_d_is_trained_to_its_optimum_and_g_against_it(mixture: GaussianMixture) -> None:
    gan = _gan(-1.5)
    train_discriminator(gan, mixture)
    generator = [each.clone() for each in gan.generator.parameters()]
    assert known_game(gan, mixture).d_error < 0.01
    discriminator = [each.clone() for each in gan.discriminator.parameters()]
    before = known_game(gan, mixture).jsd
    move_generator(gan, mixture, before)
    assert known_game(gan, mixture).jsd < 0.6 * before
    assert all(map(torch.equal, gan.discriminator.parameters(), discriminator))
    assert not all(map(torch.equal, gan.generator.parameters(), generator))


def test_the_figure_has_the_papers_lines(tmp_path: Path, mixture: GaussianMixture) -> None:
    game = known_game(_gan(-1.5), mixture)
    with drawn_plainly():
        figure = game_figure([("(a)", game), ("(b)", game)])
        write_figure(figure, tmp_path, "figure-1", ["svg"])
    curves, _, arrows, _ = figure.axes
    styles = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in curves.get_lines()[:3]}
    assert styles["$D(x)$"] == ("#1f4fd8", "--")
    assert styles["$p_{data}(x)$"][0] == "black"
    assert styles["$p_g(x)$"] == ("#15803d", "-")
    np.testing.assert_array_equal(curves.get_lines()[2].get_ydata(), game.p_g.numpy())
    [quiver] = arrows.collections
    tips = np.sort(np.asarray(quiver.X) + np.asarray(quiver.U))
    below = (game.p_g.cumsum(0) / game.p_g.sum()).numpy()
    found = np.interp(tips, game.x.numpy(), below)
    np.testing.assert_allclose(found, (np.arange(17) + 0.5) / 17, atol=0.01)  # as probable between each other


def test_each_picture_of_the_film_is_another_and_the_same_each_time(tmp_path: Path, mixture: GaussianMixture) -> None:
    games: list[tuple[int, KnownGame]] = [
        (frame.rounds, frame.game) for frame in _frames(tmp_path, mixture, {0: -3.0, 5: -1.0, 9: 0.0})
    ]
    with drawn_plainly():
        once, twice = game_film(games), game_film(games)
        assert game_film([]) == []
    assert [one.tobytes() for one in once] == [two.tobytes() for two in twice]
    assert len({one.tobytes() for one in once}) == 3
    assert len({one.size for one in once}) == 1


def test_a_file_of_another_kind_or_a_damaged_one_is_told_and_left_out(tmp_path: Path, mixture: GaussianMixture) -> None:
    _frames(tmp_path, mixture, {2: -1.0, 3: 0.0})
    torch.save({"game": 1}, tmp_path / "frame-000001.pt")
    damaged = tmp_path / "frame-000003.pt"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="is no picture of a film") as told:
        assert [frame.rounds for frame in read_game_frames(tmp_path)] == [2]
    assert [str(each.message) for each in told] == [
        f"{tmp_path}/frame-000001.pt is no picture of a film (TypeError) and is left out of it: remove it.",
        f"{damaged} is no picture of a film (ValueError) and is left out of it: remove it.",
    ]
