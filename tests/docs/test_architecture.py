"""What the page on the architecture says is what is enforced."""

import re
import tomllib

from documents import ROOT

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
