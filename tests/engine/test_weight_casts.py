"""In mixed precision the weights of a generator are cast once a round, and nothing else is another."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from tiny_gan import loader, sgd, trainer
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lit_gan import gan as gan_module
from lit_gan.callbacks import GeneratorEMA
from lit_gan.coordination import FixedSteps
from lit_gan.engine import weight_casts
from lit_gan.engine.weight_casts import cast_once
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.penalties import R1

SHAPE = (1, 4, 4)


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_casts, "_LARGE", 1)


def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(3)
    generator = MLPGenerator(SHAPE, latent_size=5, hidden=[7, 6], weight_init=0.5)
    return generator, MaxoutDiscriminator(SHAPE, hidden=[6], pieces=2, weight_init=0.5, max_norm=1.5)


@contextmanager
def bf16() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        yield


class Casts(TorchDispatchMode):
    """Counts what becomes bf16, by its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._to_copy.default and (kwargs or {}).get("dtype") == torch.bfloat16:
            self.of[tuple(args[0].shape)] += 1
        return func(*args, **(kwargs or {}))


def trained(**arguments: Any) -> list[Tensor]:
    generator, discriminator = pair()
    gan = GAN(generator, discriminator, optimizer_g=sgd(0.3), optimizer_d=sgd(0.3), **arguments)
    data = torch.rand(48, *SHAPE, generator=torch.Generator().manual_seed(1))
    rows = 8 * gan.minibatches_per_round
    trainer(max_steps=3, precision="bf16-mixed").fit(gan, loader(data, batch_size=rows))
    return [weight.detach() for weight in gan.parameters()]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"coordination": FixedSteps(2, micro_batches=2)}, {"penalties": [R1(0.1, every=2)]}],
    ids=["k = 1", "k = 2 in pieces", "penalties now and then"],
)
def test_a_training_has_the_bits_that_it_has_without(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = trained(**arguments)
    monkeypatch.setattr(gan_module, "cast_once", lambda *_: nullcontext())
    for weight, other in zip(ours, trained(**arguments), strict=True):
        assert torch.equal(weight, other)


def test_each_weight_of_g_is_cast_once_a_round() -> None:
    generator, discriminator = pair()
    gan = GAN(generator, discriminator, coordination=FixedSteps(2, micro_batches=2))
    with Casts() as casts:
        trainer(max_steps=2, precision="bf16-mixed").fit(gan, loader(torch.rand(32, *SHAPE), batch_size=16))
    weights = [tuple(weight.shape) for weight in generator.parameters() if weight.ndim == 2]
    assert weights == [(7, 5), (6, 7), (16, 6)]
    assert {shape: casts.of[shape] for shape in weights} == dict.fromkeys(weights, 2)


def test_gradients_and_second_ones_go_through() -> None:
    layer, x = nn.Linear(4, 3), torch.rand(5, 4)
    found = []
    for context in (cast_once(layer, "cpu"), nullcontext()):
        with bf16(), context:
            [gradient] = torch.autograd.grad(layer(x).float().square().sum(), layer.weight, create_graph=True)
            [second] = torch.autograd.grad(gradient.square().sum(), layer.weight)
        assert gradient.dtype == second.dtype == torch.float32
        found.append((gradient.detach(), second))
    for ours, others in zip(*found, strict=True):
        assert torch.equal(ours, others)


def test_a_weight_that_is_moved_is_cast_anew() -> None:
    layer, x = nn.Linear(4, 3), torch.rand(5, 4)
    with bf16(), cast_once(layer, "cpu"), torch.no_grad():
        before = layer(x)
        layer.weight.mul_(2)
        assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
        assert not torch.equal(layer(x), before)


def test_the_average_of_g_is_what_generates_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the place of the weights without a change that torch counts."""

    class Teacher(GAN):
        def auxiliary_loss(self, turn: Any) -> None:
            z = self.latent.sample(4, generator=torch.Generator().manual_seed(0))
            with torch.no_grad():
                own = self.generate(z, None)
                with self.averaged():
                    said.append(self.generate(z, None))
                assert torch.equal(self.generate(z, None), own)

    def train() -> None:
        gan = Teacher(*pair(), optimizer_g=sgd(), optimizer_d=sgd())
        run = trainer(max_steps=2, precision="bf16-mixed", callbacks=[GeneratorEMA(0.9)])
        run.fit(gan, loader(torch.ones(16, *SHAPE), batch_size=8))

    said: list[Tensor] = []
    train()
    monkeypatch.setattr(gan_module, "cast_once", lambda *_: nullcontext())
    train()
    for ours, others in zip(said[:4], said[4:], strict=True):
        assert torch.equal(ours, others)


def test_another_weight_in_its_place_is_the_one_that_is_used() -> None:
    """As `torch.func` puts it there: of the same number of changes."""
    layer, other, x = nn.Linear(4, 3), nn.Linear(4, 3), torch.rand(5, 4)
    weights = dict(other.named_parameters())

    def loss(given: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(layer, given, (x,)).float().square().sum()

    with bf16():
        expected, slope = other(x), torch.autograd.grad(other(x).float().square().sum(), other.weight)[0]
        with cast_once(layer, "cpu"):
            own = layer(x)
            assert torch.equal(torch.func.functional_call(layer, weights, (x,)), expected)
            assert torch.equal(layer(x), own)
            by_func = torch.func.grad(loss)({name: each.detach() for name, each in weights.items()})["weight"]
    torch.testing.assert_close(by_func, slope)


def test_what_is_computed_frozen_or_called_in_another_way_is_as_ever() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    normed = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
    frozen, double = nn.Linear(4, 3).requires_grad_(False), nn.Linear(4, 3).double()
    networks = nn.ModuleList([normed, frozen, Doubled(4, 3), double])
    x = torch.rand(5, 4)
    iterations = normed.parametrizations.weight[0]._u.clone()
    with bf16(), cast_once(networks, "cpu"):
        assert torch.equal(normed.parametrizations.weight[0]._u, iterations)  # nobody has asked for its weight
        assert [("forward" in vars(each)) for each in networks] == [False, True, False, True]
        frozen_says = frozen(x)
        assert not frozen_says.requires_grad
        with torch.autocast("cpu", enabled=False):
            assert frozen(x).dtype == torch.float32
        assert double(x.double()).dtype == torch.float64
    assert not any("forward" in vars(each) for each in networks)
    with bf16():
        assert torch.equal(frozen(x), frozen_says)


def test_a_small_weight_is_cast_in_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_casts, "_LARGE", 12)
    networks = nn.ModuleList([nn.Linear(4, 3), nn.Linear(11, 1)])
    with bf16(), cast_once(networks, "cpu"):
        assert ["forward" in vars(each) for each in networks] == [True, False]


def test_in_full_precision_nothing_is_done() -> None:
    layer = nn.Linear(4, 3)
    with cast_once(layer, "cpu"):
        assert "forward" not in vars(layer)


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own, of its tracing
def test_what_is_compiled_is_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the user, a part of G: were another thing called in each round, it would be compiled in each."""
    graphs: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(len(inputs))
        return graph.forward

    def rounds() -> list[Tensor]:
        torch.manual_seed(3)
        part = torch.compile(nn.Sequential(nn.Linear(5, 7), nn.ReLU()), backend=backend)
        generator = nn.Sequential(part, nn.Linear(7, 16), nn.Sigmoid(), nn.Unflatten(1, SHAPE))
        generator.latent_size = 5  # type: ignore[assignment]
        gan = GAN(generator, pair()[1], optimizer_g=sgd(0.3), optimizer_d=sgd(0.3))
        data = torch.rand(64, *SHAPE, generator=torch.Generator().manual_seed(1))
        trainer(max_steps=8, precision="bf16-mixed").fit(gan, loader(data, batch_size=8))
        return [weight.detach() for weight in gan.parameters()]

    ours, compiled = rounds(), len(graphs)
    monkeypatch.setattr(gan_module, "cast_once", lambda *_: nullcontext())
    torch.compiler.reset()
    without = rounds()
    assert 0 < compiled <= len(graphs) - compiled
    for weight, other in zip(ours, without, strict=True):
        assert torch.equal(weight, other)
