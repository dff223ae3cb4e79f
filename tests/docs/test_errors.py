"""The pages headed by error texts: what fails there fails so in the installed Lightning, and what mends it runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, anchors, blocks, links
from page_scripts import ERROR, check, readers_folder, scripts, words

_FOLDER = ROOT / "docs" / "errors"
_INDEX = _FOLDER / "index.md"
_PAGES = sorted(set(_FOLDER.glob("*.md")) - {_INDEX})

pytestmark = [
    pytest.mark.usefixtures("own_process_group"),
    # What the pages say of it: a long advice, to keep the weights of before the step.
    pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization"),
]


@pytest.mark.parametrize(
    ("page", "title"),
    [(page, script.title) for page in _PAGES for script, _ in scripts(page)],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_a_script_says_what_its_page_shows(
    page: Path, title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    readers_folder(_INDEX, tmp_path, monkeypatch)
    [(script, shown)] = [each for each in scripts(page) if each[0].title == title]
    assert title.startswith("fails") or not ERROR.match(shown)

    check(script, shown, capsys)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_a_page_is_headed_by_what_is_searched_for(page: Path) -> None:
    text = page.read_text()
    heading = re.findall(r"^# (.+)$", text, re.MULTILINE)[0]
    [title] = re.findall(r"\A---\ntitle: (.+)\nsearch: .+\n---\n", text)
    (first, shown), *others = scripts(page)

    assert re.sub(r"^(['\"])(.*)\1$", r"\2", title) == heading.replace("`", "")
    assert first.title == "fails.py"
    assert not ERROR.match(shown) or heading in words(shown)
    assert {"mended.py", "here.py"} <= {script.title for script, _ in others}
    assert {"why", "here"} <= anchors(page)


def test_every_page_is_found_from_the_first() -> None:
    assert [block.title for block in blocks(_INDEX)] == ["plain_gan.py", "round_gan.py"]
    assert {page.name for page in _PAGES} <= set(links(_INDEX))
