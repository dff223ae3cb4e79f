"""What may be imported because a file names it, and what of it may be used."""

import sys
from pathlib import Path

import pytest
import torch

from lit_gan.data.mixtures import Ring
from lit_gan.engine.import_policy import ImportPolicy, Naming
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.latents import Normal


def _naming(name: str, **more: object) -> Naming:
    return Naming("checkpoint x.ckpt", "generator", name, **more)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("torch.nn.Linear", torch.nn.Linear),
        ("torch.nn.modules.linear.Linear", torch.nn.Linear),
        ("torch.optim.lr_scheduler.ReduceLROnPlateau", torch.optim.lr_scheduler.ReduceLROnPlateau),
        ("lit_gan.ConditionalGAN", ConditionalGAN),
        ("lit_gan.latents.Normal", Normal),
        ("lit_gan.data.mixtures.Ring", Ring),
        ("lit_gan.networks.nn.Linear", None),
        ("torch.nn.NoSuchLayer", None),
    ],
)
def test_parts_of_lit_gan_and_torch_are_found(name: str, found: type | None) -> None:
    assert ImportPolicy().part(_naming(name)) is found


def test_an_operation_of_torch_is_for_a_network_to_call_and_nothing_is_called_from_the_file() -> None:
    for name, found in (("torch.nn.functional.relu", torch.nn.functional.relu), ("torch.tanh", torch.tanh)):
        assert ImportPolicy().part(_naming(name, called=False)) is found
        with pytest.raises(UserError, match=rf"names {name} as its generator, which is no part of a GAN"):
            ImportPolicy().part(_naming(name, called=True))
    for name in ("torch.load", "torch.save", "torch.hub.load", "torch.compile"):
        with pytest.raises(UserError, match=r"of its training: nothing of it is imported or run\.$"):
            ImportPolicy().part(_naming(name, called=False))


@pytest.fixture
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "their_package"
    package.mkdir()
    (package / "__init__.py").write_text("from os import system\nimport os\n")
    (package / "__main__.py").write_text("raise SystemExit('ran')\n")
    (package / "broken.py").write_text("1 / 0\n")
    (package / "parts.py").write_text(
        "from torch import nn\nfrom lit_gan.objectives import Hinge\n"
        "class G(nn.Module): pass\nclass Loss(Hinge): pass\nclass Plain: pass\ndef swish(x): return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("", ".parts", ".broken"):  # a test may import them, and no other one finds them imported
        monkeypatch.delitem(sys.modules, f"their_package{name}", raising=False)


@pytest.mark.usefixtures("_package")
def test_an_imported_package_speaks_for_its_modules() -> None:
    with pytest.raises(UserError, match=r"and their_package is not imported: add --allow their_package \("):
        ImportPolicy().part(_naming("their_package.parts.G"))
    assert "their_package" not in sys.modules
    __import__("their_package")
    for name in ("G", "Loss"):
        assert ImportPolicy().part(_naming(f"their_package.parts.{name}", owner="lit_gan")).__name__ == name
    # Neither a network nor any other kind of part: only as an argument of the same package's class, or if allowed.
    for name in ("their_package.parts.Plain", "their_package.parts.swish"):
        with pytest.raises(UserError, match=r"no part of a GAN or of its training: add --allow their_package \(allow="):
            ImportPolicy().part(_naming(name))
        assert ImportPolicy().part(_naming(name, owner="their_package")) is not None
        assert ImportPolicy.allowing("their_package").part(_naming(name)) is not None
        assert ImportPolicy(typed=frozenset({name})).part(_naming(name)) is not None


@pytest.mark.usefixtures("_package")
@pytest.mark.parametrize("policy", [ImportPolicy(("their_package",)), ImportPolicy(("their_package.parts",))])
def test_only_what_is_allowed_is_imported(policy: ImportPolicy) -> None:
    assert policy.part(_naming("their_package.parts.G")).__name__ == "G"
    with pytest.raises(UserError, match=r"their_package\.broken cannot be imported \(ZeroDivisionError: "):
        policy.part(_naming("their_package.broken.G"))
    with pytest.raises(UserError, match=r"no part of a GAN"):
        policy.part(_naming("their_package.__main__.main"))
    assert policy.part(_naming("their_package.os.system")) is None
    with pytest.raises(UserError, match=r"no part of a GAN"):
        policy.part(_naming("their_package.system", owner="their_package"))


def test_a_name_that_no_module_has_is_told() -> None:
    with pytest.raises(UserError, match=r"^allow my gan: expected the name of a module, such as my_gan\.$"):
        ImportPolicy.allowing("my gan")
