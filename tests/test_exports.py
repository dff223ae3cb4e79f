"""What is shown is what is given: gan(z) and every export have the weights that samples are drawn with."""

import copy
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from requirements import require
from tiny_gan import linear_gan, trainer
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator


class Scriptable(nn.Module):
    """A generator that TorchScript knows."""

    latent_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 64)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.tanh(self.layer(z)).view(z.shape[0], 1, 8, 8)


def _averaged(generator: nn.Module | None = None) -> GAN:
    """A GAN whose average is far from its weights."""
    generator = generator or MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,), dropout_keep=0.5)
    gan = GAN(generator, MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
    gan.generator_average = {name: torch.randn_like(each) for name, each in gan.generator.named_parameters()}
    return gan


@pytest.fixture
def z() -> Tensor:
    return torch.rand(3, 4)


def _shown(gan: GAN, z: Tensor) -> Tensor:
    return gan._generated_for_showing(z, None)


def test_the_gan_gives_its_average_and_its_generator_the_weights(z: Tensor) -> None:
    gan = _averaged().eval()
    raw, shown = gan.generator(z), gan.decode(z)
    assert (raw - shown).abs().max() > 0.1
    assert torch.equal(gan(z), shown)
    assert torch.equal(gan.generator(z), raw)
    assert torch.equal(gan.generate(z, None), raw)
    with gan.averaged():
        assert torch.equal(gan(z), shown)
        with gan.averaged():
            assert torch.equal(gan.generator(z), shown)
            assert torch.equal(gan.decode(z), shown)
        assert torch.equal(gan.generator(z), shown)
    assert torch.equal(gan.generator(z), raw)
    gan.generator_average = None
    assert torch.equal(gan(z), raw)


def test_predictions_are_what_is_shown() -> None:
    gan = _averaged()
    predicted = gan.predict_step(torch.empty(5, 0), 0)
    with gan.averaged():
        gan.generator_average = None
        assert torch.equal(gan.predict_step(torch.empty(5, 0), 0), predicted)


def test_gradients_reach_the_latents_through_the_average_and_no_weight() -> None:
    gan = linear_gan()
    gan.generator_average = {"a": torch.tensor(3.0), "b": torch.tensor(1.0)}
    z = torch.tensor([[0.5], [2.0]], requires_grad=True)
    gan(z).square().sum().backward()
    assert torch.equal(z.grad, 2 * (3 * z.detach() + 1) * 3)
    assert gan.generator.a.grad is None
    gan.generator_average = None
    gan(z).sum().backward()
    assert float(gan.generator.a.grad) == 2.5


def test_the_mode_is_the_callers() -> None:
    gan = _averaged()
    z = torch.rand(64, 4)
    assert not torch.equal(gan(z), gan(z))  # dropout
    gan.eval()
    assert torch.equal(gan(z), gan(z))


def test_a_conditional_gan_gives_its_average_too() -> None:
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,), condition_size=3)
    gan = ConditionalGAN(generator, MaxoutDiscriminator((1, 8, 8), hidden=(8,), condition_size=3), num_classes=3).eval()
    gan.generator_average = {name: torch.randn_like(each) for name, each in gan.generator.named_parameters()}
    z = torch.rand(6, 4)
    assert torch.equal(gan(z), gan.decode(z))


@pytest.fixture
def _no_advice() -> Any:
    """Lightning and torch advise against TorchScript; a tracer tells of every shape that is looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("_no_advice")
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("method", ["trace", "script"])
def test_torchscript_is_of_what_is_shown(method: str, average: bool, z: Tensor, tmp_path: Path) -> None:
    gan = _averaged(Scriptable() if method == "script" else None)
    gan.generator_average = gan.generator_average if average else None
    before = copy.deepcopy(gan.state_dict())
    script = gan.to_torchscript(tmp_path / "g.pt", method=method, example_inputs=z)
    torch.testing.assert_close(script(z), _shown(gan, z), rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.jit.load(tmp_path / "g.pt")(z), _shown(gan, z), rtol=0, atol=1e-6)
    assert gan.training
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    with torch.no_grad():  # the script has weights of its own
        shown = _shown(gan, z)
        for parameter in gan.generator.parameters():
            parameter.zero_()
    torch.testing.assert_close(script(z), shown, rtol=0, atol=1e-6)


@pytest.mark.compiled
@pytest.mark.usefixtures("_no_advice")
def test_torchs_own_exports_are_of_what_is_shown(z: Tensor) -> None:
    gan = _averaged(Scriptable()).eval()
    shown = _shown(gan, z)
    compiled = torch.compile(gan, backend="eager")
    torch.testing.assert_close(compiled(z), shown, rtol=0, atol=1e-6)
    for strict, module in ((False, gan), (False, gan.for_export()), (True, gan.for_export())):
        exported = torch.export.export(module, (z,), strict=strict).module()
        torch.testing.assert_close(exported(z), shown, rtol=0, atol=1e-6)
    gan.trainer = trainer()
    for export in (torch.jit.script, lambda module: torch.jit.trace(module, z)):  # to_torchscript does both
        with pytest.raises(RuntimeError, match=r"not attached to a `Trainer`|can't be used with Jitted modules"):
            export(gan)
    assert torch.equal(_shown(gan, z), shown)


@pytest.mark.usefixtures("_no_advice")
def test_a_network_that_torchscript_does_not_know_is_told() -> None:
    with pytest.raises(UserError, match=r"TorchScript cannot compile this GAN \(.*\): use method='trace' with"):
        _averaged().to_torchscript()


@pytest.mark.usefixtures("_no_advice")
def test_a_compiled_generator_is_exported_as_it_is_uncompiled(z: Tensor) -> None:
    gan = _averaged()
    shown = _shown(gan, z)
    average = gan.generator_average
    gan.generator = torch.compile(gan.generator, backend="eager")
    gan.generator_average = average
    torch.testing.assert_close(gan.eval()(z), shown, rtol=0, atol=1e-6)
    torch.testing.assert_close(gan.to_torchscript(method="trace", example_inputs=z)(z), shown, rtol=0, atol=1e-6)
    in_place = _averaged()
    shown = _shown(in_place, z)
    in_place.generator.compile(backend="eager")
    torch.testing.assert_close(in_place.to_torchscript(method="trace", example_inputs=z)(z), shown, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("_no_advice")
def test_onnx_is_of_what_is_shown(z: Tensor, tmp_path: Path) -> None:
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    require("onnx", f"{', '.join(missing)} not installed" if missing else None)
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 -- only where it is installed

    gan = _averaged()
    gan.to_onnx(tmp_path / "g.onnx", z)
    model = ReferenceEvaluator(str(tmp_path / "g.onnx"))
    (images,) = model.run(None, {model.input_names[0]: z.numpy()})
    torch.testing.assert_close(torch.from_numpy(images), _shown(gan, z), rtol=0, atol=1e-6)
