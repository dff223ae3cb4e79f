"""What the page on the architecture says and its diagrams show is what is enforced."""

import inspect
import re
import tomllib
from xml.etree import ElementTree as ET

from documents import ROOT

from lit_gan import GAN

_PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PAGE = (ROOT / "docs" / "architecture.md").read_text()


def _layers_of_the_contract() -> list[list[str]]:
    [layers] = [each["layers"] for each in _PYPROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    return [sorted(re.findall(r"lit_gan\.(\w+)", layer)) for layer in layers]


def _layers_of_the_page() -> list[list[str]]:
    [block] = re.findall(r"^## The layers.*?```text\n(.*?)```", _PAGE, flags=re.DOTALL | re.MULTILINE)
    names = [line.partition("  ")[0] for line in block.splitlines()]
    return [sorted(part.strip() for part in layer.split("|")) for layer in names]


def test_the_page_shows_the_layers_of_the_contract() -> None:
    assert _layers_of_the_page() == [layer for layer in _layers_of_the_contract() if layer != ["__main__"]]


def test_every_module_stands_in_a_layer() -> None:
    folder = ROOT / "lit_gan"
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert modules - {"__init__"} == {name for layer in _layers_of_the_contract() for name in layer}


def _texts(diagram: str) -> list[str]:
    file = ROOT / "docs" / "images" / diagram
    return [element.text or "" for element in ET.parse(file).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 -- ours


def test_the_diagram_of_the_layers_shows_those_of_the_contract() -> None:
    layers = [layer for layer in _layers_of_the_contract() if layer != ["__main__"]]
    layer_of = {name: number for number, layer in enumerate(layers) for name in layer}
    shown = [text for text in _texts("layers.svg") if text in layer_of]

    assert sorted(shown) == sorted(layer_of)
    assert [layer_of[name] for name in shown] == sorted(layer_of.values())


def test_the_diagram_of_the_parts_shows_every_argument_of_a_gan_and_every_method_to_override() -> None:
    words = set(re.findall(r"\w+", " ".join(_texts("parts.svg"))))
    methods = {"generate", "discriminate", "split_batch", "auxiliary_loss"}
    assert set(inspect.signature(GAN).parameters) | methods <= words
    assert all(hasattr(GAN, method) for method in methods)
