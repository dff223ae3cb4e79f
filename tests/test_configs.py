"""The shipped configurations: every one trains, and the paper's say what the paper says, to the digit."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import command_line
import own_modules
import pytest
import real_formats
import torch
import yaml
from torch import nn

from lit_gan.cli.main import main
from lit_gan.cli.parsing.shipped import find, shipped_names
from lit_gan.data import cifar10
from lit_gan.networks import MLPGenerator
from lit_gan.networks.layers import DenseLayer

_NAMES = shipped_names("configs")
_INFERENCE = {"digits_inference": "quickstart", "mnist_inference": "mnist_fast"}  # and the GAN that each stands on
_INPAINTING = ("digits_inpainting", "mnist_inpainting")
_SEMI_SUPERVISED = ("digits_semi_supervised", "mnist_semi_supervised")
_TOYS = ("toy", "toy_ring")
_IMAGES = ("images", "images_conditional", "images_dcgan")
_MNIST = (
    "mnist", "mnist_conditional", "mnist_fast", "mnist_inference", "mnist_inpainting", "mnist_semi_supervised",
)  # fmt: skip
# By condition sizes.
_TODAYS = {"mnist_conditional": (10, 10), "mnist_fast": (0, 0), "mnist_inpainting": (1568, 784), "digits_fast": (0, 0)}
_TFD = ("tfd_pretrain", "tfd")
_CIFAR10 = ("cifar10_fc", "cifar10_conv")
_PAPER = ("mnist", *_TFD, *_CIFAR10)
_MAX_NORM = 1.9365
# Of each kind one that ends with its figures and its report: to draw them takes longer than two rounds.
_REPORTED = (
    "quickstart", "quickstart_conditional", "toy", "images", "digits_inference", "digits_inpainting",
    "digits_semi_supervised",
)  # fmt: skip
_WITHOUT = ("--wandb=off", "--report=false")

# PAPER.md section 3: parameters of G and of D.
_PARAMETERS = {
    "mnist": (2_503_984, 1_231_441),
    "tfd_pretrain": (83_250_304, 21_037_201),
    "tfd": (84_858_404, 21_037_201),
    "cifar10_fc": (89_395_072, 37_393_601),
    "cifar10_conv": (64_825_072, 12_454_073),
}
# batch, rate, epochs
_TRAINING = {
    "mnist": (100, 0.1, 250),
    "tfd_pretrain": (100, 0.05, 50),
    "tfd": (100, 0.05, 22),
    "cifar10_fc": (100, 0.025, 250),
    "cifar10_conv": (128, 0.004, 250),
}
# The generator's own arguments, beside latent_size = 100; that of TFD's second stage is the part that is new.
_GENERATORS: dict[str, dict[str, Any]] = {
    "mnist": {
        "hidden": [1200, 1200], "activations": "relu", "output_activation": "sigmoid", "weight_init": 0.05,
        "pixel_mean_bias": True,
    },
    "tfd_pretrain": {
        "hidden": [8000, 8000], "activations": ["relu", "sigmoid"], "output_activation": "sigmoid",
        "weight_init": [
            0.05, 0.05,
            {"class_path": "lit_gan.networks.SparseWeights", "init_args": {"nonzeros": 100, "std": 1.0}},
        ],
        "bias_init": [0.0, -2.0, 0.0], "pixel_mean_bias": True, "max_norm": _MAX_NORM,
    },
    "tfd": {
        "hidden": [8000], "activations": "relu", "latent_activation": "sigmoid", "weight_init": 0.05,
        "bias_init": [0.0, -2.0], "max_norm": _MAX_NORM,
    },
    "cifar10_fc": {
        "hidden": [8000, 8000], "activations": ["relu", "sigmoid"], "output_activation": "linear",
        "weight_init": [0.05, 0.05, 0.5],
    },
    "cifar10_conv": {
        "hidden": [8000, 8000], "activations": ["relu", "sigmoid"], "base_shape": [80, 10, 10], "kernel_size": 5,
        "stride": 3, "output_activation": "linear", "weight_init": 0.05,
    },
}  # fmt: skip
_DROPOUT = {"weight_init": 0.005, "input_keep": 0.8, "hidden_keep": 0.5}
_DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "mnist": {"hidden": [240, 240], "pieces": 5, **_DROPOUT},
    "tfd_pretrain": {"hidden": [1200, 1200], "pieces": 5, "max_norm": _MAX_NORM, **_DROPOUT},
    "tfd": {"hidden": [1200, 1200], "pieces": 5, "max_norm": _MAX_NORM, **_DROPOUT},
    "cifar10_fc": {"hidden": [1600, 1600], "pieces": 5, **_DROPOUT},
    "cifar10_conv": {
        "channels": [32, 32, 192], "pieces": 2, "kernel_sizes": [8, 8, 5], "paddings": [4, 3, 3],
        "pool_sizes": [4, 4, 2], "pool_strides": [2, 2, 2], "dense": [500], "dense_pieces": 5, **_DROPOUT,
    },
}  # fmt: skip


def _config(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(find(name).read_text())
    return content


def _model(name: str) -> dict[str, Any]:
    arguments: dict[str, Any] = _config(name)["model"]["init_args"]
    return arguments


# -- What the files say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _PAPER)
def test_batch_rate_momentum_and_epochs_are_the_papers(name: str) -> None:
    batch, rate, epochs = _TRAINING[name]
    config = _config(name)
    assert config["data"]["init_args"]["batch_size"] == batch
    assert config["trainer"] == {"max_epochs": epochs}
    for player in ("optimizer_g", "optimizer_d"):
        assert _model(name)[player] == {"class_path": "torch.optim.SGD", "init_args": {"lr": rate, "momentum": 0.5}}


@pytest.mark.parametrize("name", _PAPER)
def test_schedules_are_the_papers(name: str) -> None:
    decay = {"class_path": "lit_gan.schedules.ExponentialDecay", "init_args": {"divisor": 1.000004, "min_lr": 1e-6}}
    ramp = {"class_path": "lit_gan.schedules.MomentumRamp", "init_args": {"final": 0.7, "start": 1, "saturate": 250}}
    expected = [{"scheduler": decay, "interval": "round"}, {"scheduler": ramp, "interval": "epoch"}]
    assert _model(name)["schedule_g"] == _model(name)["schedule_d"] == expected


@pytest.mark.parametrize("name", _PAPER)
def test_networks_are_the_papers(name: str) -> None:
    generator = dict(_model(name)["generator"]["init_args"])
    generator.pop("pretrained", None)
    assert generator == {"latent_size": 100, **_GENERATORS[name]}
    assert _model(name)["discriminator"]["init_args"] == _DISCRIMINATORS[name]


@pytest.mark.parametrize("name", _PAPER)
def test_the_game_is_the_papers(name: str) -> None:
    latent = "Uniform" if name == "mnist" else "Normal"
    assert _model(name)["latent"] == {"class_path": f"lit_gan.latents.{latent}"}  # of the generator's size, 100
    assert _model(name)["objective"] == {"class_path": "lit_gan.objectives.NonSaturating"}
    assert _model(name)["coordination"] == {"class_path": "lit_gan.coordination.FixedSteps", "init_args": {"k": 1}}
    assert "callbacks" not in _config(name)["trainer"]


@pytest.mark.parametrize("name", _TFD)
def test_tfd_trains_on_the_unlabeled_faces(name: str) -> None:
    arguments = _config(name)["data"]["init_args"]
    assert (arguments["train_on"], arguments["fold"]) == ("unlabeled", 0)


@pytest.mark.parametrize("name", _CIFAR10)
def test_cifar10_lies_on_a_sphere_of_radius_55(name: str) -> None:
    assert _config(name)["data"]["init_args"]["contrast_scale"] == 55.0


def test_the_second_stage_of_tfd_stands_on_the_first() -> None:
    first, part = (dict(_model(name)["generator"]["init_args"]) for name in _TFD)
    part = part["pretrained"]["init_args"]
    shared = ("latent_size", "hidden", "activations", "output_activation", "max_norm")
    assert {key: part[key] for key in shared} == {key: first[key] for key in shared}


@pytest.mark.parametrize("name", _TODAYS)
def test_runs_with_todays_networks_play_the_papers_game(name: str) -> None:
    """In the paper's own networks, told the class or what is visible, D wins, and all samples are alike."""
    plain, other = _model("mnist"), _model(name)
    assert [other[part] for part in ("objective", "coordination")] == [
        plain[part] for part in ("objective", "coordination")
    ]
    networks = [other[network] for network in ("generator", "discriminator")]
    assert [network["class_path"].rpartition(".")[2] for network in networks] == ["MLPGenerator", "MLPDiscriminator"]
    assert tuple(network["init_args"].get("condition_size", 0) for network in networks) == _TODAYS[name]
    noise, config = other["augment"]["init_args"], _config(name)
    images = 1200 if name == "digits_fast" else 50_000
    rounds = config["trainer"]["max_epochs"] * (images // config["data"]["init_args"]["batch_size"])
    left = 0.1 if name == "mnist_fast" else 0.3  # in its longer run less: more legible, a lower score
    assert noise["sigma"] * (1 - rounds / noise["rounds"]) == pytest.approx(left, abs=0.01)


def test_pictures_are_drawn_by_what_r3gan_published() -> None:
    """The classes are told to both players, and else the two are one recipe; what R3GAN has otherwise stands there."""
    plain, conditional = _model("images"), _model("images_conditional")
    for player in ("generator", "discriminator"):
        assert conditional[player]["init_args"].pop("condition_size") == 10
    assert plain == conditional
    assert {**_config("images"), "model": 0} == {**_config("images_conditional"), "model": 0}
    assert plain["objective"]["class_path"].endswith("RelativisticPairing")
    assert [each["class_path"].rpartition(".")[2] for each in plain["penalties"]] == ["R1", "R2"]
    assert plain["generator"]["init_args"].pop("output_activation") == "tanh"
    assert plain["generator"]["init_args"] == plain["discriminator"]["init_args"]
    trainer, data = _config("images")["trainer"], _config("images")["data"]["init_args"]
    weight = plain["penalties"][0]["init_args"]["weight"]["init_args"]
    assert weight["images"] == trainer["max_steps"] * data["batch_size"]
    for schedule in plain["schedule_g"]:
        assert schedule["scheduler"]["init_args"]["value"]["init_args"]["images"] == weight["images"]


def test_dcgan_trains_as_published() -> None:
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.0002, "betas": [0.5, 0.999]}}
    assert _model("images_dcgan")["optimizer_g"] == _model("images_dcgan")["optimizer_d"] == adam
    assert _config("images_dcgan")["data"]["init_args"]["batch_size"] == 128


# -- What they do ------------------------------------------------------------------------------------------------------


@pytest.fixture
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small files in the real formats, in the working directory's `data`, where every configuration looks."""
    monkeypatch.chdir(tmp_path)
    real_formats.write_mnist("data", num_train=60)
    real_formats.write_tfd("data")
    for name, checksum in real_formats.write_cifar10("data").items():
        monkeypatch.setitem(cifar10.CHECKSUMS, name, checksum)
    real_formats.write_image_folder("pictures", [f"class {number}" for number in range(10)])
    yield
    own_modules.Witness.module = None  # up to a gigabyte and a half


def _options(name: str) -> list[str]:
    """Small enough for the small files; the large networks see a few rows only."""
    batch = 4 if name in (*_TFD, *_CIFAR10) else 15  # two rounds end no epoch
    batch = 4 if name in _IMAGES else batch
    options = [f"--data.init_args.batch_size={batch}"]
    if name in _IMAGES:
        options.append("--data.init_args.image_size=16")
    if name in (*_MNIST, *_CIFAR10):
        options.append("--data.init_args.num_validation=10")
    if name == "mnist_semi_supervised":
        options.append("--model.init_args.num_labels=10")
    if name == "tfd":
        options.append(f"--model.init_args.generator.init_args.pretrained_checkpoint={_first_stage()}")
    if name in _INFERENCE:
        _train_finished(_INFERENCE[name])
    return options


def _first_stage() -> Path:
    """A checkpoint with the first stage's shapes; its zeros are one number each on disk."""
    arguments = _model("tfd_pretrain")["generator"]["init_args"]
    arguments = {key: arguments[key] for key in ("latent_size", "hidden", "activations", "output_activation")}
    with torch.device("meta"):
        generator = MLPGenerator((1, 48, 48), **arguments)
    shapes = {f"generator.{name}": tensor.shape for name, tensor in generator.state_dict().items()}
    path = Path("first_stage.ckpt")
    torch.save({"state_dict": {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}}, path)
    return path


def _train_finished(name: str) -> None:
    """A GAN whose training is over, with small networks."""
    small = [f"--model.init_args.{player}.init_args.hidden=[3]" for player in ("generator", "discriminator")]
    small += ["--model.init_args.generator.init_args.weight_init=0.05"]
    options = ("--trainer.max_steps=1", "--trainer.limit_val_batches=0", *_WITHOUT, "--sample_grid.num_samples=0")
    ending = command_line.lit_gan(
        "fit", f"--config={name}", *command_line.QUIET, *options, "--interpolation.rows=0", *small, *_options(name)
    )
    assert (ending.code, ending.err) == (0, "")


def _train(name: str) -> Any:
    """Two rounds; the trained GAN."""
    ending = command_line.lit_gan(
        "fit", f"--config={name}", *command_line.QUIET, "--trainer.max_steps=2", "--trainer.limit_val_batches=1",
        "--trainer.enable_checkpointing=false", "--wandb=off", "--sample_grid.num_samples=4",
        f"--report={str(name in _REPORTED).lower()}", "--trainer.callbacks+=own_modules.Witness", *_options(name),
    )  # fmt: skip
    assert (ending.code, ending.err) == (0, "")
    assert own_modules.Witness.rounds == 2
    assert len(list(Path(f"runs/{name}").glob("*/samples/round-000002.png"))) == 1
    assert len(list(Path(f"runs/{name}").glob("*/report.html"))) == (name in _REPORTED)
    return own_modules.Witness.module


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in (*_TFD, *_CIFAR10) else []) for name in _NAMES]
)
def test_trains_two_rounds(name: str) -> None:
    gan = _train(name)
    assert all(bound.isfinite() for parameter in gan.parameters() for bound in torch.aminmax(parameter.detach()))
    if name in _PARAMETERS:
        assert (_count(gan.generator), _count(gan.discriminator)) == _PARAMETERS[name]
    if name in _TRAINING:
        _check_optimizers(gan, rate=_TRAINING[name][1])
    if name in _TFD:
        layers = [module for module in gan.modules() if isinstance(module, DenseLayer)]
        assert {layer.max_norm for layer in layers} == {_MAX_NORM}
        assert max(float(layer.weight.detach().norm(dim=1).max()) for layer in layers) <= _MAX_NORM * (1 + 1e-6)


def _check_optimizers(gan: Any, rate: float) -> None:
    """After two rounds of the first epoch the rate is divided twice, and the momentum is where it began."""
    for optimizer in gan.trainer.optimizers:
        group = optimizer.param_groups[0]
        assert group["lr"] == pytest.approx(rate / 1.000004**2, rel=1e-12)
        assert group["momentum"] == 0.5


def test_every_configuration_is_trained_here() -> None:
    folder = Path(__file__).parents[1] / "configs"
    assert sorted(path.stem for path in folder.glob("*.yaml")) == _NAMES
    conditional = ("mnist_conditional", "quickstart_conditional", *_INPAINTING, *_SEMI_SUPERVISED)
    fast = ("digits_fast", "mnist_fast", "quickstart")
    assert set(_NAMES) == {*_PAPER, *_INFERENCE, *_TOYS, *_IMAGES, *conditional, *fast}


@pytest.mark.usefixtures("_data")
def test_the_second_stage_of_tfd_asks_for_the_first() -> None:
    small = ["--model.init_args.generator.init_args.hidden=[3]", "--model.init_args.discriminator.init_args.hidden=[3]"]
    part = "--model.init_args.generator.init_args.pretrained.init_args"
    small += [f"{part}.hidden=[2,2]", "--data.init_args.batch_size=4"]
    ending = command_line.lit_gan("fit", "--config=tfd", *command_line.QUIET, *small)
    assert "pretrained_checkpoint is not set: the second stage starts from the first" in ending.line


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in _INFERENCE])
def test_the_arguments_of_the_games_parts_are_on_the_command_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (
        "coordination.init_args.k=3",
        "objective=Hinge",
        "penalties+=R1",
        "penalties.weight=0.5",
        "augment=DiffAugment",
    )
    with suppress(SystemExit):
        main(["fit", "--config", name, *(f"--model.init_args.{each}" for each in options), "--print_config"])
    built = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert built["coordination"]["class_path"] == "lit_gan.coordination.FixedSteps"
    assert built["coordination"]["init_args"]["k"] == 3
    assert built["latent"]["class_path"].startswith("lit_gan.latents.")
    assert built["objective"]["class_path"] == "lit_gan.objectives.Hinge"
    assert built["penalties"][-1:] == [{"class_path": "lit_gan.penalties.R1", "init_args": {"weight": 0.5, "every": 1}}]
    assert built["augment"]["class_path"] == "lit_gan.augmentation.DiffAugment"
