"""What stands beside an inference network's numbers."""

import pytest
import torch
from inference_cases import small

from lit_gan.evaluation.inference import LabelledImages, compare, nearest_samples, pca_error
from lit_gan.functional.neighbours import nearest_rows


def test_principal_components_leave_the_variance_that_they_lack() -> None:
    drawn = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 3, generator=drawn, dtype=torch.float64) * torch.tensor([3.0, 2.0, 0.5])
    centred = rows - rows.mean(0)
    smallest = torch.linalg.eigvalsh(centred.T @ centred / len(rows))[0]
    assert pca_error(rows, rows, size=2) == pytest.approx(float(smallest) / 3, rel=1e-10)
    assert pca_error(rows, rows, size=7) == pytest.approx(0, abs=1e-20)


def test_the_nearest_row_is_the_nearest_whatever_is_compared_at_once() -> None:
    drawn = torch.Generator().manual_seed(0)
    x, among = torch.rand(20, 5, generator=drawn), torch.rand(30, 5, generator=drawn)
    assert torch.equal(nearest_rows(x, among, rows_at_once=7), torch.cdist(x, among).argmin(dim=1))


def test_an_encoder_that_tells_classes_apart_classifies_and_pixels_that_do_not_do_not() -> None:
    """The class is in the first pixel, and the second one, which E does not see, is larger."""
    module = small()
    module.value_range = (0.0, 1.0)
    module.encoder.register_parameter("w", torch.nn.Parameter(torch.tensor([1.0, 0.0])))
    train = torch.tensor([[0.1, 0.0], [0.3, 0.9]])[:, None, None, :]
    test = torch.tensor([[0.1, 0.9], [0.3, 0.0]])[:, None, None, :]
    labels = torch.tensor([0, 1])
    found = compare(module, LabelledImages(train, labels), LabelledImages(test, labels))
    assert found["nearest_neighbour_accuracy"] == 1
    assert found["nearest_neighbour_accuracy_pixels"] == 0
    assert found["reconstruction_error_nearest_sample"] == pytest.approx(
        float((nearest_samples(module, test) - test).square().mean())
    )
    assert "nearest_neighbour_accuracy" not in compare(module, LabelledImages(train, None), LabelledImages(test, None))
