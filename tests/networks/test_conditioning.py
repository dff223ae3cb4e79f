import pytest
import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks import ConvGenerator, MaxoutConvDiscriminator, MaxoutDiscriminator, MLPGenerator, StackedGenerator
from lit_gan.networks.conditioning import append_condition

SHAPE = (1, 8, 8)


def build(name: str, condition_size: int) -> tuple[nn.Module, Tensor]:
    """A small network, and three rows of input for it."""
    if name == "mlp":
        return MLPGenerator(SHAPE, 5, hidden=(6,), weight_init=1.0, condition_size=condition_size), torch.rand(3, 5)
    if name == "conv":
        generator = ConvGenerator(
            SHAPE, 5, (6, 36), base_shape=(4, 3, 3), kernel_size=4, stride=2, condition_size=condition_size
        )
        return generator, torch.rand(3, 5)
    if name == "stacked":
        first = MLPGenerator(SHAPE, 4, hidden=(6,), weight_init=1.0)
        return StackedGenerator(5, (6,), condition_size=condition_size, pretrained=first), torch.rand(3, 5)
    images = torch.rand(3, *SHAPE)
    if name == "maxout":
        return MaxoutDiscriminator(SHAPE, hidden=(6,), weight_init=1.0, condition_size=condition_size), images
    return MaxoutConvDiscriminator(
        SHAPE, channels=(2, 2, 2), dense=(6,), weight_init=1.0, condition_size=condition_size
    ), images


NAMES = ["mlp", "conv", "stacked", "maxout", "maxout conv"]


@pytest.mark.parametrize("name", NAMES)
def test_the_output_depends_on_the_condition(name: str) -> None:
    network, x = build(name, condition_size=2)
    network.eval()
    one, two = torch.eye(2).unsqueeze(1).expand(2, 3, 2)
    assert network(x, one).shape == network(x, two).shape
    assert not torch.allclose(network(x, one), network(x, two))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_condition_is_refused(name: str) -> None:
    network, x = build(name, condition_size=2)
    with pytest.raises(UserError, match=r"no condition \(size 0\), but the network has condition_size = 2.*\(3, 2\)"):
        network(x)


@pytest.mark.parametrize("name", NAMES)
def test_a_condition_that_is_not_wanted_is_refused(name: str) -> None:
    network, x = build(name, condition_size=0)
    with pytest.raises(UserError, match=r"shape \(3, 7\), but the network has condition_size = 0.*condition_size = 7"):
        network(x, torch.zeros(3, 7))


@pytest.mark.parametrize("shape", [(3, 7), (2, 2), (3,), (3, 1, 2)])
@pytest.mark.parametrize("name", NAMES)
def test_a_condition_of_another_shape_is_refused(name: str, shape: tuple[int, ...]) -> None:
    network, x = build(name, condition_size=2)
    with pytest.raises(UserError, match=r"expected \(N, condition_size\) = \(3, 2\)"):
        network(x, torch.zeros(shape))


def test_whole_numbers_are_taken_as_a_condition() -> None:
    joined = append_condition(torch.zeros(2, 3), torch.eye(2, dtype=torch.int64), condition_size=2)
    assert joined.dtype == torch.float32
    assert joined.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]


@pytest.mark.parametrize("name", ["maxout", "maxout conv"])
def test_dropout_never_hides_the_condition(name: str) -> None:
    network, _ = build(name, condition_size=2)
    seen = []
    dense = network.hidden if name == "maxout" else network.dense
    dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.train()
    network(torch.rand(500, *SHAPE), torch.full((500, 2), 3.0))
    assert (seen[0][:, -2:] == 3).all()
    assert (seen[0][:, :-2] == 0).any()
