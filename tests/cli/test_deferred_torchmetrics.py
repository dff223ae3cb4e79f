"""What a command puts off of torchmetrics is there for whoever asks, and nothing of it is imported twice."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from lit_gan.cli import deferred_torchmetrics
from lit_gan.cli.deferred_torchmetrics import defer_torchmetrics

# As torchmetrics is: the root imports all; in another order than the root's its parts meet each other half imported.
_PARTS = {
    "__init__": "from {0} import functional\nfrom {0}.image import Distance\nwhole = True\n",
    "__about__": "__version__ = '1.2'\n",
    "functional": "from {0}.utilities import checks\nfrom {0} import metric\n",
    "utilities/__init__": "from {0}.utilities.checks import check\n",
    "utilities/checks": "from {0} import _logger\nfrom {0}.metric import Metric\ncheck = Metric\n",
    "metric": "from {0}.utilities.data import zero\n\n\nclass Metric:\n    pass\n",
    "utilities/data": "zero = 0\n",
    "collections": "from {0}.utilities import check\n\n\nclass MetricCollection:\n    pass\n",
    "image/__init__": "from {0} import functional\nfrom {0}.image.distance import Distance\n",
    "image/distance": "from {0} import Metric\n\n\nclass Distance(Metric):\n    pass\n",
    "image/other": "from {0}.image import Distance\n",
}


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "a_package_of_metrics"
    for part, text in _PARTS.items():
        file = tmp_path / name / f"{part}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(name))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(deferred_torchmetrics, "_NAME", name)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    defer_torchmetrics()
    yield name
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


def _is_whole(name: str) -> bool:
    return "whole" in vars(sys.modules[name])


def test_the_core_alone_is_imported_for_those_who_want_no_more(name: str) -> None:
    package = import_module(name)
    assert package.__version__ == "1.2"
    assert [each for each in sys.modules if each.startswith(f"{name}.")] == [f"{name}.__about__"]
    assert package.Metric is import_module(f"{name}.metric").Metric
    assert package.MetricCollection is import_module(f"{name}.collections").MetricCollection
    assert package.utilities.data.zero == import_module(f"{name}.utilities.data").zero == 0
    assert not _is_whole(name)


@pytest.mark.parametrize("part", ["utilities.data", "metric", "collections", "utilities"])
def test_any_part_of_the_core_can_be_the_first(name: str, part: str) -> None:
    module = import_module(f"{name}.{part}")
    assert module.__spec__ is not None
    assert module.__spec__.origin == module.__file__
    assert not _is_whole(name)


@pytest.mark.parametrize("part", ["image", "image.distance", "image.other", "functional"])
def test_any_other_part_brings_all_of_it_in_its_order(name: str, part: str) -> None:
    metric = import_module(name).Metric
    module = import_module(f"{name}.{part}")
    assert _is_whole(name)
    assert module is sys.modules[f"{name}.{part}"]
    assert module.__spec__ is not None
    assert module.__spec__.origin == module.__file__
    package = sys.modules[name]
    assert issubclass(package.Distance, metric)
    assert package.image.Distance is package.image.distance.Distance is package.Distance


@pytest.mark.parametrize("attribute", ["Distance", "image", "functional", "whole"])
def test_so_does_any_other_name(name: str, attribute: str) -> None:
    assert getattr(import_module(name), attribute)
    assert _is_whole(name)


def test_what_there_is_not_is_missing_as_ever(name: str) -> None:
    package = import_module(name)
    with pytest.raises(ModuleNotFoundError, match=rf"No module named '{name}\.sound'"):
        import_module(f"{name}.sound")
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Sound'"):
        _ = package.Sound
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute '__sound__'"):
        _ = package.__sound__


def test_a_package_that_is_there_or_is_not_is_let_be(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = import_module(name)
    defer_torchmetrics()
    assert sys.modules[name] is package
    monkeypatch.setattr(deferred_torchmetrics, "_NAME", "no_such_package_of_metrics")
    defer_torchmetrics()
    assert "no_such_package_of_metrics" not in sys.modules


@pytest.mark.slow
def test_torchmetrics_is_such_a_package() -> None:
    program = """
import sys
from lit_gan.cli.deferred_torchmetrics import defer_torchmetrics
defer_torchmetrics()
import lightning.pytorch
import torchmetrics
assert "scipy.signal" not in sys.modules and "torchmetrics.functional" not in sys.modules
base, collection = torchmetrics.Metric, torchmetrics.MetricCollection
from torchmetrics.image.fid import FrechetInceptionDistance
assert "scipy.signal" in sys.modules
assert issubclass(FrechetInceptionDistance, base) and issubclass(torchmetrics.Accuracy, base)
assert torchmetrics.MetricCollection is collection and torchmetrics.image.fid.FrechetInceptionDistance
assert type(torchmetrics) is type(sys) and len(torchmetrics._logger.handlers) == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
