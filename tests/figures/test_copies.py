"""The samples that look the most like copies: which they are, and that there is a picture of them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from labelled import Labelled
from real_formats import write_image_folder
from torch import Tensor, nn

from lit_gan.data import DigitsDataModule, ImageFolderDataModule
from lit_gan.errors import UserError
from lit_gan.figures import copies
from lit_gan.figures.copies import memorization_figure, suspicious_pairs
from lit_gan.figures.neighbours import closest_pairs
from lit_gan.functional.memorization import memorization
from lit_gan.gan import GAN
from lit_gan.randomness import stream

TRAIN = torch.rand(80, 3, 4, 4, generator=stream(0, "train"))
MADE = torch.cat([torch.rand(30, 3, 4, 4, generator=stream(0, "made")), TRAIN[7:9], TRAIN[20:21] + 0.01])


@pytest.mark.parametrize("size", [1, 11, 80])
def test_they_are_what_memorization_counts_the_surest_first(size: int) -> None:
    found = closest_pairs(MADE, lambda: iter(TRAIN.split(size)), most=5)
    rows, made = TRAIN.flatten(1).double(), MADE.flatten(1).double()
    exact = (made[:, None] - rows[None]).square().sum(-1)
    to_others = (rows[:, None] - rows[None]).square().sum(-1).fill_diagonal_(torch.inf).amin(1)
    ratios = (exact.amin(1) / to_others[exact.argmin(1)]).sqrt()
    order = ratios.argsort(stable=True)[:5]
    assert torch.equal(found.samples, MADE[order])
    assert torch.equal(found.nearest, TRAIN[exact.argmin(1)[order]])
    torch.testing.assert_close(found.ratios, ratios[order])
    torch.testing.assert_close(found.distances, exact.amin(1)[order].sqrt())
    assert found.distances[:2].tolist() == [0.0, 0.0]
    assert torch.equal(found.nearest[2], TRAIN[20])
    assert found.copies / found.num == float(memorization(rows, made)["memorization"])


def test_a_copy_of_an_image_that_is_there_twice_is_one() -> None:
    train = torch.tensor([0.0, 0.0, 1.0])[:, None, None, None]
    found = closest_pairs(torch.tensor([0.0, 0.1])[:, None, None, None], lambda: iter([train]), most=2)
    assert (found.ratios.tolist(), found.copies) == ([0.0, torch.inf], 1)


class Copyist(nn.Module):
    """Shows images that it has seen, in turn."""

    latent_size = 2

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("images", images)
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.images[torch.arange(len(z)) % len(self.images)] + self.shift


def _gan(images: Tensor, value_range: tuple[float, float]) -> GAN:
    gan = GAN(Copyist(images), nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 1)))
    gan.take_value_range(value_range)
    return gan.eval()


def _texts(figure: Any) -> list[str]:
    return [text.get_text() for text in (*figure.axes[0].texts, *figure.texts)]


def test_one_that_repeats_its_training_images_is_seen_in_colour_and_in_its_range(tmp_path: Path) -> None:
    write_image_folder(tmp_path / "pictures", num_per_class=20)
    data = ImageFolderDataModule(tmp_path / "pictures", image_size=8, value_range=(-1.0, 1.0), cache=False)
    gan = _gan(data.images("train", 5), data.value_range)
    found = suspicious_pairs(gan, data, most=4)
    assert (found.copies, found.num, found.distances.tolist()) == (1000, 1000, [0.0] * 4)
    assert torch.equal(found.samples, found.nearest)
    assert 0 <= float(found.samples.min()) < float(found.samples.max()) <= 1
    texts = _texts(memorization_figure(gan, data, rows=2, pairs=2))
    assert texts[:4] == ["0 (0.00)"] * 4
    assert "the 4 of 1,000 samples" in texts[4]
    train, rest = (
        each.flatten(1) for each in (data.images("train"), torch.cat([data.images("test"), data.images("val")]))
    )
    held_out = float(memorization((train + 1) / 2, (rest + 1) / 2)["memorization"])
    assert texts[4].endswith(f"at most 1 is a copy: 100.0% of the samples, {held_out:.1%} of held-out images")


def test_held_out_digits_are_no_copies() -> None:
    data = DigitsDataModule()
    gan = _gan(data.images("test"), (0.0, 1.0))
    found = suspicious_pairs(gan, data, most=3)
    expected = memorization(data.images("train"), data.images("test").repeat(4, 1, 1, 1)[:1000])["memorization"]
    assert found.copies / found.num == float(expected)
    assert 0 < float(found.ratios[0]) <= float(found.ratios[2]) < 1


def test_of_very_many_images_fewer_samples_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Labelled()
    gan = _gan(data.images("test"), (0.0, 1.0))
    monkeypatch.setattr(copies, "_MOST_WORK", 80 * 64 * 20)
    assert suspicious_pairs(gan, data, most=3).num == 20
    assert suspicious_pairs(gan, data, most=30).num == 30
    monkeypatch.setattr(copies, "_MOST_VALUES", 64 * 6)
    assert suspicious_pairs(gan, data, most=3).num == 6
    monkeypatch.setattr(copies, "work_of", lambda call: 4 * 10**11)
    monkeypatch.setattr(copies, "_MOST_DRAWN", 5 * 10**11)
    assert suspicious_pairs(gan, data, most=3).num == 5


def test_what_is_no_picture_is_told() -> None:
    gan = _gan(torch.rand(4, 2, 8, 8), (0.0, 1.0))
    with pytest.raises(UserError, match="images with 2 channels cannot be shown"):
        suspicious_pairs(gan, Labelled((2, 8, 8)), most=2)
