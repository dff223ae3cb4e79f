"""What samples are read with: how well it reads, and that it is a function of the data and the seed."""

import pytest
import torch
from labelled import Labelled

from lit_gan.data import DigitsDataModule
from lit_gan.errors import UserError
from lit_gan.features import ReferenceClassifier


@pytest.fixture(scope="module")
def digits() -> ReferenceClassifier:
    return ReferenceClassifier().fit(DigitsDataModule())


def test_it_reads_the_digits_and_says_how_well(digits: ReferenceClassifier) -> None:
    rows = DigitsDataModule().dataset("test")
    found = digits.probabilities(rows.convert(rows.images)).argmax(1)
    assert digits.test_accuracy == pytest.approx(float((found == rows.labels).double().mean()), abs=1e-12)
    assert (digits.test_accuracy >= 0.97, digits.num_test) == (True, 297)
    counts = DigitsDataModule().dataset("train").labels.bincount()
    assert digits.class_shares == pytest.approx((counts / 1200).tolist())
    assert digits.class_names == tuple("0123456789")


def test_features_logits_and_probabilities_go_together(digits: ReferenceClassifier) -> None:
    images = torch.rand(4, 1, 8, 8)
    assert digits(images).shape == (4, digits.num_features)
    torch.testing.assert_close(digits.probabilities(images), digits.logits(images).softmax(1))
    torch.testing.assert_close(digits.logits(images), digits.head(digits(images)))
    levels = (images * 255).round().to(torch.uint8)
    torch.testing.assert_close(digits(levels), digits(levels / 255))


def test_it_stays_in_evaluation_mode_and_takes_no_gradient(digits: ReferenceClassifier) -> None:
    digits.train()
    assert not any(module.training for module in digits.modules())
    assert not any(parameter.requires_grad for parameter in digits.parameters())
    images = torch.rand(2, 1, 8, 8, requires_grad=True)
    digits.logits(images).sum().backward()  # a sample may be judged on its way to a loss
    assert images.grad is not None


def test_equal_seeds_give_equal_bits_and_nobodys_random_numbers_are_taken() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with torch.inference_mode():  # as within a validation
        one, two, other = (ReferenceClassifier(seed).fit(Labelled()) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(2), expected)
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(one.logits(images), two.logits(images))
    assert not torch.equal(one.logits(images), other.logits(images))


def test_it_reads_images_of_another_range_and_shape() -> None:
    wide = Labelled((3, 12, 40), value_range=(-1.0, 1.0))
    classifier = ReferenceClassifier().fit(wide)
    assert classifier.test_accuracy == 1.0
    rows = wide.dataset("test")
    shown = (rows.convert(rows.images) + 1) / 2
    assert torch.equal(classifier.probabilities(shown).argmax(1), rows.labels)


def test_what_it_is_comes_back_from_plain_data(digits: ReferenceClassifier, tmp_path: object) -> None:
    torch.save(digits.as_dict(), f"{tmp_path}/it.pt")
    again = ReferenceClassifier().take(torch.load(f"{tmp_path}/it.pt", weights_only=True))
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(again.logits(images), digits.logits(images))
    assert (again.test_accuracy, again.class_shares) == (digits.test_accuracy, digits.class_shares)


def test_what_it_cannot_read_is_told(digits: ReferenceClassifier) -> None:
    with pytest.raises(UserError, match=r"is not trained: expected ReferenceClassifier\(\)\.fit\(data\)"):
        ReferenceClassifier()(torch.zeros(1, 1, 8, 8))
    with pytest.raises(UserError, match=r"got images of shape \(1, 3, 8, 8\): expected \(N, 1, 8, 8\)"):
        digits(torch.zeros(1, 3, 8, 8))
    with pytest.raises(UserError, match="Labelled has num_classes = 0: expected data with labels of at least 2"):
        ReferenceClassifier().fit(Labelled((1, 8, 8), labelled=False))
