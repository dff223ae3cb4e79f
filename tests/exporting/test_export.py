"""A file gives what the GAN shows: every kind of network, of GAN and of format; and what cannot be a file is told."""

import io
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import weight_norm as earlier_weight_norm

from lit_gan import GAN, ConditionalGAN, InferenceNetwork, InpaintingGAN, SemiSupervisedGAN
from lit_gan.errors import UserError
from lit_gan.exporting import Export, FileFormat, OnnxFile, SafetensorsFile, TorchScriptFile, export_generator
from lit_gan.latents import Mixture, Normal, Spherical
from lit_gan.networks import (
    ConvGenerator,
    DCGANGenerator,
    MixtureMLPGenerator,
    MLPEncoder,
    MLPGenerator,
    NoisyMLPDiscriminator,
    R3GANGenerator,
    ResNetGenerator,
    StackedGenerator,
)

_GREY, _COLOUR = (1, 8, 8), (3, 16, 16)
_CHECKPOINT = {"global_step": 7, "lit_gan": {"seed": 3}}


def _mlp(**kwargs: Any) -> MLPGenerator:
    return MLPGenerator(_GREY, **{"latent_size": 4, "hidden": (16,), "weight_init": 0.5, **kwargs})


def _conv() -> ConvGenerator:
    sizes = {"hidden": (16, 32), "base_shape": (8, 2, 2), "kernel_size": 8, "stride": 8, "padding": 0}
    return ConvGenerator(_COLOUR, latent_size=4, output_activation="tanh", **sizes)


def _image_networks(condition_size: int = 0) -> dict[str, nn.Module]:
    sizes: dict[str, Any] = {"latent_size": 4, "condition_size": condition_size}
    return {
        "dcgan": DCGANGenerator(_COLOUR, **sizes, widths=[8], spectral_norm=True),
        "resnet": ResNetGenerator(_COLOUR, **sizes, widths=[8, 8], spectral_norm=True),
        "r3gan": R3GANGenerator(_COLOUR, **sizes, widths=[16, 16], blocks=1, patch_size=2, output_activation="tanh"),
    }


def _trained(gan: GAN) -> GAN:
    """One whose weights, statistics and average are none that a network begins with."""
    with torch.no_grad():
        for each in gan.generator.parameters():
            each.add_(0.1 * torch.randn_like(each))
        gan.generator.train()
        for _ in range(2):
            z = gan.latent.sample(8)
            gan.generate(z, gan.sample_condition(8))
        gan.generator_average = {name: each + 0.1 for name, each in gan.generator.named_parameters()}
    return gan


def _vectors() -> ConditionalGAN:
    gan = ConditionalGAN(_mlp(condition_size=3, output_activation="linear"), nn.Linear(1, 1))
    gan.conditions_seen = torch.rand(5, 3)
    assert gan.value_range is None
    return gan


def _inference() -> InferenceNetwork:
    return InferenceNetwork(MLPEncoder(_GREY, latent_size=4, hidden=(16,)), _mlp())


_KINDS: dict[str, Callable[[], Any]] = {
    "mlp": lambda: _trained(GAN(_mlp(dropout_keep=0.5), nn.Linear(1, 1))),
    "batch norm": lambda: _trained(GAN(_mlp(batch_norm=True), nn.Linear(1, 1), Spherical())),
    "mixture": lambda: _trained(GAN(MixtureMLPGenerator(_GREY, latent_size=4, hidden=(8,)), nn.Linear(1, 1), Normal())),
    "mixture of latents": lambda: _trained(GAN(_mlp(), nn.Linear(1, 1), Mixture(3))),
    "stacked": lambda: _trained(GAN(StackedGenerator(hidden=(8,), latent_size=4, pretrained=_mlp()), nn.Linear(1, 1))),
    "conv": lambda: _trained(GAN(_conv(), nn.Linear(1, 1))),
    **{
        name: lambda name=name: _trained(GAN(_image_networks()[name], nn.Linear(1, 1), Normal()))
        for name in ("dcgan", "resnet", "r3gan")
    },
    **{
        f"conditional {name}": lambda name=name: _trained(
            ConditionalGAN(_image_networks(3)[name], nn.Linear(1, 1), num_classes=3, latent=Normal())
        )
        for name in ("dcgan", "resnet", "r3gan")
    },
    "vectors, of unknown range": _vectors,
    "inference": _inference,
    "inpainting": lambda: InpaintingGAN(_mlp(condition_size=128), nn.Linear(1, 1)),
    "few labels": lambda: SemiSupervisedGAN(_mlp(), NoisyMLPDiscriminator(_GREY), 10, num_labels=30),
    "64 bits": lambda: _trained(GAN(_mlp(), nn.Linear(1, 1))).double(),
}


class Choir(nn.Module):
    """The mean of what several generators make: one graph of all of their operations."""

    latent_size, output_range = 4, (-1.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self.conditional = nn.ModuleDict(_image_networks(3))
        sizes: dict[str, Any] = {"latent_size": 4, "hidden": (8,), "output_activation": "tanh"}
        networks = _conv(), MLPGenerator(_COLOUR, batch_norm=True, **sizes), MixtureMLPGenerator(_COLOUR, **sizes)
        self.unconditional = nn.ModuleList(networks)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        images = [network(z) for network in self.unconditional]
        images += [network(z, condition) for network in self.conditional.values()]
        return torch.stack(images).mean(0)


def _export(gan: Any, file_format: FileFormat, num: int = 12) -> Export:
    return export_generator(gan, file_format, _CHECKPOINT, num)


def _script(content: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(io.BytesIO(content))


def _numpy(exported: Export, rows: int) -> dict[str, np.ndarray]:
    inputs = exported.inputs.items()
    return {name: (value.float() if value.is_floating_point() else value)[:rows].numpy() for name, value in inputs}


@pytest.mark.parametrize("kind", _KINDS)
def test_torchscript_and_safetensors_give_what_is_shown(kind: str) -> None:
    gan = _KINDS[kind]()
    keys = list(gan.state_dict())
    shown = gan.sample(12, rng=0)
    scripted, weights = _export(gan, TorchScriptFile()), _export(gan, SafetensorsFile())

    for exported in (scripted, weights):
        assert exported.difference <= 1e-6 if gan.dtype == torch.float64 else exported.difference == 0
        visible = 6 if kind == "inpainting" else 0  # rows of which nothing is hidden are another thing
        assert torch.equal(exported.images[: 12 - visible], shown[: 12 - visible])
    script = _script(scripted.content)
    found = script(*(torch.from_numpy(each) for each in _numpy(scripted, 5).values()))
    if gan.value_range is not None:  # else what is shown depends on all of a batch
        torch.testing.assert_close(found.double(), scripted.images[:5].double(), rtol=0, atol=1e-6)
    assert list(gan.state_dict()) == keys
    assert torch.equal(gan.sample(12, rng=0), shown)


@pytest.mark.slow
def test_an_onnx_file_of_all_networks_gives_what_is_shown_for_any_number_of_rows() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    gan = _trained(ConditionalGAN(Choir(), nn.Linear(1, 1), num_classes=3, latent=Normal()))
    exported = _export(gan, OnnxFile())
    assert exported.difference <= 1e-5
    session = onnxruntime.InferenceSession(exported.content, providers=["CPUExecutionProvider"])
    assert [(each.name, each.shape, each.type) for each in session.get_inputs()] == [
        ("z", ["N", 4], "tensor(float)"),
        ("condition", ["N"], "tensor(int64)"),
    ]
    assert [(each.name, each.shape) for each in session.get_outputs()] == [("images", ["N", *_COLOUR])]
    [images] = session.run(None, _numpy(exported, 5))
    torch.testing.assert_close(torch.from_numpy(images), exported.images[:5], rtol=0, atol=1e-5)
    stored = json.loads(session.get_modelmeta().custom_metadata_map["lit_gan"])
    assert stored == json.loads(exported.description_text)
    assert (stored["rounds"], stored["seed"], stored["averaged"]) == (7, 3, True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["inpainting", "vectors, of unknown range"])
def test_onnx_takes_further_inputs(kind: str) -> None:
    pytest.importorskip("onnxruntime")
    exported = _export(_KINDS[kind](), OnnxFile())
    names = {"inpainting": ["z", "image", "mask"], "vectors, of unknown range": ["z", "condition"]}
    assert [each["name"] for each in exported.description["inputs"]] == names[kind]


def test_what_an_inpainting_file_is_given_stays() -> None:
    exported = _export(_KINDS["inpainting"](), TorchScriptFile())
    image, mask = torch.rand(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[:, :, :3] = 1
    found = _script(exported.content)(exported.inputs["z"][:2], image, mask)
    torch.testing.assert_close(found[:, :, :3], image[:, :, :3])
    assert (found[:, :, 3:] - image[:, :, 3:]).abs().max() > 0.1


def test_sixteen_bits_are_computed_with_in_thirty_two() -> None:
    gan = GAN(_mlp(), nn.Linear(1, 1)).to(torch.bfloat16)
    exported = _export(gan, TorchScriptFile())
    assert exported.images.dtype == torch.float32
    assert {each.dtype for each in _script(exported.content).parameters()} == {torch.float32}


def test_only_what_generates_is_in_a_file() -> None:
    from safetensors.torch import load  # noqa: PLC0415 -- only where it is installed

    assert set(load(_export(_KINDS["inference"](), SafetensorsFile()).content)) == set(_mlp().state_dict())
    assert all(
        name.startswith("generator.")
        for name, _ in _script(_export(_KINDS["inference"](), TorchScriptFile()).content).named_parameters()
    )

    class Tinted(GAN):
        def __init__(self) -> None:
            super().__init__(_mlp(), nn.Linear(1, 1))
            self.tint, self.unused = nn.Conv2d(1, 1, 1), nn.Linear(2, 2)

        def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
            return self.tint(super().generate(z, condition))

    exported = _export(Tinted(), SafetensorsFile())
    assert {name.partition(".")[0] for name in load(exported.content)} == {"generator", "tint"}


def test_spectral_normalisation_is_in_the_weights() -> None:
    from safetensors.torch import load  # noqa: PLC0415 -- as above

    gan = _KINDS["resnet"]()
    weights = load(_export(gan, SafetensorsFile()).content)
    network = ResNetGenerator(_COLOUR, latent_size=4, widths=[8, 8])
    network.load_state_dict(weights)
    z = torch.randn(3, 4)
    torch.testing.assert_close((network.eval()(z) + 1) / 2, gan.decode(z))
    assert not any("parametrizations" in name for name in weights)
    assert any("parametrizations" in name for name in gan.generator.state_dict())


class _Whims(nn.Module):
    """A generator that no file is of; by name what is wrong with it."""

    latent_size, output_range = 4, (0.0, 1.0)

    def __init__(self, whim: str) -> None:
        super().__init__()
        self.whim, self.layer = whim, nn.Linear(4, 64)
        self.layer = earlier_weight_norm(self.layer) if whim == "computed weights" else self.layer

    def forward(self, z: Tensor) -> Tensor:
        images = self.layer(z).sigmoid()
        if self.whim == "random":
            images = (images + torch.rand_like(images)) / 2
        if self.whim == "branches" and z.square().sum() > 30:  # for more than two rows
            images = 1 - images
        return images.view(len(z) if self.whim == "length" else z.shape[0], 1, 8, 8)


_EXPECTED = (
    ": nothing was written. Expected a generator that does the same operations whatever its input, with the number of "
    "rows from z.shape[0] and no random numbers of its own; --format safetensors holds the weights of any network."
)


@pytest.mark.parametrize(
    ("whim", "file_format", "message"),
    [
        ("random", SafetensorsFile(), "draws random numbers in evaluation mode: its images are no function of the"),
        ("length", TorchScriptFile(), r"--format torchscript: the file gives no images of 12 latents \("),
        (
            "length",
            OnnxFile(),
            r"--format onnx: torch cannot export it \(.*" + _EXPECTED.replace(".", r"\.").replace("[", r"\["),
        ),
        ("branches", TorchScriptFile(), "--format torchscript: its images differ from those of `lit-gan sample` by 0"),
        ("branches", OnnxFile(), r"--format onnx: torch cannot export it \("),
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_what_no_file_can_give_is_told(whim: str, file_format: FileFormat, message: str) -> None:
    file_format.name == "onnx" and pytest.importorskip("onnxscript")
    with pytest.raises(UserError, match=message):
        _export(GAN(_Whims(whim), nn.Linear(1, 1)), file_format)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weights_that_are_computed_anew_are_told() -> None:
    with pytest.raises(UserError, match=r"the generator \(_Whims\) cannot be copied \(.*use those in torch\.nn\.utils"):
        _export(GAN(_Whims("computed weights"), nn.Linear(1, 1)), TorchScriptFile())


def test_a_generator_that_has_diverged_is_told() -> None:
    gan = GAN(_mlp(), nn.Linear(1, 1))
    gan.generator.output.bias.data.fill_(torch.nan)
    with pytest.raises(UserError, match="gives numbers that are not finite: expected the checkpoint of a sound"):
        _export(gan, TorchScriptFile())


def test_pixels_without_a_range_cannot_be_filled_in() -> None:
    gan = InpaintingGAN(_mlp(condition_size=128, output_activation="linear"), nn.Linear(1, 1))
    with pytest.raises(UserError, match=r"no image in .* can be made one of them: complete them in Python"):
        _export(gan, TorchScriptFile())


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lit_gan.exporting.file_format.find_spec", lambda name: None)
    monkeypatch.setattr(
        "lit_gan.exporting.file_format.install_command", lambda extra: f"pip install 'lit-gan[{extra}]'"
    )
    with pytest.raises(UserError) as told:
        OnnxFile().check_installed()
    assert str(told.value) == (
        "--format onnx needs the packages onnx, onnxscript, onnxruntime: pip install 'lit-gan[export]'."
    )
    with pytest.raises(UserError, match=r"^--format safetensors needs the package safetensors: pip install 'lit-gan\["):
        SafetensorsFile().check_installed()
    TorchScriptFile().check_installed()


def test_what_is_too_large_for_onnx_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lit_gan.exporting.onnx_file._MOST_BYTES", 1000)
    with pytest.raises(UserError, match=r"^--format onnx: weights of 0\.0 GB do not fit into one file, whose limit is"):
        _export(GAN(_mlp(), nn.Linear(1, 1)), OnnxFile())
