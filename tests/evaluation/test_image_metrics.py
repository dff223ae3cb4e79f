"""Any torchmetrics metric beside the Parzen score: its name, its real images, its faults."""

import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from tiny_gan import loader, trainer
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.image.kid import KernelInceptionDistance

from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.data import DigitsDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.image_metrics import ImageMetrics, _names
from lit_gan.gan import GAN
from lit_gan.metrics.feature_sets import FeatureSets
from lit_gan.metrics.frechet_distance import FrechetDistance
from lit_gan.metrics.memorization import Memorization
from lit_gan.metrics.precision_recall import PrecisionRecall
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.randomness import stream


class Means(Metric):
    """How many real and generated images there were, and the means of both."""

    def __init__(self) -> None:
        super().__init__()
        self.normalize, self.used_custom_model = True, True
        self.add_state("sums", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")
        self.largest_batch = 0

    def update(self, images: Tensor, real: bool) -> None:
        self.sums[int(real)] += images.double().mean((1, 2, 3)).sum()
        self.counts[int(real)] += len(images)
        self.largest_batch = max(self.largest_batch, len(images))

    def compute(self) -> dict[str, Tensor]:
        means = self.sums / self.counts
        return {"generated": means[0], "real": means[1], "num": self.counts[0], "num_real": self.counts[1]}


class MyFID(Means):
    """A name with an acronym in it."""


class KID(MyFID):
    """An acronym."""


class LPIPS2D(MyFID):
    """An acronym with a number."""


class NLLScore2d(MyFID):
    """An acronym, a word and a number."""


class FrechetInceptionDistance(MyFID):
    """Words."""


class Named(MyFID):
    """One that says its name."""

    name = "fid_of_faces"


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (MyFID, "my_fid"),
        (KID, "kid"),
        (LPIPS2D, "lpips2d"),
        (NLLScore2d, "nll_score2d"),
        (FrechetInceptionDistance, "frechet_inception_distance"),
        (Named, "fid_of_faces"),
    ],
)
def test_names_can_be_read(metric: type[Metric], name: str) -> None:
    assert _names([metric()]) == [name]


def test_metrics_of_one_name_are_numbered() -> None:
    assert _names([MyFID(), KID(), MyFID(), Named(), MyFID(), Named()]) == [
        *("my_fid", "kid", "my_fid_2", "fid_of_faces", "my_fid_3", "fid_of_faces_2")
    ]


def gan() -> GAN:
    torch.manual_seed(3)
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,), weight_init=0.5)
    return GAN(generator, MaxoutDiscriminator((1, 8, 8), hidden=(4,), pieces=2))


def evaluated(data: Any, verb: str = "validate", **kwargs: Any) -> dict[str, float]:
    run = trainer(precision="32-true", callbacks=[ParzenEvaluation(**kwargs)])
    getattr(run, verb)(gan(), data, verbose=False)
    return {name: float(value) for name, value in run.callback_metrics.items() if "means" in name or "parzen" in name}


def test_they_work_while_the_parzen_score_is_switched_off() -> None:
    got = evaluated(DigitsDataModule(), num_samples=0, metrics=[Means()], metrics_num_samples=70)
    assert not any("parzen" in name for name in got)
    assert (got["val/means_num"], got["val/means_num_real"]) == (70, 150)
    assert got["val/means_real"] == pytest.approx(float(DigitsDataModule().images("val")[150:].double().mean()))
    samples = gan().sample_data(70, rng=stream(0, "parzen", 0))
    assert got["val/means_generated"] == pytest.approx(float(samples.double().mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"num_samples": 40}, 40),
        ({"num_samples": 40, "metrics_num_samples": 90}, 90),
        ({"num_samples": 0}, 3000),  # ten for each of 300 validation images
    ],
)
def test_they_have_a_number_of_their_own(given: dict[str, int], expected: int) -> None:
    got = evaluated(DigitsDataModule(), metrics=[Means()], **given)
    assert got["val/means_num"] == expected
    assert ("val/parzen_nll" in got) is (given["num_samples"] > 0)


class Loaders(LightningDataModule):
    """A data module of the reader's own; a training loader that draws from the global generator."""

    value_range = (0.0, 1.0)

    def setup(self, stage: str) -> None:
        self.rows = torch.rand(90, 1, 8, 8, generator=torch.Generator().manual_seed(2))

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(self.rows[:50]), batch_size=20, shuffle=True)

    def val_dataloader(self) -> Any:
        return loader(self.rows[50:70], 20)

    def test_dataloader(self) -> Any:
        return loader(self.rows[70:], 20)


@pytest.mark.parametrize("verb", ["validate", "test"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_reference_is_the_split_that_is_asked_for(split: Any, verb: str) -> None:
    kwargs = {"num_samples": 0, "metrics": [Means()], "metrics_num_samples": 5, "reference": split}
    data: Any = Loaders()
    data.setup("fit")
    parts = {"train": data.rows[:50], "val": data.rows[50:70], "test": data.rows[70:]}
    prefix = {"validate": "val", "test": "test"}[verb]
    for module, expected in ((data, parts[split]), (DigitsDataModule(), DigitsDataModule().images(split))):
        got = evaluated(module, verb, **kwargs)
        assert got[f"{prefix}/means_num_real"] == len(expected)
        assert got[f"{prefix}/means_real"] == pytest.approx(float(expected.double().mean()), rel=1e-6)


def test_a_reference_needs_a_data_module() -> None:
    with pytest.raises(UserError, match=r"parzen\.reference = train: expected data from a LightningDataModule"):
        evaluated(loader(torch.rand(20, 1, 8, 8), 10), num_samples=0, metrics=[Means()], reference="train")


class Order(Callback):
    """The examples of each round, and where the global generator stands after it."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen += [batch[0], torch.random.get_rng_state()]


@pytest.mark.parametrize("reference", [None, "train"])
def test_evaluation_leaves_the_order_of_a_training_by_torch_s_loaders_alone(reference: Any) -> None:
    def order(callbacks: list[Any]) -> list[Tensor]:
        model, watch = gan(), Order()
        torch.manual_seed(11)
        trainer(precision="32-true", max_epochs=2, callbacks=[*callbacks, watch]).fit(model, Loaders())
        return watch.seen

    alone = order([])
    looks = ParzenEvaluation(num_samples=0, metrics=[Means()], metrics_num_samples=9, reference=reference)
    watched = order([looks])
    assert len(alone) == 12
    assert all(torch.equal(one, other) for one, other in zip(alone, watched, strict=True))


def test_real_images_are_fed_once_where_a_metric_can_keep_them() -> None:
    fed: list[int] = []

    class Features(torch.nn.Module):
        num_features = 4

        def forward(self, images: Tensor) -> Tensor:
            fed.append(len(images))
            return images.flatten(1)[:, :4].double()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps all features
        kid = KernelInceptionDistance(feature=Features(), subset_size=5, normalize=True)
    fed.clear()
    metrics = ImageMetrics([kid], "evaluation")
    real, values = torch.rand(30, 1, 4, 4), []

    def begin(reference: str, rows: Tensor) -> None:
        metrics.begin(20, 0, (0.0, 1.0), torch.device("cpu"), reference, lambda: [rows])

    for _ in range(2):
        begin("val", real)
        metrics.take(torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
        values.append(float(metrics.results()["kernel_inception_distance_mean"]))
    assert fed == [30, 20, 20]
    assert values[0] == values[1]
    begin("test", real[:10])
    assert fed == [30, 20, 20, 10]
    assert sum(len(rows) for rows in kid.real_features) == 10


class Refuses(Means):
    """Fails where it is told to."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__()
        self.where, self.error = where, error

    def update(self, images: Tensor, real: bool) -> None:
        if self.where == ("real" if real else "generated"):
            raise self.error

    def compute(self) -> Any:
        if self.where == "compute":
            raise self.error
        return torch.zeros(3)


@pytest.mark.parametrize("where", ["real", "generated", "compute"])
@pytest.mark.parametrize(
    "error", [ValueError("wrong\nshape"), torch.linalg.LinAlgError("singular"), IndexError("no 9")]
)
def test_one_that_fails_is_named_in_one_line(where: str, error: Exception) -> None:
    with pytest.raises(UserError) as raised:
        evaluated(DigitsDataModule(), num_samples=0, metrics=[Refuses(where, error)], metrics_num_samples=5)
    text = " ".join(str(error).split())
    kind = type(error).__name__
    assert str(raised.value).startswith(f"parzen.metrics: Refuses failed ({kind}: {text}): expected a metric of real")
    assert "\n" not in str(raised.value)


def test_one_that_gives_no_number_is_told() -> None:
    with pytest.raises(UserError, match=r"parzen\.metrics: refuses has the shape \(3,\): expected one number"):
        evaluated(DigitsDataModule(), num_samples=0, metrics=[Refuses("never", ValueError())], metrics_num_samples=5)


class Looks(torch.nn.Module):
    """Pixels, and how many images came by."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    def forward(self, images: Tensor) -> Tensor:
        seen[id(self)] += len(images)
        return self.scale * images.flatten(1)


seen: Counter[int] = Counter()


def test_equal_networks_look_at_an_image_once_and_others_for_themselves() -> None:
    def measured(*metrics: FeatureSets) -> tuple[dict[str, Tensor], list[int]]:
        seen.clear()
        all_of_them = ImageMetrics(metrics, "evaluation")
        real, generated = torch.rand(2, 40, 1, 3, 3, generator=torch.Generator().manual_seed(3))
        begun = all_of_them.begin(40, 0, (0.0, 1.0), torch.device("cpu"), "train", lambda: real.split(16))
        for batch in generated.split(25):
            begun.take(batch)
        return begun.results(), [seen[id(each.features)] for each in metrics]

    found, images = measured(PrecisionRecall(Looks()), FrechetDistance(Looks()), Memorization(Looks(2.0)))
    assert images == [80, 0, 80]
    alone = [
        measured(each)[0] for each in (PrecisionRecall(Looks()), FrechetDistance(Looks()), Memorization(Looks(2.0)))
    ]
    assert found == alone[0] | alone[1] | alone[2]
