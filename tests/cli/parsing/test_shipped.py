"""Configurations by their bare names."""

from pathlib import Path

import pytest

from lit_gan.cli.parsing.shipped import find, shipped_names
from lit_gan.errors import UserError

_CONFIGS = (
    "cifar10_conv", "cifar10_fc", "mnist", "mnist_conditional", "quickstart", "quickstart_conditional", "tfd",
    "tfd_pretrain",
)  # fmt: skip


def test_every_configuration_is_found_by_its_bare_name() -> None:
    assert set(_CONFIGS) <= set(shipped_names("configs"))
    for name in _CONFIGS:
        assert find(name).name == find(f"{name}.yaml").name == f"{name}.yaml"


def test_a_file_of_that_name_wins() -> None:
    Path("mnist").write_text("seed_everything: 1")
    Path("mnist.yaml").write_text("seed_everything: 2")
    assert find("mnist") == Path("mnist")
    assert find("mnist.yaml") == Path("mnist.yaml")


def test_a_folder_of_that_name_does_not_win() -> None:
    Path("mnist").mkdir()
    Path("mnist.yaml").mkdir()
    assert find("mnist").is_file()
    assert find("mnist.yaml").is_file()


@pytest.mark.parametrize("name", ["mnits", "somewhere/mnist", "./mnist", "", "../configs/mnist"])
def test_what_is_not_there_is_told_with_what_is(name: str) -> None:
    with pytest.raises(UserError, match=r"no such file, and no shipped configuration of that name.*mnist, mnist_cond"):
        find(name)


def test_a_folder_is_no_configuration() -> None:
    Path("mine").mkdir()
    with pytest.raises(UserError, match=r"^--config mine: that is a folder: expected a YAML file in it\.$"):
        find("mine")


@pytest.mark.parametrize(
    ("name", "kind", "meant"),
    [("quickstrat", "configs", "quickstart"), ("tdf", "configs", "tfd"), ("digit_quick", "sweeps", "digits_quick")],
)
def test_a_misspelt_name_is_told_with_the_one_that_is_like_it(name: str, kind: str, meant: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: no such file, .* \(did you mean {meant}\?\)"):
        find(name, kind)
