"""A GAN from a checkpoint alone, and what stands in its way."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.cli import LightningCLI
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, trainer
from untrusted import ATTACKS, IMPORTED, rewritten, sentinel

from lit_gan.data import DigitsDataModule
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.networks import MLPGenerator


@pytest.fixture(autouse=True)
def _no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightningCLI warns where it is given arguments while there is a command line."""
    monkeypatch.setattr("sys.argv", ["pytest"])


def _network(name: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"lit_gan.networks.{name}", "init_args": {"image_shape": [1, 8, 8], **arguments}}


@pytest.fixture
def built_from_class_paths() -> GAN:
    """As LightningCLI builds a module, without our command line."""
    cli = LightningCLI(
        GAN,
        DigitsDataModule,
        run=False,
        save_config_callback=None,
        auto_configure_optimizers=False,
        seed_everything_default=False,
        trainer_defaults={"accelerator": "cpu", "logger": False, "enable_checkpointing": False},
        args={
            "model": {
                "generator": _network("MLPGenerator", latent_size=3, hidden=[5]),
                "discriminator": _network("MaxoutDiscriminator", hidden=[4], pieces=2),
                "latent": {"class_path": "lit_gan.latents.Normal", "init_args": {"size": 3}},
            }
        },
    )
    return cli.model


def _saved(gan: GAN, path: Path) -> Path:
    run = trainer()
    run.strategy.connect(gan)
    run.save_checkpoint(path)
    return path


def test_built_from_class_paths_it_loads_from_the_file_alone(built_from_class_paths: GAN, tmp_path: Path) -> None:
    path = _saved(built_from_class_paths, tmp_path / "gan.ckpt")
    loaded = GAN.load_from_checkpoint(path)
    assert type(loaded.latent).__name__ == "Normal"
    assert torch.equal(loaded.sample(4, rng=0), built_from_class_paths.sample(4, rng=0))
    assert torch.load(path, weights_only=True)["hyper_parameters"]["latent"]["init_args"]["size"] == 3


def test_built_from_instances_it_stores_no_networks_and_says_so(tmp_path: Path) -> None:
    path = _saved(linear_gan(), tmp_path / "gan.ckpt")
    assert "hyper_parameters" not in torch.load(path, weights_only=True)
    with pytest.raises(UserError, match=r"its GAN was built from instances.*pass them again.*generator=\.\.\."):
        GAN.load_from_checkpoint(path)
    loaded = GAN.load_from_checkpoint(path, generator=LinearGenerator(), discriminator=LinearDiscriminator())
    assert float(loaded.generator.a.detach()) == pytest.approx(0.7)


def test_the_run_folder_stands_for_its_checkpoint(built_from_class_paths: GAN, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    _saved(built_from_class_paths, tmp_path / "checkpoints" / "last.ckpt")
    assert torch.equal(GAN.load_from_checkpoint(tmp_path).sample(4, rng=0), built_from_class_paths.sample(4, rng=0))


def _rewritten(path: Path, **changes: Any) -> Path:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"] = {**checkpoint.get("hyper_parameters", {}), **changes}
    torch.save(checkpoint, path)
    return path


def test_a_class_that_is_not_imported_is_named(built_from_class_paths: GAN, tmp_path: Path) -> None:
    path = _rewritten(_saved(built_from_class_paths, tmp_path / "gan.ckpt"), _class_path="their.package.TheirGAN")
    with pytest.raises(UserError) as refused:
        GAN.load_from_checkpoint(path)
    assert str(refused.value) == (
        f"checkpoint {path} names their.package.TheirGAN as its model, and their is not imported: add --allow their "
        "(import their, or allow=('their',) in Python) if you trust the file."
    )
    with pytest.raises(UserError, match=r"and their\.package cannot be imported \(ModuleNotFoundError: "):
        GAN.load_from_checkpoint(path, allow="their")


def test_a_trusted_file_may_hold_whole_networks(tmp_path: Path) -> None:
    gan = linear_gan()
    path = _saved(gan, tmp_path / "gan.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"] = {"generator": LinearGenerator(), "discriminator": LinearDiscriminator()}
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match=r"gan\.ckpt"):
        GAN.load_from_checkpoint(path)
    loaded = GAN.load_from_checkpoint(path, weights_only=False)
    assert torch.equal(loaded.generator.a, gan.generator.a)


def test_a_class_that_is_no_gan_is_refused(built_from_class_paths: GAN, tmp_path: Path) -> None:
    path = _rewritten(_saved(built_from_class_paths, tmp_path / "gan.ckpt"), _class_path="torch.nn.Linear")
    with pytest.raises(UserError, match=r"holds a torch\.nn\.Linear, which is no GAN"):
        GAN.load_from_checkpoint(path)


def test_a_subclass_is_found_through_the_base_class(tmp_path: Path) -> None:
    cli = LightningCLI(
        ConditionalGAN,
        DigitsDataModule,
        run=False,
        save_config_callback=None,
        auto_configure_optimizers=False,
        seed_everything_default=False,
        trainer_defaults={"accelerator": "cpu", "logger": False, "enable_checkpointing": False},
        subclass_mode_model=True,
        args={
            "model": {
                "class_path": "lit_gan.ConditionalGAN",
                "init_args": {
                    "generator": _network("MLPGenerator", latent_size=3, hidden=[5], condition_size=10),
                    "discriminator": _network("MaxoutDiscriminator", hidden=[4], pieces=2, condition_size=10),
                    "num_classes": 10,
                },
            }
        },
    )
    loaded = GAN.load_from_checkpoint(_saved(cli.model, tmp_path / "gan.ckpt"))
    assert isinstance(loaded, ConditionalGAN)
    assert loaded.num_classes == 10


def test_weights_of_another_architecture_are_told(built_from_class_paths: GAN, tmp_path: Path) -> None:
    path = _saved(built_from_class_paths, tmp_path / "gan.ckpt")
    with pytest.raises(UserError, match=r"checkpoint .*gan\.ckpt does not fit GAN: .*generator"):
        GAN.load_from_checkpoint(path, generator=MLPGenerator((1, 8, 8), latent_size=3, hidden=(9,)))


def test_a_missing_and_a_damaged_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.ckpt does not exist"):
        GAN.load_from_checkpoint(tmp_path / "nothing.ckpt")
    (tmp_path / "damaged.ckpt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(UserError, match=r"damaged\.ckpt"):
        GAN.load_from_checkpoint(tmp_path / "damaged.ckpt")


def test_float64_weights_resume_without_losing_bits(tmp_path: Path) -> None:
    gan = linear_gan()
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(8), 8))
    run.save_checkpoint(tmp_path / "gan.ckpt")
    resumed = linear_gan()
    trainer(max_steps=1).fit(resumed, loader(examples(8), 8), ckpt_path=tmp_path / "gan.ckpt", weights_only=True)
    assert resumed.generator.a.dtype == torch.float64
    assert torch.equal(resumed.generator.a, gan.generator.a)


@pytest.mark.parametrize("attack", [*ATTACKS, *IMPORTED])
def test_nothing_is_imported_or_built_because_a_checkpoint_names_it(
    attack: str, built_from_class_paths: GAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = rewritten(_saved(built_from_class_paths, tmp_path / "gan.ckpt"), *{**ATTACKS, **IMPORTED}[attack])
    modules = set(sys.modules)
    with (
        sentinel(tmp_path, monkeypatch),
        pytest.raises(UserError, match=r"^checkpoint .*gan\.ckpt (names|does not fit)"),
    ):
        GAN.load_from_checkpoint(path)
    assert not {"sentinel", "this", "antigravity", "torch.utils.cpp_extension.load"} & (set(sys.modules) - modules)


def test_the_arguments_that_earlier_versions_kept_elsewhere_are_looked_at_too(
    built_from_class_paths: GAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(built_from_class_paths, tmp_path / "gan.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    generator = checkpoint["hyper_parameters"].pop("generator")
    torch.save({**checkpoint, "hparams": {"generator": {"class_path": "sentinel.G"}}}, path)
    with sentinel(tmp_path, monkeypatch), pytest.raises(UserError, match=r"names sentinel\.G as its generator, and"):
        GAN.load_from_checkpoint(path)
    torch.save({**checkpoint, "hyper_parameters": [generator]}, path)
    with pytest.raises(UserError, match=r"its hyper_parameters: got a list, expected a mapping"):
        GAN.load_from_checkpoint(path)


@pytest.mark.parametrize("allow", ["sentinel", ("sentinel",), ["other", "sentinel"]])
def test_what_the_user_allows_is_imported(
    allow: Any, built_from_class_paths: GAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sentinel.py").write_text("from lit_gan.networks import MLPGenerator\nclass G(MLPGenerator): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = _saved(built_from_class_paths, tmp_path / "gan.ckpt")
    stored = torch.load(path, weights_only=True)["hyper_parameters"]["generator"]
    rewritten(path, "generator", {**stored, "class_path": "sentinel.G"})
    with pytest.raises(UserError, match=r"and sentinel is not imported: add --allow sentinel \(import sentinel, or"):
        GAN.load_from_checkpoint(path)
    try:
        loaded = GAN.load_from_checkpoint(path, allow=allow)
        assert type(loaded.generator).__module__ == "sentinel"
        assert torch.equal(loaded.sample(4, rng=0), built_from_class_paths.sample(4, rng=0))
        GAN.load_from_checkpoint(path)  # by now the program has imported it
    finally:
        sys.modules.pop("sentinel")
