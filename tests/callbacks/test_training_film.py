"""The film of a training: the same latents over time, whatever happens to the training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from PIL import Image
from tiny_gan import examples, linear_gan, loader, sgd, trainer

from lit_gan.callbacks import TrainingFilm
from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.data import ToyDataModule
from lit_gan.data.mixtures import Line
from lit_gan.errors import UserError
from lit_gan.figures.game_frames import read_game_frames
from lit_gan.gan import GAN
from lit_gan.networks import MLPDiscriminator, MLPGenerator


class DeathError(Exception):
    """The process is gone."""


class Dies(Callback):
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def on_train_batch_end(self, trainer: Any, *arguments: Any) -> None:
        if trainer.global_step == self.rounds:
            raise DeathError


def _train(folder: Path, rounds: int, *more: Callback, film: dict[str, Any] | None = None, **kwargs: Any) -> None:
    options = {"every_n_rounds": 1, "num_samples": 4, "columns": 2, "max_frames": 5, **(film or {})}
    run = trainer(max_steps=rounds, callbacks=[TrainingFilm(**options), *more], default_root_dir=folder,
                  enable_checkpointing=any(isinstance(each, RunCheckpoint) for each in more))  # fmt: skip
    run.fit(linear_gan(), loader(examples(8), batch_size=4), weights_only=True, **kwargs)


def _frames(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("frame-*"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")
        _train(folder, 22)
    return folder / "film"


def test_pictures_lie_evenly_and_are_never_too_many(whole: Path) -> None:
    assert list(_frames(whole)) == [f"frame-{number:06d}.png" for number in (0, 8, 16, 22)]
    with Image.open(whole / "training.gif") as film:
        assert film.n_frames == 4
        assert film.info["duration"] == 2000  # eight seconds
        film.seek(3)
        assert film.info["duration"] == 5 * 2000


def test_each_picture_shows_the_same_latents_and_tells_its_round(whole: Path) -> None:
    with Image.open(whole / "frame-000000.png") as first, Image.open(whole / "training.gif") as film:
        assert film.size == (first.width, first.height + 26)
        picture = np.asarray(film.convert("L"))
        assert (picture[: first.height] == np.asarray(first.convert("L"))).all()
        assert picture[first.height :].max() == 255
    torch.manual_seed(0)
    with Image.open(whole / "frame-000000.png") as first:
        tiles = np.asarray(first.convert("L"))[2 + 100 :: 300, 2 + 100 :: 300]
    assert len(np.unique(tiles)) > 1


def test_a_killed_training_goes_on_with_the_film_that_it_would_have_had(whole: Path, tmp_path: Path) -> None:
    """Killed in round 13, it goes on from round 10, whose film had other pictures."""
    keeper = RunCheckpoint(tmp_path / "checkpoints", every_n_train_steps=5, save_last=True, monitor=None, save_top_k=0)
    with pytest.raises(DeathError):
        _train(tmp_path, 22, keeper, Dies(13))
    assert max(_frames(tmp_path / "film")) == "frame-000012.png"
    keeper = RunCheckpoint(tmp_path / "checkpoints", every_n_train_steps=5, save_last=True, monitor=None, save_top_k=0)
    _train(tmp_path, 22, keeper, ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
    assert _frames(tmp_path / "film") == _frames(whole)
    assert (tmp_path / "film" / "training.gif").read_bytes() == (whole / "training.gif").read_bytes()


def test_a_training_that_begins_anew_has_a_film_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        _train(tmp_path, 3)
    assert len(_frames(tmp_path / "film")) == len(_frames(tmp_path / "film-2")) == 4


def test_in_a_run_folder_pictures_of_a_killed_beginning_are_gone(tmp_path: Path) -> None:
    (tmp_path / "frame-000009.png").touch()
    _train(tmp_path, 2, film={"folder": str(tmp_path)})
    assert list(_frames(tmp_path)) == ["frame-000000.png", "frame-000001.png", "frame-000002.png"]


class _Cut(Callback):
    """A picture that is there is cut off, as by a full disk of before."""

    def on_train_start(self, trainer: Any, *arguments: Any) -> None:
        picture = Path(trainer.default_root_dir, "film", "frame-000000.png")
        picture.write_bytes(picture.read_bytes()[:60])


def test_a_damaged_picture_does_not_end_a_training_that_is_done(tmp_path: Path) -> None:
    keeper = RunCheckpoint(tmp_path, save_last=True)
    with pytest.warns(UserWarning, match=r"frame-000000.png is no picture of a film \(.*Error\) and is left out of it"):
        _train(tmp_path, 2, _Cut(), keeper)
    assert (tmp_path / "last.ckpt").is_file()
    with Image.open(tmp_path / "film" / "training.gif") as film:
        assert film.n_frames == 2


def test_a_film_that_cannot_be_written_does_not_end_a_training_that_is_done(tmp_path: Path) -> None:
    (tmp_path / "training.gif").mkdir()
    told = r"^The film was not put together \(IsADirectoryError: .*\); `lit-gan figures RUN` does it, too\.$"
    with pytest.warns(UserWarning, match=told):
        _train(tmp_path, 2, RunCheckpoint(tmp_path, save_last=True), film={"folder": str(tmp_path)})
    assert (tmp_path / "last.ckpt").is_file()


def test_nothing_in_training_changes_by_it(tmp_path: Path) -> None:
    def weights(*callbacks: Callback) -> list[torch.Tensor]:
        gan = linear_gan()
        run = trainer(max_steps=5, callbacks=list(callbacks), default_root_dir=tmp_path)
        run.fit(gan, loader(examples(8), batch_size=4))
        return [each.detach() for each in gan.parameters()]

    assert all(map(torch.equal, weights(), weights(TrainingFilm(every_n_rounds=1))))


def test_webp_is_smaller_and_has_as_many_pictures(tmp_path: Path) -> None:
    _train(tmp_path, 3, film={"format": "webp", "seconds": 1.0})
    with Image.open(tmp_path / "film" / "training.webp") as film:
        assert film.n_frames == 4


def test_only_the_first_rank_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = TrainingFilm(folder=str(tmp_path))
    run = trainer(max_steps=2, callbacks=[film])
    monkeypatch.setattr("lightning.pytorch.strategies.Strategy.is_global_zero", False)
    monkeypatch.setattr("lightning.pytorch.strategies.SingleDeviceStrategy.is_global_zero", False)
    monkeypatch.setattr("lightning_utilities.core.rank_zero.rank_zero_only.rank", 1)
    monkeypatch.setattr("lightning.fabric.utilities.rank_zero.rank_zero_only.rank", 1)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    assert not list(tmp_path.iterdir())


class Regression(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return self.layer(batch[0].float().flatten(1)).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_module_that_cannot_sample_is_left_alone(tmp_path: Path) -> None:
    film = TrainingFilm(folder=str(tmp_path))
    trainer(max_steps=2, callbacks=[film], precision="32-true").fit(Regression(), loader(examples(8), 4))
    assert not list(tmp_path.iterdir())


def test_a_game_on_a_known_density_is_filmed_as_such(tmp_path: Path) -> None:
    gan = GAN(
        MLPGenerator((1, 1, 1), 1, (4,), output_activation="linear", weight_init=0.5),
        MLPDiscriminator((1, 1, 1), (4,)),
        optimizer_g=sgd(0.1),
        optimizer_d=sgd(0.1),
    )
    data = ToyDataModule(Line(1), num_train=40, num_validation=10, num_test=10, batch_size=10)
    film = TrainingFilm(every_n_rounds=2, folder=str(tmp_path))
    trainer(max_steps=3, callbacks=[film], limit_val_batches=0).fit(gan, data)
    frames = read_game_frames(tmp_path)
    assert [frame.rounds for frame in frames] == [0, 2, 3]
    last = frames[-1].players["generator"]
    assert all(torch.equal(last[name], value) for name, value in gan.generator.state_dict().items())
    with Image.open(tmp_path / "training.gif") as made:
        assert made.n_frames == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_n_rounds": 0}, r"TrainingFilm: every_n_rounds = 0: expected at least 1\."),
        ({"num_samples": 0}, r"TrainingFilm: num_samples = 0: expected at least 1\."),
        ({"columns": 0}, r"TrainingFilm: columns = 0: expected at least 1\."),
        ({"max_frames": 1}, r"TrainingFilm: max_frames = 1: expected at least 2\."),
        ({"seconds": 0.0}, r"TrainingFilm: seconds = 0.0: expected a number above 0\."),
        ({"format": "mp4"}, r"TrainingFilm: format = mp4: expected gif or webp\."),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrainingFilm(**options)
