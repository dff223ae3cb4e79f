"""Any metric on streamed samples: which images, which names, how often, and beside what."""

import weakref
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import loader, trainer
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from lit_gan.callbacks import GenerativeEvaluation, ParzenEvaluation, RunCheckpoint
from lit_gan.callbacks.last_round import LastRound
from lit_gan.data import DigitsDataModule
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.randomness import stream


class Means(Metric):
    """How many real and generated images there were, and the means of both."""

    normalize, used_custom_model = True, True

    def __init__(self, name: str = "means", result: Any = dict) -> None:
        super().__init__()
        self.name, self.result = name, result
        self.seen_real = self.computed = 0
        self.add_state("sums", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor, real: bool) -> None:
        self.sums[int(real)] += images.double().mean((1, 2, 3)).sum()
        self.counts[int(real)] += len(images)
        self.seen_real += int(real) * len(images)

    def compute(self) -> Any:
        self.computed += 1
        means = self.sums / self.counts
        numbers = {"generated": means[0], "real": means[1], "num": self.counts[0], "num_real": self.counts[1]}
        return numbers if self.result is dict else self.result(*list(numbers.values())[:2])


def gan(**kwargs: Any) -> GAN:
    torch.manual_seed(3)
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,), weight_init=0.5, **kwargs)
    return GAN(generator, MaxoutDiscriminator((1, 8, 8), hidden=(4,), pieces=2))


def numbers(run: Any, *words: str) -> dict[str, float]:
    return {name: float(value) for name, value in run.callback_metrics.items() if any(word in name for word in words)}


def validated(callbacks: list[Any], model: Any = None, data: Any = None, verb: str = "validate") -> Any:
    run = trainer(precision="32-true", callbacks=callbacks)
    getattr(run, verb)(gan() if model is None else model, data or DigitsDataModule(), verbose=False)
    return run


def test_samples_of_the_seed_beside_the_whole_training_set() -> None:
    got = numbers(validated([GenerativeEvaluation([Means()], num_samples=1500)]), "means")
    blocks = torch.cat([gan().sample_data(num, rng=stream(0, "parzen", i)) for i, num in enumerate((1000, 500))])
    real = DigitsDataModule().images("train")
    assert (got["val/means_num"], got["val/means_num_real"]) == (1500, len(real))
    assert got["val/means_generated"] == pytest.approx(float(blocks.double().mean()), rel=1e-6)
    assert got["val/means_real"] == pytest.approx(float(real.double().mean()), rel=1e-6)


def test_a_test_evaluates_under_its_own_name() -> None:
    looks = GenerativeEvaluation([Means()], num_samples=20, reference="test")
    got = numbers(validated([looks], verb="test"), "means")
    assert got["test/means_num_real"] == 297


def test_conditions_have_their_equal_shares() -> None:
    class Watched(ConditionalGAN):
        conditions: list[Tensor] = []  # noqa: RUF012

        def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
            self.conditions.append(torch.as_tensor(condition))
            return super().generate(z, condition)

    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,), condition_size=10)
    discriminator = MaxoutDiscriminator((1, 8, 8), hidden=(4,), pieces=2, condition_size=10)
    model = Watched(generator, discriminator, num_classes=10)
    validated([GenerativeEvaluation([Means()], num_samples=50, reference="val")], model)
    (drawn,) = [condition for condition in model.conditions if len(condition) == 50]
    assert drawn.bincount().tolist() == [5] * 10


class Features(nn.Module):
    """Of torchmetrics' own metrics: four numbers, or the logits of ten classes."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return images.float().flatten(1)[:, 20 : 20 + self.num_features]


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save all extracted features")
def test_names_are_those_of_the_classes_and_of_their_parts() -> None:
    pair = namedtuple("pair", "nearest farthest")
    metrics = [
        FrechetInceptionDistance(Features(4), normalize=True),
        InceptionScore(Features(10), normalize=True, splits=2),  # takes no real images
        Means(result=pair),
        Means(name="", result=lambda *values: dict(zip(("precision", "recall"), values, strict=True))),
        Means(name="", result=lambda *values: {"precision": values[0]}),
    ]
    got = validated([GenerativeEvaluation(metrics, num_samples=50, reference="val")]).callback_metrics
    assert {name for name in got if name.split("/")[1] not in ("loss_d", "loss_g", "value", "jsd_bound", "d_lead")} - {
        "val/d_real",
        "val/d_fake",
    } == {
        "val/frechet_inception_distance",
        "val/inception_score_mean",
        "val/inception_score_std",
        "val/means_nearest",
        "val/means_farthest",
        "val/precision",
        "val/recall",
        "val/precision_2",
    }


class Held(nn.Module):
    """A generator that knows how many of its earlier batches are still held, and how large they were."""

    latent_size, output_range = 2, (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(2, 3)
        self.alive: list[Any] = []
        self.most_alive = self.largest = 0

    def forward(self, z: Tensor) -> Tensor:
        images = self.line(z).sigmoid()[:, :, None, None].repeat(1, 1, 128, 128)
        self.alive = [each for each in self.alive if each() is not None]
        self.most_alive = max(self.most_alive, len(self.alive))
        self.alive.append(weakref.ref(images.untyped_storage()))
        self.largest = max(self.largest, images.numel())
        return images


def test_samples_are_never_held_whole() -> None:
    class Data(LightningDataModule):
        def val_dataloader(self) -> Any:
            return loader(torch.rand(4, 3, 128, 128), 4)

    model = GAN(Held(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)))
    looks = GenerativeEvaluation([Means()], num_samples=400, reference="val")
    got = numbers(validated([looks], model, Data()), "means")
    assert got["val/means_num"] == 400
    assert model.generator.largest <= 3_200_000  # values, of 19.7 million
    assert model.generator.most_alive <= 2


def test_both_are_on_and_each_is_what_it_is_alone() -> None:
    def looks() -> tuple[ParzenEvaluation, GenerativeEvaluation]:
        further = ParzenEvaluation(num_samples=60, metrics=[Means(name="further")])
        return further, GenerativeEvaluation([Means()], num_samples=90)

    both = numbers(validated(list(looks())), "parzen", "means", "further")
    parzen = numbers(validated([looks()[0]]), "parzen", "means", "further")
    other = numbers(validated([looks()[1], ParzenEvaluation(num_samples=0)]), "parzen", "means", "further")
    assert both == {**parzen, **other}
    assert (both["val/further_num"], both["val/means_num"]) == (60, 90)
    assert not any("parzen" in name for name in other)


def test_no_metrics_and_other_modules_are_left_alone() -> None:
    assert numbers(validated([GenerativeEvaluation()]), "means") == {}
    trainer(callbacks=[GenerativeEvaluation([Means()])]).validate(BoringModel(), verbose=False)


class Few(DigitsDataModule):
    """Six rounds an epoch, of ten images each."""

    def load(self) -> Any:
        whole = super().load()
        rows = {"train": 60, "val": 20, "test": 20}
        return {split: type(part)(part.images[: rows[split]], None, part.convert) for split, part in whole.items()}

    num_classes = 0


class Epochs(Means):
    """In which epochs it computes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epochs: list[int] = []
        self.trainer: Any = None

    def compute(self) -> Any:
        self.epochs.append(self.trainer.current_epoch)
        return super().compute()


def fitted(
    metric: Epochs, epochs: int, folder: Path | None = None, resume: Any = None, further: Any = (), **kwargs: Any
) -> list[int]:
    looks = GenerativeEvaluation([metric], reference="val", **kwargs)
    keeper = [] if folder is None else [RunCheckpoint(folder, save_last=True, save_top_k=0)]
    settings = {
        "enable_checkpointing": folder is not None,
        "max_epochs": epochs,
        "callbacks": [looks, *keeper, *further],
    }
    metric.trainer = trainer(precision="32-true", **settings)
    metric.trainer.fit(gan(), Few(batch_size=10), ckpt_path=resume, weights_only=True)
    return metric.epochs


@pytest.mark.parametrize(("every", "epochs"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3]), (5, [4])])
def test_every_so_many_epochs_where_that_is_asked_for(every: int, epochs: list[int]) -> None:
    assert fitted(Epochs(), 5, num_samples=10, every_n_epochs=every) == epochs


def test_a_run_evaluates_at_its_end_where_the_whole_of_it_pays(tmp_path: Path) -> None:
    g, d = 2 * (4 * 8 + 8 * 64), 2 * (64 * 8 + 4)
    num = round(2.5 * 60 * 0.1 * (4 * g + 9 * d) / g / 1.5)  # as below: at one validation in three
    assert fitted(Epochs(), 2, further=[LastRound()], num_samples=num) == []
    assert fitted(Epochs(), 5, tmp_path, further=[LastRound()], num_samples=num) == [2, 4]
    # One that is to go on after all does so as if it had not ended.
    longer = fitted(Epochs(), 9, tmp_path, tmp_path / "last.ckpt", further=[LastRound()], num_samples=num)
    assert longer == [5, 8]


def test_left_to_itself_it_takes_a_tenth_of_the_work_and_goes_on_so(tmp_path: Path, capsys: Any) -> None:
    # A sample costs G, an image that is trained on 4 G + 9 D. G: 4 x 8 and 8 x 64 products, D: 64 x 8 and 4.
    g, d = 2 * (4 * 8 + 8 * 64), 2 * (64 * 8 + 4)
    num = round(2.5 * 60 * 0.1 * (4 * g + 9 * d) / g / 1.5)  # paid for by two epochs and a half
    whole = fitted(Epochs(), 9, num_samples=num)
    assert whole == [2, 5, 8]
    said = [line for line in capsys.readouterr().out.splitlines() if "evaluation.metrics" in line]
    expected = (
        f"lit-gan: evaluation.metrics see {num:,} samples at one validation in 3, first at the 3rd, for at most "
        "10% of the training's work (--evaluation.every_n_epochs N for another cadence, --evaluation.num_samples N "
        "for another number)."
    )
    assert said == [expected]
    parts = fitted(Epochs(), 5, tmp_path, num_samples=num)
    assert parts + fitted(Epochs(), 9, tmp_path, tmp_path / "last.ckpt", num_samples=num) == whole
    assert "evaluation.metrics" not in capsys.readouterr().out.partition("one validation in 3")[2]


def test_real_images_are_seen_once_a_run_and_once_for_all_runs(tmp_path: Path) -> None:
    metric = Epochs()
    fitted(metric, 3, num_samples=10, every_n_epochs=1)
    assert (metric.computed, metric.seen_real) == (3, 20)

    def distance(split: Any) -> tuple[float, int]:
        features = Features(4)
        fid = FrechetInceptionDistance(features, normalize=True)
        features.seen = 0
        looks = GenerativeEvaluation([fid], num_samples=50, reference=split, cache_dir=str(tmp_path))
        return float(validated([looks]).callback_metrics["val/frechet_inception_distance"]), features.seen

    first, again = distance("val"), distance("val")
    assert (first[1], again[1]) == (350, 50)
    assert first[0] == again[0]
    assert distance("test")[1] == 50 + 297
    assert len(list(tmp_path.iterdir())) == 2


class Best(Epochs):
    """Better each time that it is looked at."""

    def compute(self) -> Any:
        super().compute()
        return torch.tensor(-float(len(self.epochs)))


def test_the_best_checkpoint_is_chosen_where_the_metric_was_evaluated_alone(tmp_path: Path) -> None:
    for mode, best in (("min", "best-000024.ckpt"), ("max", "best-000012.ckpt")):
        metric, folder = Best(), tmp_path / mode
        looks = GenerativeEvaluation([metric], num_samples=10, reference="val", every_n_epochs=2)
        checkpoint = RunCheckpoint(folder, monitor="val/means", mode=mode, save_top_k=1)
        callbacks = [looks, checkpoint]
        metric.trainer = trainer(precision="32-true", enable_checkpointing=True, max_epochs=5, callbacks=callbacks)
        metric.trainer.fit(gan(), Few(batch_size=10))
        assert [path.name for path in folder.glob("best*")] == [best]


class Needs(Means):
    def update(self, images: Tensor, real: bool) -> None:
        raise ModuleNotFoundError("No module named 'torch_fidelity'", name="torch_fidelity.feature_extractor")


def test_a_package_that_is_missing_is_told_in_one_line() -> None:
    with pytest.raises(UserError) as told:
        validated([GenerativeEvaluation([Needs()])])
    assert str(told.value) == (
        "evaluation.metrics: Needs needs the package torch_fidelity, which is not installed: pip install "
        "torch-fidelity, or leave the metric out."
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_samples": 0}, r"evaluation\.num_samples = 0: expected at least 1; no metrics for none at all"),
        ({"every_n_epochs": 0}, r"evaluation\.every_n_epochs = 0: expected at least 1, or null"),
    ],
)
def test_arguments_out_of_range_are_told(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        GenerativeEvaluation(**kwargs)


def test_one_name_for_two_metrics_is_told() -> None:
    message = "parzen.metrics and evaluation.metrics both log means: expected one of them, or a metric whose attribute"
    with pytest.raises(UserError, match=message):
        validated([ParzenEvaluation(num_samples=0, metrics=[Means()]), GenerativeEvaluation([Means()])])


def test_images_of_no_known_range_are_told() -> None:
    class Unknown(LightningDataModule):
        def val_dataloader(self) -> Any:
            return loader(torch.rand(4, 1, 8, 8), 4)

    with pytest.raises(UserError, match=r"declare no range of pixel levels: expected an attribute value_range"):
        validated([GenerativeEvaluation([Means()])], gan(output_activation="linear"), Unknown())


def test_bare_loaders_have_no_split_to_choose() -> None:
    model = gan()
    model.value_range = (0.0, 1.0)
    with pytest.raises(UserError, match=r"evaluation\.reference = train: expected data from a LightningDataModule"):
        validated([GenerativeEvaluation([Means()])], model, loader(torch.rand(4, 1, 8, 8), 4))
