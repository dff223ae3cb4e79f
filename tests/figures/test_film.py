"""Pictures of a training put together: which, how long each, and the same bytes each time."""

from pathlib import Path

import pytest
from PIL import Image

from lit_gan.errors import UserError
from lit_gan.figures import film
from lit_gan.figures.film import Frames, labelled_frames, numbered, stride_at, write_film
from lit_gan.figures.put_together import film_of


@pytest.mark.parametrize("most", [2, 5, 100])
def test_however_long_it_goes_on_pictures_are_between_half_of_the_most_and_all_of_them(most: int) -> None:
    for rounds in [*range(3 * most), 10**6, 10**9]:
        num = rounds // stride_at(rounds, 1, most) + 1
        assert num <= most
        assert num > most // 2 or rounds < most - 1


def test_the_first_pictures_stay_where_later_ones_are_thinned() -> None:
    assert all(stride_at(r + 1, 3, 7) % stride_at(r, 3, 7) == 0 for r in range(500))


def test_files_of_other_names_are_left_aside(tmp_path: Path) -> None:
    for name in ("frame-10.png", "frame-000002.png", "frame-x.png", "frame-3.pt", "round-000004.png", "frame-.png"):
        (tmp_path / name).touch()
    assert [number for number, _ in numbered(tmp_path, "frame", ".png")] == [2, 10]
    frames = Frames(tmp_path)
    frames.forget_after(1)
    assert (tmp_path / "frame-x.png").exists()


def _pictures(*levels: int, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> list[Image.Image]:
    return [Image.new(mode, size, level if mode == "L" else (level, 0, 255 - level)) for level in levels]


@pytest.mark.parametrize("kind", ["gif", "webp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_film_has_its_pictures_in_their_order_and_its_length(tmp_path: Path, kind: str, mode: str) -> None:
    for name in ("once", "twice"):
        assert write_film(_pictures(0, 120, 240, mode=mode), tmp_path / f"{name}.{kind}", seconds=3.0)
    assert (tmp_path / f"once.{kind}").read_bytes() == (tmp_path / f"twice.{kind}").read_bytes()
    with Image.open(tmp_path / f"once.{kind}") as made:
        assert (made.n_frames, made.size, made.info.get("loop")) == (3, (40, 30), 0)
        found = []
        for number in range(3):
            made.seek(number)
            found.append((made.convert("RGB").getpixel((5, 5))[0], made.info["duration"]))
    assert found == [(0, 1000), (120, 1000), (240, 5000)]


def test_one_picture_is_no_film_and_those_of_an_earlier_size_are_left_out(tmp_path: Path) -> None:
    target = tmp_path / "film.gif"
    assert not write_film([], target, 1.0)
    assert not write_film(_pictures(1), target, 1.0)
    assert not write_film([*_pictures(1, 2, size=(8, 8)), *_pictures(3)], target, 1.0)
    assert not target.exists()
    assert write_film([*_pictures(1, size=(8, 8)), *_pictures(3, 4)], target, 1.0)
    with Image.open(target) as made:
        assert made.n_frames == 2


def test_a_damaged_picture_is_told_and_left_out(tmp_path: Path) -> None:
    for number, picture in enumerate(_pictures(0, 120, 240)):
        picture.save(tmp_path / f"frame-{number}.png")
    (tmp_path / "frame-1.png").write_bytes((tmp_path / "frame-1.png").read_bytes()[:60])
    (tmp_path / "frame-3.png").touch()
    with pytest.warns(UserWarning, match="is no picture of a film") as told:
        assert film_of(tmp_path, tmp_path / "film.gif", seconds=1.0)
    assert [str(each.message) for each in told] == [
        f"{tmp_path}/frame-1.png is no picture of a film (OSError) and is left out of it: remove it.",
        f"{tmp_path}/frame-3.png is no picture of a film (UnidentifiedImageError) and is left out of it: remove it.",
    ]
    with Image.open(tmp_path / "film.gif") as made:
        assert made.n_frames == 2


def test_many_pictures_are_shown_no_shorter_than_viewers_can(tmp_path: Path) -> None:
    write_film(_pictures(*range(50)), tmp_path / "film.gif", seconds=0.1)
    with Image.open(tmp_path / "film.gif") as made:
        assert made.info["duration"] == 20


@pytest.mark.parametrize("scalable", [True, False])
def test_the_round_stands_below(tmp_path: Path, scalable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Pillow has been built without letters to scale."""
    if not scalable:
        monkeypatch.setattr(film.features, "check", lambda name: False)
    strips = []
    for rounds in (10, 6000):
        for mode in ("L", "RGB"):
            path = tmp_path / f"{mode}-{rounds}.png"
            Image.new("RGB", (120, 30), (9, 9, 9) if mode == "L" else (9, 0, 0)).save(path)
            [picture] = labelled_frames([(rounds, path)])
            assert (picture.mode, picture.size) == (mode, (120, 56))
            strips.append(picture.crop((0, 30, 120, 56)).convert("L").tobytes())
    assert len(set(strips)) == 2
    assert all(max(strip) > 200 for strip in strips)


def test_what_pillow_cannot_write_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^--film = mp4: expected gif or webp\.$"):
        film.check_film_format("--film", "mp4")
    monkeypatch.setattr(film.features, "check", lambda name: False)
    with pytest.raises(UserError, match=r"^--film = webp: this Pillow has been built without WebP: expected gif\.$"):
        film.check_film_format("--film", "webp")
