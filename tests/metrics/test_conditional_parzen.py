"""The Parzen score by class, against each class's own score by direct sums in float64."""

import math

import pytest
import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.functional.parzen import PAPER_SIGMAS
from lit_gan.metrics import ConditionalParzenNLL, ParzenNLL


def rows(num: int, seed: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    classes = torch.randint(3, (num,), generator=draw)
    return (torch.rand(num, 5, generator=draw) + classes[:, None]) / 4, classes


def by_hand(x: tuple[Tensor, Tensor], samples: tuple[Tensor, Tensor], sigma: float) -> Tensor:
    found = []
    for image, label in zip(*x, strict=True):
        centres = samples[0][samples[1] == label].double()
        squares = (image.double() - centres).square().sum(1)
        volume = 5 * math.log(sigma * math.sqrt(2 * math.pi))
        found.append((-squares / (2 * sigma**2)).logsumexp(0) - math.log(len(centres)) - volume)
    return torch.stack(found)


def fed(metric: ConditionalParzenNLL, batch: int = 1000) -> ConditionalParzenNLL:
    for (images, classes), kwargs in (
        (rows(40, 0), {"real": True, "split": "val"}),
        (rows(50, 1), {"real": True}),
        (rows(90, 2), {"real": False}),
    ):
        for start in range(0, len(images), batch):
            part = slice(start, start + batch)
            metric.update(images[part], condition=classes[part], **kwargs)
    return metric


def test_it_is_the_direct_sum_over_the_samples_of_the_same_class() -> None:
    metric = fed(ConditionalParzenNLL())
    result = metric.compute()
    means = {sigma: float(by_hand(rows(40, 0), rows(90, 2), sigma).mean()) for sigma in PAPER_SIGMAS}
    best = max(means, key=lambda sigma: means[sigma])
    expected = by_hand(rows(50, 1), rows(90, 2), best)
    assert float(result["sigma"]) == best
    assert float(result["nll"]) == pytest.approx(-float(expected.mean()), abs=1e-7)
    assert float(result["se"]) == pytest.approx(float(expected.std(correction=0)) / math.sqrt(50), abs=1e-7)
    assert float(result["num_centres"]) == 90
    torch.testing.assert_close(metric.log_likelihoods.sort().values, expected.sort().values, rtol=0, atol=1e-6)


def test_bits_do_not_depend_on_batches_and_real_images_stay() -> None:
    metric = ConditionalParzenNLL(reset_real_features=False)
    first = fed(metric).compute()
    metric.reset()
    samples, classes = rows(90, 2)
    for part in (slice(50, 90), slice(0, 50)):
        metric.update(samples[part], real=False, condition=classes[part])
    assert metric.compute() == first == fed(ConditionalParzenNLL(), batch=7).compute()


def test_a_condition_that_is_heeded_is_worth_up_to_the_logarithm_of_the_classes() -> None:
    """Classes that lie far apart: each image has all its windows in its own class, a third of all."""
    images, classes = torch.tensor([[0.0], [0.5], [1.0]]), torch.arange(3)
    conditional, pooled = ConditionalParzenNLL(0.01), ParzenNLL(0.01)
    for real in (False, True):
        conditional.update(images, real=real, condition=classes)
        pooled.update(images, real=real)
    gain = float(pooled.compute()["nll"] - conditional.compute()["nll"])
    assert gain == pytest.approx(math.log(3), abs=1e-6)


@pytest.mark.parametrize("condition", [torch.zeros(2), torch.zeros(3, dtype=torch.int64), torch.zeros(2, 1).long()])
def test_what_is_no_class_is_told(condition: Tensor) -> None:
    with pytest.raises(UserError, match=r"expected the class of each of the 2 images, a tensor \(2,\) of whole"):
        ConditionalParzenNLL().update(torch.zeros(2, 4), real=True, condition=condition)


def test_what_is_missing_is_told() -> None:
    with pytest.raises(UserError, match="expected a width, a grid of widths or None"):
        ConditionalParzenNLL("em")
    metric = ConditionalParzenNLL(0.2)
    metric.update(torch.zeros(1, 4), real=False, condition=torch.tensor([1]))
    with pytest.raises(UserError, match="no real images"):
        metric.compute()
    metric.update(torch.zeros(1, 4), real=True, condition=torch.tensor([2]))
    with pytest.raises(UserError, match="no generated images of class 2: expected some of every class of the data"):
        metric.compute()
