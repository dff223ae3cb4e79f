"""What a classifier reads a GAN's samples as, logged beside a training: whose classifier, when, at what cost."""

from pathlib import Path
from typing import Any

import pytest
import torch
from labelled import Labelled
from lightning.pytorch import LightningDataModule
from tiny_gan import loader, trainer
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from lit_gan.callbacks import GenerativeEvaluation, ParzenEvaluation
from lit_gan.errors import UserError
from lit_gan.evaluation.reference_classifiers import kept_in, reference_classifier
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.features import ReferenceClassifier
from lit_gan.gan import GAN
from lit_gan.metrics import ConditionalParzenNLL, SampleClasses
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.randomness import stream


class Bright(ConditionalGAN):
    """Draws what it is asked for, but for the first quarter of a block, which is of the other class."""

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        classes = self.sample_condition(len(z)) if condition is None else condition
        wrong = torch.arange(len(z)) < len(z) // 4
        noise = super().generate(z, classes)
        return (0.3 * noise + 0.6 * (classes ^ wrong.long()).to(noise)[:, None, None, None]).clamp(0, 1)


def players() -> tuple[MLPGenerator, MaxoutDiscriminator]:
    torch.manual_seed(2)
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,), condition_size=2)
    return generator, MaxoutDiscriminator((1, 8, 8), hidden=(4,), pieces=2, condition_size=2)


def validated(callbacks: list[Any], model: Any = None, data: Any = None) -> dict[str, float]:
    run = trainer(precision="32-true", callbacks=callbacks)
    run.validate(Bright(*players(), num_classes=2) if model is None else model, data or Labelled(), verbose=False)
    return {name: float(value) for name, value in run.callback_metrics.items()}


def test_a_conditional_run_logs_what_its_samples_are_read_as(tmp_path: Path, capsys: Any) -> None:
    looks = GenerativeEvaluation([SampleClasses()], num_samples=80, cache_dir=str(tmp_path))
    got = validated([looks])
    assert [got[f"val/class_accuracy{which}"] for which in ("", "_0", "_1")] == [0.75, 0.5, 1.0]
    assert (got["val/classifier_accuracy"], got["val/class_kl"]) == (
        1.0,
        pytest.approx(0.75 * 0.405465 - 0.25 * 0.693147),
    )
    kept = kept_in(Labelled(), tmp_path)
    said = f"lit-gan: training the reference classifier on 80 labelled images, to be kept in {kept}.\n"
    assert said in capsys.readouterr().out
    again = GenerativeEvaluation([SampleClasses()], num_samples=80, cache_dir=str(tmp_path))
    assert validated([again]) == got
    assert "training" not in capsys.readouterr().out


def test_a_gan_without_conditions_has_the_balance_alone() -> None:
    model = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,)), MaxoutDiscriminator((1, 8, 8), hidden=(4,)))
    classifier = reference_classifier(Labelled(), None)
    got = validated([GenerativeEvaluation([SampleClasses(classifier)], num_samples=50)], model)
    assert {name for name in got if "class" in name} == {
        "val/class_entropy",
        "val/class_kl",
        "val/classes_covered",
        "val/classifier_accuracy",
    }
    assert 0 <= got["val/confident_share"] <= 1


def test_other_metrics_take_its_features(tmp_path: Path) -> None:
    """A Fréchet distance where an Inception network means nothing; what it knows of real images follows the weights."""
    fid = FrechetInceptionDistance(ReferenceClassifier(), normalize=True)
    looks = GenerativeEvaluation([fid], num_samples=40, cache_dir=str(tmp_path))
    got = validated([looks])["val/frechet_inception_distance"]
    trained = FrechetInceptionDistance(reference_classifier(Labelled(), tmp_path), normalize=True)
    data = Labelled()
    trained.update(data.images("train"), real=True)
    trained.update(Bright(*players(), num_classes=2).sample_data(40, rng=stream(0, "parzen", 0)), real=False)
    assert got == pytest.approx(float(trained.compute()), rel=1e-3)


class Untouched(ReferenceClassifier):
    def fit(self, *arguments: Any, **kwargs: Any) -> Any:
        raise AssertionError("it is trained")


def test_it_is_not_trained_before_the_training_has_paid_for_it(capsys: Any) -> None:
    """Classifier and samples together take a tenth of the work: one of 4,000 images is dear to a tiny GAN."""
    looks = GenerativeEvaluation([SampleClasses(Untouched())], num_samples=10)
    run = trainer(precision="32-true", callbacks=[looks], max_epochs=3)
    run.fit(ConditionalGAN(*players(), num_classes=2), Labelled())
    first, later = looks._cadence.next, looks._cadence.later
    assert first > 100 * later
    assert "10 samples at one validation in" in capsys.readouterr().out
    assert not any("class" in name for name in run.callback_metrics)


def test_bare_loaders_need_a_classifier_that_is_trained() -> None:
    class Foreign(LightningDataModule):
        value_range = (0.0, 1.0)

        def val_dataloader(self) -> Any:
            return loader(torch.rand(4, 1, 8, 8), 4)

    model = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,)), MaxoutDiscriminator((1, 8, 8), hidden=(4,)))
    message = (
        r"evaluation\.metrics: ReferenceClassifier is trained on a data module of lit_gan\.data, got Foreign: give"
    )
    with pytest.raises(UserError, match=message):
        validated([GenerativeEvaluation([SampleClasses()], num_samples=10)], model, Foreign())
    with pytest.raises(UserError, match="Labelled has num_classes = 0: expected data with labels of at least 2"):
        validated([GenerativeEvaluation([SampleClasses()], num_samples=10)], model, Labelled(labelled=False))


def test_the_parzen_score_by_class_stands_beside_the_pooled_one() -> None:
    got = validated([ParzenEvaluation(num_samples=200)])
    model, data = Bright(*players(), num_classes=2), Labelled()
    metric = ConditionalParzenNLL()
    samples = model.sample_data(200, rng=stream(0, "parzen", 0))
    metric.update(samples, real=False, condition=model.sample_condition(200))
    images, labels = data.images("val"), data.dataset("val").labels
    metric.update(images[:40], real=True, split="val", condition=labels[:40])
    metric.update(images[40:], real=True, condition=labels[40:])
    expected = metric.compute()
    assert got["val/parzen_nll_conditional"] == pytest.approx(float(expected["nll"]), abs=1e-6)
    assert got["val/parzen_se_conditional"] == pytest.approx(float(expected["se"]), abs=1e-6)
    assert got["val/parzen_nll_conditional"] != got["val/parzen_nll"]


@pytest.mark.parametrize("kwargs", [{"sigma": "em"}, {"num_samples": 1}])
def test_there_is_none_where_it_has_no_meaning(kwargs: dict[str, Any]) -> None:
    """No width for all classes, or a class without a sample."""
    got = validated([ParzenEvaluation(**{"num_samples": 20, **kwargs})])
    assert "val/parzen_nll" in got
    assert "val/parzen_nll_conditional" not in got
