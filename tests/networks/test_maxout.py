import pytest
import torch
import torch.nn.functional as F

from lit_gan.errors import UserError
from lit_gan.networks import Maxout, MaxoutConv2d


def test_a_unit_is_the_maximum_of_its_linear_pieces() -> None:
    layer = Maxout(4, units=3, pieces=5, weight_init=1.0, bias_init=0.5).double()
    x = torch.randn(7, 4, dtype=torch.float64)
    pieces = torch.stack(
        [F.linear(x, layer.weight[p * 3 : p * 3 + 3], layer.bias[p * 3 : p * 3 + 3]) for p in range(5)]
    )
    torch.testing.assert_close(layer(x), pieces.max(dim=0).values)


def test_the_gradient_goes_to_the_winning_piece_only() -> None:
    layer = Maxout(1, units=1, pieces=3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0], [2.0], [-3.0]]))
    layer(torch.tensor([[4.0]])).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[0.0], [4.0], [0.0]]


def test_gradients_are_right() -> None:
    layer = Maxout(4, units=3, pieces=2, weight_init=1.0).double()
    assert torch.autograd.gradcheck(layer, torch.randn(5, 4, dtype=torch.float64, requires_grad=True))


def test_two_pieces_can_be_the_absolute_value() -> None:
    layer = Maxout(1, units=1, pieces=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    x = torch.linspace(-2, 2, 9).unsqueeze(1)
    torch.testing.assert_close(layer(x), x.abs())


def test_takes_further_leading_dimensions_and_no_rows() -> None:
    layer = Maxout(4, units=3, pieces=2)
    assert layer(torch.zeros(2, 5, 4)).shape == (2, 5, 3)
    assert layer(torch.zeros(0, 4)).shape == (0, 3)


def test_a_convolutional_unit_is_the_maximum_over_pieces_and_window() -> None:
    layer = MaxoutConv2d(2, channels=3, pieces=2, kernel_size=3, padding=1, pool_size=2, pool_stride=2, weight_init=1.0)
    x = torch.randn(4, 2, 6, 6)
    maps = F.conv2d(x, layer.weight, layer.bias, padding=1)
    expected = torch.maximum(maps[:, :3], maps[:, 3:]).unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-1, -2))
    torch.testing.assert_close(layer(x), expected)


def test_the_order_of_memory_does_not_matter() -> None:
    layer = MaxoutConv2d(2, channels=3, pieces=2, kernel_size=3, padding=1, pool_size=2, pool_stride=2)
    x = torch.randn(4, 2, 6, 6)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "pool", "stride", "expected"),
    [
        (32, 8, 4, 4, 2, 16),  # 33 -> 16
        (16, 8, 3, 4, 2, 7),  # 15 -> 7
        (7, 5, 3, 2, 2, 5),  # 9 -> 5
        (8, 3, 1, 1, 1, 8),
        (4, 8, 3, 4, 2, 1),  # a map of 3 under a window of 4
        (9, 3, 1, 2, 5, 2),
        (10, 3, 1, 2, 9, 2),
        (9, 3, 1, 2, 9, 1),  # a last window that would start outside
    ],
)
def test_pooling_rounds_up(size: int, kernel: int, padding: int, pool: int, stride: int, expected: int) -> None:
    layer = MaxoutConv2d(1, 1, 2, kernel, padding, pool, stride)
    assert layer.output_size((size, size)) == (expected, expected)
    assert layer(torch.zeros(1, 1, size, size)).shape[2:] == (expected, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_features": 0}, "in_features = 0: expected a whole number of at least 1"),
        ({"units": 0}, "units = 0: expected"),
        ({"pieces": 0}, "pieces = 0: expected"),
        ({"pieces": 2.5}, r"pieces = 2\.5: expected"),
        ({"weight_init": -1.0}, r"weight_init = -1\.0: expected"),
        ({"bias_init": float("nan")}, "bias_init = nan: expected a finite number"),
        ({"max_norm": 0.0}, r"max_norm = 0\.0: expected a number above 0, or null"),
        ({"max_norm": float("inf")}, "max_norm = inf: expected"),
    ],
)
def test_maxout_refuses_what_is_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Maxout(**({"in_features": 4, "units": 3, "pieces": 2} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_channels": 0}, "in_channels = 0"),
        ({"channels": 0}, "channels = 0"),
        ({"pieces": 0}, "pieces = 0"),
        ({"kernel_size": 0}, "kernel_size = 0"),
        ({"padding": -1}, "padding = -1: expected a whole number of at least 0"),
        ({"pool_size": 0}, "pool_size = 0"),
        ({"pool_stride": 0}, "pool_stride = 0"),
        ({"max_norm": -1}, "max_norm = -1"),
    ],
)
def test_maxout_convolution_refuses_what_is_out_of_range(change: dict[str, object], message: str) -> None:
    good = {
        "in_channels": 1, "channels": 1, "pieces": 2, "kernel_size": 3, "padding": 1, "pool_size": 2, "pool_stride": 2,
    }  # fmt: skip
    with pytest.raises(UserError, match=message):
        MaxoutConv2d(**(good | change))


def test_names_what_does_not_fit() -> None:
    layer = MaxoutConv2d(1, 1, 2, kernel_size=5, padding=1, pool_size=4, pool_stride=2)
    with pytest.raises(UserError, match="kernel_size = 5 is larger than its input of 2 with padding = 1 on each side"):
        layer.output_size((2, 9))
    with pytest.raises(UserError, match="pool_size = 4 with pool_stride = 2 is too large for the 2 rows or columns"):
        layer.output_size((9, 4))


def test_print_shows_the_pieces() -> None:
    assert "units=3, pieces=2" in repr(Maxout(4, units=3, pieces=2))
    assert "pieces=2, kernel_size=3" in repr(MaxoutConv2d(1, 1, 2, 3, 1, 2, 2))
