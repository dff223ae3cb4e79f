"""The notebook runs from top to bottom without a warning, and what it shows is what its cells give."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, anchors, links_of

_FILE = ROOT / "docs" / "notebook.ipynb"
# What pyproject.toml tells pytest, told the kernel: warnings are errors, but for Lightning's advice and its own
# faults; and the kernel's own.
_WARNINGS_ARE_ERRORS = """
import warnings
from lightning.fabric.utilities.warnings import PossibleUserWarning
warnings.simplefilter("error")
warnings.simplefilter("ignore", PossibleUserWarning)
warnings.filterwarnings("ignore", module="ipykernel")
warnings.filterwarnings("ignore", r"`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning)
"""


def _jupyter(name: str) -> Any:
    """A module that takes seconds to import, which each process that only collects these tests would pay as well."""
    return import_module(name)


def _notebook() -> Any:
    return _jupyter("nbformat").read(_FILE, as_version=4)


def _run(sources: list[str], folder: Path) -> list[Any]:
    """Cells of these sources with their outputs, as a kernel gives them in that folder; the last one may fail."""
    v4, client = _jupyter("nbformat.v4"), _jupyter("nbclient").NotebookClient
    cells = [v4.new_code_cell(source) for source in (_WARNINGS_ARE_ERRORS, *sources)]
    cells[-1].metadata["tags"] = ["raises-exception"]
    notebook, resources = v4.new_notebook(cells=cells), {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIT_GAN_CACHE", str(folder / "cache"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        client(notebook, timeout=300, startup_timeout=300, kernel_name="python3", resources=resources).execute()
    return list(cells[1:])


def _shown(cell: Any) -> list[str]:
    """What a cell shows, as far as it is the same on every machine: words, and that there is a picture."""
    outputs = cell.get("outputs", [])
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    given = [output.data for output in outputs if "data" in output]
    texts = [printed, *("a picture" if "image/png" in data else data["text/plain"] for data in given)]
    return [re.sub(r"-?[\d.,:]+", "0", text) for text in texts]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    """The notebook's code cells, with fewer rounds, and one that warns; and the folder in which they ran."""
    sources = [cell.source for cell in _notebook().cells if cell.cell_type == "code"]
    assert sum("rounds = 2400" in source for source in sources) == 1
    folder = tmp_path_factory.mktemp("notebook")
    short = [source.replace("rounds = 2400", "rounds = 130") for source in sources]
    return _run([*short, "warnings.warn('of something')"], folder), folder


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_holds(ran: tuple[list[Any], Path]) -> None:
    cells, folder = ran
    stored = [cell for cell in _notebook().cells if cell.cell_type == "code"]
    assert [_shown(cell) for cell in cells[:-1]] == [_shown(cell) for cell in stored]
    assert (folder / "runs" / "notebook" / "report.html").is_file()


@pytest.mark.slow
def test_a_cell_that_warns_fails(ran: tuple[list[Any], Path]) -> None:
    [error] = ran[0][-1].outputs
    assert (error.output_type, error.ename, error.evalue) == ("error", "UserWarning", "of something")


def test_the_notebook_that_is_kept_is_small_and_of_no_machine() -> None:
    notebook = _notebook()
    _jupyter("nbformat").validate(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]

    assert _FILE.stat().st_size < 150_000
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == list(range(1, 11))
    assert not [output for output in outputs if output.get("name") == "stderr" or output.output_type == "error"]
    assert not re.search(r"/(home|root|tmp|work)/", _FILE.read_text())


def test_the_links_of_the_notebook_lead_somewhere() -> None:
    links = [link for cell in _notebook().cells if cell.cell_type == "markdown" for link in links_of(cell.source)]
    assert len(links) > 5
    for link in links:
        target, _, anchor = link.partition("#")
        path = _FILE.parent / target
        assert path.is_file(), link
        assert not anchor or anchor in anchors(path), link
