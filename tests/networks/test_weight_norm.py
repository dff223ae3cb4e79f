"""Weight normalisation: torch's own parametrisation as the reference, its gradients, and how it begins."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from lit_gan.networks.weight_norm import WeightNormLayer, row_norms


def test_agrees_with_torchs_parametrisation_and_its_gradients() -> None:
    torch.manual_seed(0)
    layer = WeightNormLayer(5, 4, weight_init=1.0, learn_scale=True).double()
    nn.init.uniform_(layer.scale, 0.5, 2)
    nn.init.normal_(layer.bias)
    reference = weight_norm(nn.Linear(5, 4), dim=0).double()
    parametrization = reference.parametrizations.weight
    with torch.no_grad():
        parametrization.original0.copy_(layer.scale[:, None])
        parametrization.original1.copy_(layer.weight)
        reference.bias.copy_(layer.bias)
    x = torch.randn(7, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), reference(x), rtol=1e-14, atol=1e-14)
    for each in (layer, reference):
        each(x).square().sum().backward()
    for got, expected in (
        (layer.weight.grad, parametrization.original1.grad),
        (layer.scale.grad[:, None], parametrization.original0.grad),
        (layer.bias.grad, reference.bias.grad),
    ):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_the_norms_can_be_differentiated_twice() -> None:
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(row_norms, (weight,))
    assert torch.autograd.gradgradcheck(row_norms, (weight,))


@pytest.mark.parametrize("learned", [False, True])
def test_it_begins_with_outputs_of_mean_0_and_variance_1(learned: bool) -> None:
    torch.manual_seed(0)
    layer, x = WeightNormLayer(5, 4, 0.1, learn_scale=learned).double(), 3 * torch.rand(50, 5, dtype=torch.float64) + 1
    made = layer.begin_from(x)
    torch.testing.assert_close(made, layer(x).detach())
    torch.testing.assert_close(made.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(made.std(0, correction=0), torch.ones(4, dtype=torch.float64), rtol=1e-12, atol=0)
    assert ("scale" in dict(layer.named_parameters())) == learned
    assert "scale" in layer.state_dict()


def test_a_unit_that_says_the_same_of_all_begins_finite() -> None:
    assert WeightNormLayer(3, 2, 0.1).begin_from(torch.ones(10, 3)).isfinite().all()
