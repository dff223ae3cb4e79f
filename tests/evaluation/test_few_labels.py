"""Classifiers of few labels: that features help where they can, which labels are read, and what has none."""

from collections.abc import Mapping

import pytest
import torch
from semi_supervised_cases import Blots, scrambled, small
from tiny_gan import linear_gan
from torch import Tensor, nn

from lit_gan.data.base import Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.errors import UserError
from lit_gan.evaluation import few_labels
from lit_gan.evaluation.few_labels import Features, few_label_errors
from lit_gan.extensions.inference import InferenceNetwork
from lit_gan.latents import Normal


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_labels, "_STEPS", 30)


class Single(Blots):
    """In float32, as the shipped data."""

    def load(self) -> Mapping[Split, ImageDataset]:
        return {
            name: ImageDataset(rows.images, rows.labels, lambda images, rows=rows: rows.convert(images).float())
            for name, rows in super().load().items()
        }


class Known(nn.Module):
    """An encoder that says where an image is bright, in another scale for each place."""

    latent_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1e-3, 1e3]))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1)[:, :2] > 0.5) * self.scale


class Copy(nn.Module):
    latent_size = 2

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([z, z], dim=1).view(-1, 1, 2, 2)


def test_on_features_that_say_it_all_a_linear_classifier_is_right() -> None:
    found = few_label_errors(InferenceNetwork(Known(), Copy(), Normal()), Single(), num_labels=3, label_seed=1)
    assert found["linear_features"] == 0
    assert found.keys() == {"linear_pixels", "supervised", "linear_features", "fine_tuned"}
    assert found["fine_tuned"] == 0  # it begins there, and its steps are small


def test_of_a_semi_supervised_gan_there_is_what_it_says_itself() -> None:
    gan, data = small(), Single()
    found = few_label_errors(gan, data, num_labels=3, label_seed=1)
    truth = data.dataset("test").labels
    wrong = (gan.classify(data.images("test")).argmax(1) != truth).double().mean()
    assert found["joint"] == pytest.approx(wrong.item())
    assert all(0 <= error <= 1 for error in found.values())


def test_labels_that_were_not_drawn_are_never_read_and_the_module_stays_as_it_was() -> None:
    gan, labels = small(), torch.arange(60) % 3
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    found = [
        few_label_errors(gan, Single(given), num_labels=6, label_seed=2)
        for given in (labels, scrambled(labels, 6, 3, label_seed=2))
    ]
    assert found[0] == found[1]
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())


def test_a_linear_classifier_is_the_layer_that_fine_tuning_begins_with() -> None:
    features, labels = torch.randn(40, 5) * torch.tensor([1e-3, 1.0, 1e3, 1.0, 0.0]), torch.arange(40) % 3
    head = few_labels._Linear(features, labels)
    others = torch.randn(200, 5) * torch.tensor([1e-3, 1.0, 1e3, 1.0, 5.0])
    logits = head.layer(3).double()(others.double())
    assert torch.equal(logits.argmax(1), head(others))


def test_a_module_without_features_is_told() -> None:
    with pytest.raises(UserError, match=r"^a classifier on features: GAN has neither an encoder nor a discriminator"):
        Features(linear_gan())
