"""What completions are measured by, against what is worked out by hand."""

from typing import Any

import pytest
import torch
from inpainting_cases import small
from torch import Tensor

from lit_gan.evaluation.completions import completion_classes, completion_errors, completion_likelihood
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.extensions.masks import named_mask


class Grey(InpaintingGAN):
    """Completes by one grey, the first number of z."""

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        assert condition is not None
        visible, mask = condition[:, :-1], condition[:, -1:]
        return torch.where(mask > 0, visible, z[:, :1, None, None].sigmoid().expand_as(visible))


def _images(num: int) -> Tensor:
    return torch.rand(num, 1, 4, 4, generator=torch.Generator().manual_seed(num))


def test_errors_are_those_of_the_hidden_part() -> None:
    gan, train, test = small(Grey), _images(30), _images(7)
    hidden = named_mask("left-half", 4, 4) == 0
    completed = gan.complete(test, named_mask("left-half", 4, 4), 4, rng=None)
    found = completion_errors(gan, train, test, "left-half", num=200)
    levels = gan.latent.sample(100_000)[:, 0].sigmoid()
    expected = (levels[:, None] - test[:, 0, hidden].flatten()).square().mean()
    assert completed.shape == (7, 4, 1, 4, 4)
    assert found["error"] == pytest.approx(float(expected), rel=0.05)
    assert found["spread"] == pytest.approx(float(levels.std()), rel=0.05)
    best = test[:, 0, hidden].var(dim=1, correction=0).mean()  # by the grey that is each image's mean
    assert found["error_best"] == pytest.approx(float(best), rel=0.05)
    mean = train.mean(0)[0, hidden]
    assert found["error_mean_fill"] == pytest.approx(float((test[:, 0, hidden] - mean).square().mean()), rel=1e-6)
    nearest = torch.cdist(test[:, 0, ~hidden], train[:, 0, ~hidden]).argmin(1)
    wrong = (test[:, 0, hidden] - train[nearest, 0][:, hidden]).square().mean()
    assert found["error_nearest"] == pytest.approx(float(wrong), rel=1e-6)


def test_a_mean_fill_is_likely_and_a_grey_is_less_so() -> None:
    """On images that are nearly one grey, which the mean image is and a grey of any level is not."""
    gan = small(Grey)
    images = 0.5 + 0.1 * (_images(200) - 0.5)
    found = completion_likelihood(gan, images[:100], images[100:150], images[150:], "left-half")
    assert found.keys() == {"parzen_nll", "parzen_nll_mean_fill", "parzen_nll_nearest"}
    assert found["parzen_nll_mean_fill"] < found["parzen_nll"]


class Brightness:
    """Reads an image as bright (1) or dark (0)."""

    num_classes = 2

    def probabilities(self, images: Tensor) -> Tensor:
        bright = (images.flatten(1).mean(1) > 0.5).float()
        return torch.stack([1 - bright, bright], dim=1)


def test_a_class_that_z_decides_has_entropy_and_one_that_is_visible_has_none() -> None:
    reader: Any = Brightness()
    gan, labels = small(Grey), torch.ones(5, dtype=torch.long)
    free = completion_classes(gan, reader, torch.ones(5, 1, 4, 4), labels, "nothing", num=200)
    assert free["entropy"] == pytest.approx(0.693, abs=0.01)
    assert free["agreement"] == pytest.approx(0.5, abs=0.06)
    seen = completion_classes(gan, reader, torch.ones(5, 1, 4, 4), labels, "left-half", num=20)
    assert seen == {"agreement": 1.0, "entropy": 0.0}
