"""Games of the networks for images: by the command in a few lines of YAML, resumed to the bit, with an average."""

from pathlib import Path
from typing import Any

import command_line
import pytest
import torch
from PIL import Image
from tiny_gan import trainer
from torch import Tensor
from torch.optim import Adam
from torch.utils.data import DataLoader

from lit_gan.callbacks import GeneratorEMA
from lit_gan.engine.batch_norm import batch_norms
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    R3GANDiscriminator,
    R3GANGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
)
from lit_gan.objectives import Hinge, NonSaturating, RelativisticPairing
from lit_gan.penalties import R1, R2

SHAPE = (3, 16, 16)
_YAML = """
model:
  class_path: lit_gan.{gan}
  init_args:
    generator: {{class_path: lit_gan.networks.{family}Generator, init_args: {{widths: 4{options}}}}}
    discriminator: {{class_path: lit_gan.networks.{family}Discriminator, init_args: {{widths: 4{options}}}}}
    objective: lit_gan.objectives.{objective}
    penalties: {penalties}
    optimizer_g: {{class_path: torch.optim.Adam, init_args: {{lr: 0.001}}}}
    optimizer_d: {{class_path: torch.optim.Adam, init_args: {{lr: 0.001}}}}
data:
  class_path: lit_gan.data.ImageFolderDataModule
  init_args: {{root: pictures, image_size: 16, value_range: [-1.0, 1.0], batch_size: 4}}
"""
_BOTH = "[lit_gan.penalties.R1, lit_gan.penalties.R2]"
#: What stands in the YAML, and on the command line.
_COMMANDS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "DCGAN": ({"objective": "NonSaturating", "penalties": "[]"}, ()),
    "ResNet": (
        {"gan": "ConditionalGAN", "options": ", condition_size: 2", "objective": "Hinge", "penalties": _BOTH},
        ("--model.init_args.coordination.init_args.k=3",),
    ),
    "R3GAN": (
        {"options": ", group_width: 4", "objective": "RelativisticPairing", "penalties": _BOTH},
        ("--trainer.precision=bf16-mixed",),
    ),
}


@pytest.fixture
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(40):
        folder = Path("pictures", "ab"[number % 2])
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (6 * number, 255 - 6 * number, 99)).save(folder / f"{number}.png")


@pytest.mark.usefixtures("_pictures")
@pytest.mark.parametrize("family", _COMMANDS)
def test_trains_by_a_few_lines_of_yaml(family: str) -> None:
    written, options = _COMMANDS[family]
    text = _YAML.format(**{"gan": "GAN", "options": "", "family": family, **written})
    assert len(text.strip().splitlines()) < 20
    Path("mine.yaml").write_text(text)
    ending = command_line.lit_gan(
        "fit", "--config=mine.yaml", *command_line.QUIET, "--wandb=off", "--report=false", "--interpolation.rows=0",
        "--sample_grid.num_samples=4", "--trainer.max_steps=2", "--trainer.log_every_n_steps=1", *options,
    )  # fmt: skip
    assert (ending.code, ending.err) == (0, "")
    run = command_line.the_run()
    assert (run / "samples" / "round-000002.png").exists()
    assert all(value.isfinite().all() for value in command_line.weights(run).values() if value.is_floating_point())
    logged = command_line.metrics(run)[-1]
    assert ("train/penalty_r2" in logged) == (family != "DCGAN")


@pytest.mark.usefixtures("_pictures")
def test_a_range_that_is_not_the_datas_is_refused() -> None:
    written, _ = _COMMANDS["DCGAN"]
    text = _YAML.format(gan="GAN", options="", family="DCGAN", **written).replace("[-1.0, 1.0]", "[0.0, 1.0]")
    Path("mine.yaml").write_text(text)
    line = command_line.lit_gan("fit", "--config=mine.yaml", *command_line.QUIET, "--wandb=off").line
    assert "the data lie in [0.0, 1.0] but the generator's output activation gives [-1.0, 1.0]" in line
    assert "--model.init_args.generator.init_args.output_activation sigmoid" in line


@pytest.mark.usefixtures("_pictures")
def test_a_size_that_cannot_be_halved_is_told_in_one_line() -> None:
    written, _ = _COMMANDS["DCGAN"]
    Path("mine.yaml").write_text(_YAML.format(gan="GAN", options="", family="DCGAN", **written))
    line = command_line.lit_gan("fit", "--config=mine.yaml", "--data.init_args.image_size=50", "--wandb=off").line
    assert "images with maps of 50 x 50: expected a side of 4, 5, 6 or 7 times a power of two" in line


# -- In the process ----------------------------------------------------------------------------------------------------


def _adam(parameters: Any) -> Adam:
    return Adam(parameters, lr=0.01, betas=(0.0, 0.99))


def _gan(family: str) -> GAN:
    torch.manual_seed(0)
    options: dict[str, Any] = {"optimizer_g": _adam, "optimizer_d": _adam, "penalties": [R1(0.1, every=2), R2(0.1)]}
    if family == "dcgan":
        networks: Any = DCGANGenerator(SHAPE, 8, 4), DCGANDiscriminator(SHAPE, 4)
        return GAN(*networks, **{**options, "objective": NonSaturating(), "penalties": []})
    if family == "resnet":
        networks = ResNetGenerator(SHAPE, 8, 4, condition_size=3), ResNetDiscriminator(SHAPE, 4, condition_size=3)
        return ConditionalGAN(*networks, num_classes=3, **options, objective=Hinge())
    widths = {"widths": 4, "group_width": 4, "spectral_norm": True}
    networks = R3GANGenerator(SHAPE, 8, **widths), R3GANDiscriminator(SHAPE, **widths)
    return GAN(*networks, **options, objective=RelativisticPairing())


def _data(gan: GAN) -> Any:
    draw = torch.Generator().manual_seed(1)
    rows = 4 * gan.minibatches_per_round
    images = 2 * torch.rand(2, rows, *SHAPE, generator=draw, dtype=torch.float64) - 1
    return DataLoader([[each, torch.arange(rows) % 3] for each in images], batch_size=None)  # an epoch: two rounds


def _trained(gan: GAN, steps: int, checkpoint: Path | None = None) -> Any:
    fit = trainer(max_steps=steps, callbacks=[GeneratorEMA(horizon=0.5)])
    fit.fit(gan, _data(gan), ckpt_path=checkpoint)
    return fit


@pytest.mark.parametrize("family", ["dcgan", "resnet", "r3gan"])
def test_resumes_to_the_bit_with_its_average(family: str, tmp_path: Path) -> None:
    whole = _gan(family)
    _trained(whole, 4)
    _trained(_gan(family), 2).save_checkpoint(tmp_path / "two.ckpt")
    resumed = _gan(family)
    _trained(resumed, 4, tmp_path / "two.ckpt")
    _same(whole.state_dict(), resumed.state_dict())
    _same(whole.generator_average, resumed.generator_average)
    assert torch.equal(whole.sample(6, rng=0), resumed.sample(6, rng=0))
    assert set(whole.average_statistics) == {
        f"{name}.{kind}" for name in batch_norms(whole.generator) for kind in ("running_mean", "running_var")
    }
    assert bool(whole.average_statistics) == (family != "r3gan")


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
