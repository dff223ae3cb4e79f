"""Convolutions by hand: exact to any order, and nothing computed that nobody asked for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from lit_gan.functional.torch_seam import is_wanted
from lit_gan.networks import convolution
from lit_gan.networks.convolution import Convolution, Geometry, convolve
from lit_gan.networks.initialization import NormalWeights

GEOMETRIES = {
    "grouped": (Geometry(1, 1, 2), 3, 4, 6),
    "pointwise": (Geometry(1, 0, 1), 1, 2, 3),
    "strided": (Geometry(2, 1, 1), 4, 2, 2),
    "depthwise": (Geometry(2, 1, 3), 4, 3, 3),
}


def _operands(name: str) -> tuple[Tensor, Tensor, Geometry]:
    geometry, kernel, inputs, outputs = GEOMETRIES[name]
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, inputs, 3 if geometry.stride == 1 else 4, 4, dtype=torch.float64, generator=draw)
    weight = torch.randn(outputs, inputs // geometry.groups, kernel, kernel, dtype=torch.float64, generator=draw)
    return x.requires_grad_(), weight.requires_grad_(), geometry


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_derivatives_are_exact_to_the_second_order(name: str, layout: torch.memory_format) -> None:
    x, weight, geometry = _operands(name)
    x = x.detach().contiguous(memory_format=layout).requires_grad_()
    assert gradcheck(lambda *each: convolve(*each, geometry), (x, weight))
    assert gradgradcheck(lambda *each: convolve(*each, geometry), (x, weight))


def test_derivatives_are_exact_to_the_fourth_order() -> None:
    x, weight, geometry = _operands("grouped")
    x, weight = x[:, :2, :3, :3].detach().requires_grad_(), weight[:2, :, :, :].detach().requires_grad_()
    geometry = geometry._replace(groups=1)

    def slope(x: Tensor, weight: Tensor) -> Tensor:
        gradients = torch.autograd.grad(convolve(x, weight, geometry).pow(3).sum(), (x, weight), create_graph=True)
        return sum(gradient.square().sum() for gradient in gradients)

    assert gradgradcheck(slope, (x, weight))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_values_are_torchs(name: str) -> None:
    x, weight, geometry = _operands(name)
    expected = F.conv2d(x, weight, None, geometry.stride, geometry.padding, 1, geometry.groups)
    assert torch.equal(convolve(x, weight, geometry), expected)
    with torch.no_grad():
        assert torch.equal(convolve(x, weight, geometry), expected)


@pytest.mark.parametrize("name", ["pointwise", "depthwise"])
def test_a_bias_is_added_by_the_same_kernel(name: str) -> None:
    """Channels innermost, where a kernel of 1 x 1 is a matrix product; what follows may act in place."""
    x, weight, geometry = _operands(name)
    x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    bias = torch.linspace(-1, 1, len(weight), dtype=torch.float64, requires_grad=True)

    def activated(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.leaky_relu_(convolve(x, weight, geometry, bias), 0.2)

    expected = F.leaky_relu(F.conv2d(x, weight, bias, geometry.stride, geometry.padding, 1, geometry.groups), 0.2)
    torch.testing.assert_close(activated(x, weight, bias), expected, rtol=1e-12, atol=1e-12)
    assert activated(x, weight, bias).is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(activated(x, weight, bias), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(activated(x.detach(), weight, bias), expected, rtol=1e-12, atol=1e-12)
    assert gradcheck(activated, (x, weight, bias))
    assert gradgradcheck(activated, (x, weight, bias))


def test_a_slope_asks_for_no_derivative_in_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, geometry = _operands("grouped")
    asked: list[tuple[bool, bool]] = []
    backward = convolution._backward

    def watched(*arguments: object) -> tuple[Tensor, Tensor]:
        asked.append(arguments[-1])
        return backward(*arguments)

    monkeypatch.setattr(convolution, "_backward", watched)
    y = convolve(torch.tanh(convolve(x, weight, geometry))[:, :4], weight, geometry)
    [slope] = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert asked == [(True, False)] * 2
    slope.square().sum().backward()
    assert weight.grad.isfinite().all()
    asked.clear()
    convolve(x.detach().requires_grad_(), weight, geometry).sum().backward()
    assert asked == [(True, True)]


def test_frozen_weights_have_none() -> None:
    x, weight, geometry = _operands("grouped")
    weight.requires_grad_(False)
    convolve(x, weight, geometry).sum().backward()
    assert weight.grad is None
    assert x.grad.any()


def test_nodes_are_wanted_where_the_pass_goes_on() -> None:
    """The private name of torch: of a leaf that a gradient is asked for it raises."""
    seen = []

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
            ctx.save_for_backward(x, y, z)
            return x * y * z

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, ...]:
            x, y, z = ctx.saved_tensors
            seen.append([is_wanted(node) for node, _ in ctx.next_functions])
            return gradient * y * z, gradient * x * z, gradient * x * y

    x, y = (torch.tensor(2.0, requires_grad=True) for _ in range(2))
    torch.autograd.grad(Product.apply(x, y * 1, torch.tensor(1.0)), x)
    torch.autograd.grad(Product.apply(x, y * 1, torch.tensor(1.0)), y)
    Product.apply(x, y * 1, torch.tensor(1.0)).backward()
    assert seen == [[True, False, False], [False, True, False], [True, True, False]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_is_torchs(dtype: torch.dtype) -> None:
    layer = Convolution(2, 3, 3, NormalWeights(1.0), bias=True).to(dtype)
    x = torch.randn(2, 2, 5, 5, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        made = layer(x)
        expected = F.conv2d(x, layer.weight, layer.bias, padding=1)
    assert made.dtype == expected.dtype
    torch.testing.assert_close(made, expected, rtol=0.02, atol=0.1)
    made.sum().backward()
    assert x.grad.dtype == layer.weight.grad.dtype == dtype
