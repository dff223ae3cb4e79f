"""The notebook runs from top to bottom without a warning, and what it shows is what its cells give."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from documents import ROOT, anchors, links_of
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

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


def _notebook() -> Any:
    return nbformat.read(_FILE, as_version=4)


def _run(cells: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The cells with their outputs, as a kernel of their own gives them in that folder."""
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    first = nbformat.v4.new_code_cell(_WARNINGS_ARE_ERRORS)
    notebook = nbformat.v4.new_notebook(cells=[first, *cells])
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, startup_timeout=300, kernel_name="python3", resources=resources).execute()
    return list(notebook.cells[1:])


def _shown(cell: Any) -> list[str]:
    """What a cell shows, as far as it is the same on every machine: words, and that there is a picture."""
    outputs = cell.get("outputs", [])
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    given = [output.data for output in outputs if "data" in output]
    texts = [printed, *("a picture" if "image/png" in data else data["text/plain"] for data in given)]
    return [re.sub(r"-?[\d.,:]+", "0", text) for text in texts]


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = _notebook().cells
    assert sum("rounds = 2400" in cell.source for cell in stored) == 1
    cells = _notebook().cells
    for cell in cells:
        cell.source = cell.source.replace("rounds = 2400", "rounds = 130")

    ran = _run(cells, tmp_path, monkeypatch)

    assert [_shown(cell) for cell in ran] == [_shown(cell) for cell in stored]
    assert (tmp_path / "runs" / "notebook" / "report.html").is_file()


def test_a_cell_that_warns_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = nbformat.v4.new_code_cell("warnings.warn('of something')")
    with pytest.raises(CellExecutionError) as raised:
        _run([cell], tmp_path, monkeypatch)
    assert (raised.value.ename, raised.value.evalue) == ("UserWarning", "of something")


def test_the_notebook_that_is_kept_is_small_and_of_no_machine() -> None:
    notebook = _notebook()
    nbformat.validate(notebook)
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
