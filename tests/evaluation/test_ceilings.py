"""What real images score in the place of samples: the numbers, of how many images, and which images these are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from labelled import Labelled
from real_formats import write_cifar10
from torch import Tensor, nn
from torchmetrics import Metric

from lit_gan.data import CIFAR10DataModule, DigitsDataModule, ToyDataModule, cifar10
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.errors import UserError
from lit_gan.evaluation import ceilings
from lit_gan.evaluation.ceilings import Ceiling, RealImages
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.features import ReferenceClassifier
from lit_gan.functional.frechet import Moments, frechet_distance
from lit_gan.functional.memorization import memorization
from lit_gan.functional.precision_recall import precision_recall
from lit_gan.metrics import FrechetDistance, Memorization, PrecisionRecall
from lit_gan.metrics.modes_covered import ModesCovered
from lit_gan.metrics.sample_classes import SampleClasses
from lit_gan.randomness import stream


class Numbered(InMemoryDataModule):
    """Images in each of which stands its number: 60 for training, 20 and 20 held out; in [-1, 1]."""

    image_shape, num_classes, value_range = (1, 2, 2), 0, (-1.0, 1.0)

    def load(self) -> Mapping[Split, ImageDataset]:
        levels = torch.arange(100.0)[:, None, None, None].expand(100, 1, 2, 2).clone()
        levels += torch.rand(levels.shape, generator=stream(0, "levels"))
        parts = {"train": levels[:60], "val": levels[60:80], "test": levels[80:]}
        return {name: ImageDataset(part, None, lambda rows: rows / 101 * 2 - 1) for name, part in parts.items()}


class Watching(Metric):
    """Keeps the numbers of the images that it sees."""

    normalize, used_custom_model = True, True
    name = "seen"
    whole_reference = False

    def __init__(self) -> None:
        super().__init__()
        self.real: list[int] = []
        self.placed: list[int] = []

    def update(self, images: Tensor, real: bool) -> None:
        seen = (images[:, 0].flatten(1).mean(1) * 101).long().tolist()
        (self.real if real else self.placed).extend(seen)

    def compute(self) -> Tensor:
        return torch.tensor(float(len(self.placed)))

    def __hash__(self) -> int:
        return id(self)


class Whole(Watching):
    whole_reference = True


class Alone(Watching):
    def update(self, images: Tensor) -> None:  # type: ignore[override]
        super().update(images, real=False)


def _found(metric: Metric, data: InMemoryDataModule, num: int, reference: Any = "train", **options: Any) -> Ceiling:
    return RealImages(data, num, reference, **options).measured_by(ImageMetrics([metric], "evaluation"), 0)


def _rows(metric: Metric, data: InMemoryDataModule, num: int, reference: Any = "train") -> tuple[Tensor, Tensor]:
    """The features of the images in the place of samples, and beside them, as the metric itself got them."""
    seen: dict[bool, list[Tensor]] = {True: [], False: []}
    update = metric.update

    def watched(images: Tensor, real: bool) -> None:
        seen[real].append(images.flatten(1).double())
        update(images, real)

    metric.update = watched  # type: ignore[method-assign]
    _found(metric, data, num, reference)
    probes = int(getattr(metric, "compares_pairs", False))  # an image that shows how many features there are
    return torch.cat(seen[False][probes:]), torch.cat(seen[True])


# -- Which images ------------------------------------------------------------------------------------------------------


def test_held_out_images_stand_for_samples_where_there_are_enough() -> None:
    metric = Watching()
    found = _found(metric, Numbered(), num=30)
    assert (found.num, found.num_reference, found.samples, found.reference) == (30, 60, 30, 60)
    assert sorted(metric.real) == list(range(60))
    assert len(set(metric.placed)) == 30
    assert set(range(80, 100)) < set(metric.placed) <= set(range(60, 100))  # those of the test first
    assert found.values == {"seen": 30.0}


def test_beside_a_held_out_reference_training_images_help_out() -> None:
    metric = Watching()
    found = _found(metric, Numbered(), num=50, reference="val")
    assert (found.num, found.num_reference, found.reference) == (50, 20, 20)
    assert sorted(metric.real) == list(range(60, 80))
    assert set(metric.placed).isdisjoint(metric.real)
    assert set(range(80, 100)) < set(metric.placed)


@pytest.mark.parametrize(("num", "placed", "beside"), [(60, 50, 50), (240, 75, 25), (41, 40, 59)])
def test_else_all_images_are_parted_in_the_ratio_of_a_model(num: int, placed: int, beside: int) -> None:
    metric = Watching()
    found = _found(metric, Numbered(), num=num)
    assert (found.num, found.num_reference, found.samples, found.reference) == (placed, beside, num, 60)
    assert len({*metric.placed, *metric.real}) == placed + beside
    assert not set(metric.placed) <= set(range(60, 100))


def test_the_training_images_stay_whole_where_they_must_and_what_looks_at_samples_alone_sees_held_out_ones() -> None:
    metric = Whole()
    found = _found(metric, Numbered(), num=500)
    assert (found.num, found.num_reference) == (40, 60)
    assert (sorted(metric.placed), sorted(metric.real)) == (list(range(60, 100)), list(range(60)))
    alone = Alone()
    found = _found(alone, Numbered(), num=500)
    assert (found.num, found.num_reference, found.reference, found.in_words) == (40, 0, 0, "40")
    assert sorted(alone.placed) == list(range(60, 100))


def test_equal_numbers_where_they_are_wanted() -> None:
    found = _found(Watching(), Numbered(), num=10, equal=True)
    assert (found.num, found.num_reference, found.in_words) == (10, 10, "10 beside 10")


def test_the_same_images_every_time() -> None:
    first, again = Watching(), Watching()
    for metric in (first, again):
        _found(metric, Numbered(), num=60)
    assert (first.placed, first.real) == (again.placed, again.real)


# -- The numbers -------------------------------------------------------------------------------------------------------


def test_they_are_those_of_the_definitions() -> None:
    data = Numbered()
    placed, beside = _rows(PrecisionRecall(k=3), data, 60)
    values = _found(PrecisionRecall(k=3), data, 60).values
    assert (len(placed), len(beside)) == (50, 50)
    assert values == {name: float(value) for name, value in precision_recall(beside, placed, 3).items()}
    placed, beside = _rows(FrechetDistance(), data, 30)
    values = _found(FrechetDistance(), data, 30).values
    expected = float(frechet_distance(Moments.of(beside), Moments.of(placed)))
    assert values["frechet_distance"] == pytest.approx(expected, rel=1e-9)
    assert (values["frechet_num_generated"], values["frechet_num_real"]) == (30, 60)
    shown = [((data.images(split) + 1) / 2).flatten(1) for split in ("train", "test", "val")]
    expected = memorization(shown[0], torch.cat(shown[1:]))["memorization"]
    assert _found(Memorization(), data, 60).values["memorization"] == float(expected)


def test_of_halves_a_perfect_generator_has_what_is_known_in_closed_form() -> None:
    """Density 1, coverage 1 - (n - 1)...(n - k) / (2n - 1)...(2n - k): Naeem et al. 2020."""
    found = _found(PrecisionRecall(), DigitsDataModule(), 1200)
    assert (found.num, found.num_reference) == (898, 898)
    covered = 1 - torch.tensor([(898 - i) / (2 * 898 - i) for i in range(1, 6)]).prod()
    assert found.values["coverage"] == pytest.approx(float(covered), abs=0.02)
    assert found.values["density"] == pytest.approx(1, abs=0.06)


def test_classes_of_real_images_are_those_of_their_labels() -> None:
    data = Labelled()
    classifier = ReferenceClassifier().fit(data)
    found = _found(SampleClasses(classifier), data, 1000)
    assert found.num == 160
    assert found.values["class_accuracy"] == found.values["class_accuracy_1"] == 1
    assert "classifier_accuracy" not in found.values  # of other images
    assert found.values["class_entropy"] == pytest.approx(float(torch.tensor(2.0).log()))
    direct = (classifier.probabilities(data.images("test")).amax(1) > 0.9).double().mean()
    assert found.values["confident_share"] == float(direct)


def test_photographs_with_their_contrast_normalised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, checksum in write_cifar10(tmp_path).items():
        monkeypatch.setitem(cifar10.CHECKSUMS, name, checksum)
    data = CIFAR10DataModule(tmp_path, num_validation=20)
    found = _found(PrecisionRecall(k=2), data, 30)
    assert (found.num, found.num_reference) == (30, 80)
    assert 0 <= found.values["recall"] <= 1


def test_points_have_modes() -> None:
    found = _found(ModesCovered(), ToyDataModule(num_train=50, num_validation=400, num_test=400), 300)
    assert (found.num, found.values["modes_covered"]) == (300, 1)


def test_comparing_all_pairs_is_bounded_in_the_same_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "_MOST_WORK", 4 * (60**2 + 60 * 20 + 20**2) / 4)
    found = _found(PrecisionRecall(k=2), Numbered(), num=20)
    assert (found.num, found.num_reference, found.samples, found.reference) == (10, 30, 20, 60)
    found = _found(FrechetDistance(), Numbered(), num=20)
    assert (found.num, found.num_reference) == (20, 60)


# -- What is kept ------------------------------------------------------------------------------------------------------


def test_what_was_found_is_found_again_without_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _found(PrecisionRecall(k=2), Numbered(), 20, folder=tmp_path)
    (file,) = (tmp_path / "real").iterdir()
    assert file.name.startswith("PrecisionRecall-")
    monkeypatch.setattr(RealImages, "_measured", None)
    assert _found(PrecisionRecall(k=2), Numbered(), 20, folder=tmp_path) == first
    for other in ({"num": 21}, {"reference": "val"}, {"data": DigitsDataModule()}, {"metric": PrecisionRecall(k=3)}):
        given: dict[str, Any] = {"metric": PrecisionRecall(k=2), "data": Numbered(), "num": 20, **other}
        with pytest.raises(TypeError):
            _found(**given, folder=tmp_path)


@pytest.mark.parametrize("content", [b"PK nothing", None])
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes | None) -> None:
    first = _found(PrecisionRecall(k=2), Numbered(), 20, folder=tmp_path)
    (file,) = (tmp_path / "real").iterdir()
    if content is None:
        torch.save({"other": 1}, file)
    else:
        file.write_bytes(content)
    assert _found(PrecisionRecall(k=2), Numbered(), 20, folder=tmp_path) == first


def test_what_metrics_cannot_take_is_told_by_their_names() -> None:
    with pytest.raises(
        UserError, match="PrecisionRecall: got 20 real and 3 generated images: expected more than k = 5"
    ):
        _found(PrecisionRecall(), Numbered(), 3, reference="val")
    with pytest.raises(UserError, match=r"evaluation\.metrics: PrecisionRecall failed \(RuntimeError"):
        _found(PrecisionRecall(nn.Linear(3, 2)), Numbered(), 10)
