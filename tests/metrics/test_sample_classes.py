"""What samples are read as: counted by hand, for any batches."""

import math

import pytest
import torch
from labelled import Labelled
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.features import ReferenceClassifier
from lit_gan.metrics import SampleClasses


class Brightness(ReferenceClassifier):
    """Reads an image's first pixel as its class, of three, and its second as how sure that is."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.image_shape, self.class_shares, self.class_names = (1, 1, 2), (0.5, 0.25, 0.25), names
        self.test_accuracy, self.num_test = 0.98, 100

    def probabilities(self, images: Tensor) -> Tensor:
        read, sure = images[:, 0, 0, 0].long(), images[:, 0, 0, 1]
        rest = ((1 - sure) / 2)[:, None].repeat(1, 3)
        return rest.scatter(1, read[:, None], sure[:, None])


READ = torch.tensor([0, 0, 1, 2, 2, 2, 1, 0])
ASKED = torch.tensor([0, 0, 0, 2, 2, 1, 1, 1])
SURE = torch.tensor([0.95, 0.85, 0.99, 0.5, 0.91, 0.89, 0.92, 1.0])
IMAGES = torch.stack([READ.float(), SURE], 1)[:, None, None, :]


def test_closed_forms() -> None:
    metric = SampleClasses(Brightness())
    for rows in (slice(0, 3), slice(3, 4), slice(4, 8)):
        metric.update(IMAGES[rows], condition=ASKED[rows])
    found = {name: float(value) for name, value in metric.compute().items()}
    shares = [3 / 8, 2 / 8, 3 / 8]
    assert found == pytest.approx(
        {
            "class_accuracy": 5 / 8,
            "class_accuracy_0": 2 / 3,
            "class_accuracy_1": 1 / 3,
            "class_accuracy_2": 1.0,
            "class_entropy": -sum(q * math.log(q) for q in shares),
            "class_kl": sum(q * math.log(q / p) for q, p in zip(shares, (0.5, 0.25, 0.25), strict=True)),
            "classes_covered": 1.0,
            "confident_share": 5 / 8,
            "classifier_accuracy": 0.98,
        },
        abs=1e-12,
    )


def test_on_a_device_without_float64_the_numbers_are_of_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = SampleClasses(Brightness())
    metric.update(IMAGES, condition=ASKED)
    expected = metric.compute()
    monkeypatch.setattr(SampleClasses, "device", torch.device("mps"))  # the tensors stay where they are
    metric.update(IMAGES[:0])
    found = metric.compute()
    assert {value.dtype for value in expected.values()} == {torch.float64}
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert [float(value) for value in found.values()] == pytest.approx([*map(float, expected.values())], rel=1e-6)


def test_samples_are_read_in_32_bits_under_autocast_too() -> None:
    class Brighter(Brightness):
        def probabilities(self, images: Tensor) -> Tensor:
            return (images.flatten(1) @ torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).softmax(1)

    metric = SampleClasses(Brighter())
    with torch.autocast("cpu", torch.bfloat16):
        metric.update(torch.tensor([0.7, 0.7001]).expand(5, 1, 1, 2), condition=torch.ones(5).long())
    assert metric.compute()["class_accuracy"] == 1.0


def test_one_class_alone_has_no_entropy_and_the_whole_divergence() -> None:
    metric = SampleClasses(Brightness())
    metric.update(IMAGES[:2])
    found = metric.compute()
    assert (float(found["class_entropy"]), float(found["class_kl"])) == pytest.approx((0.0, math.log(2)))
    assert float(found["classes_covered"]) == pytest.approx(1 / 3)
    assert "class_accuracy" not in found


@pytest.mark.parametrize(("of_class_1", "covered"), [(25, 2 / 3), (26, 1.0)])
def test_a_class_is_covered_by_a_tenth_of_its_share(of_class_1: int, covered: float) -> None:
    metric = SampleClasses(Brightness())  # class 1 is a quarter of the real images
    read = torch.tensor([0] * 500 + [1] * of_class_1 + [2] * (510 - of_class_1))
    metric.update(torch.stack([read.float(), torch.ones(len(read))], 1)[:, None, None, :])
    assert float(metric.compute()["classes_covered"]) == pytest.approx(covered)


def test_of_no_images_nothing_is_known() -> None:
    metric = SampleClasses(Brightness())
    metric.update(IMAGES[:0])
    assert math.isnan(float(metric.compute()["classes_covered"]))


def test_classes_have_their_names_or_are_summed_up() -> None:
    named = SampleClasses(Brightness(("a", "b b", "c")))
    named.update(IMAGES, condition=ASKED)
    assert {"class_accuracy_a", "class_accuracy_b_b", "class_accuracy_c"} < set(named.compute())
    short = SampleClasses(Brightness(), by_class=False)
    short.update(IMAGES, condition=ASKED)
    assert {name for name in short.compute() if "accuracy" in name} == {"class_accuracy", "classifier_accuracy"}


@pytest.mark.parametrize("condition", [torch.zeros(8, 3), torch.zeros(8)])
def test_a_condition_that_is_no_class_is_left_aside(condition: Tensor) -> None:
    metric = SampleClasses(Brightness())
    metric.update(IMAGES, condition=condition)
    assert "class_accuracy" not in metric.compute()


def test_reset_forgets_and_knows_a_classifier_that_was_trained_meanwhile() -> None:
    metric = SampleClasses()
    with pytest.raises(UserError, match="is not trained"):
        metric.update(torch.zeros(1, 1, 8, 8))
    data = Labelled()
    metric.classifier.fit(data)
    metric.reset()
    metric.update(data.images("test"), condition=data.dataset("test").labels)
    assert float(metric.compute()["class_accuracy"]) == 1.0
    metric.reset()
    metric.update(data.images("test")[:1])
    assert float(metric.compute()["class_entropy"]) == 0.0
