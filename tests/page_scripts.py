"""The scripts of a page, run as its reader would run them, against what the page says that they print or end in."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import Block, blocks

#: A line that is an error's: its type, and what it says.
ERROR = re.compile(r"^\w+(?:Error|Exception): ")


def scripts(page: Path) -> list[tuple[Block, str]]:
    """Each script, and the block of text that follows: what it says."""
    found, all_blocks = [], [block for block in blocks(page) if block.title or block.language == "text"]
    for block, after in zip(all_blocks, [*all_blocks[1:], None], strict=True):
        if block.language == "python":
            found.append((block, after.text if after and after.language == "text" else ""))
    return found


def readers_folder(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes the page's files where Python, for this test alone, finds them."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", [str(folder), *sys.path])
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text)
            monkeypatch.delitem(sys.modules, Path(block.title).stem, raising=False)


def check(script: Block, shown: str, capsys: Any) -> None:
    """It prints the lines that are shown, or ends in the error that is: ``...`` in an error stands for anything."""
    said = _said(script, capsys)
    assert [bool(ERROR.match(line)) for line in (said.splitlines() or [""])][-1] is bool(ERROR.match(shown)), said
    if ERROR.match(shown):
        rest = words(said)
        for piece in words(shown).split(" ... "):
            assert piece in rest
            rest = rest.partition(piece)[2]
    else:
        lines = [line.rstrip() for line in said.splitlines()]
        assert lines[len(lines) - len(shown.splitlines()) :] == shown.splitlines()


def _said(script: Block, capsys: Any) -> str:
    """What it prints, and the error that it ends in."""
    capsys.readouterr()
    try:
        exec(compile(script.text, script.title, "exec"), {"__name__": "__main__"})  # noqa: S102 -- the page's own code
    except Exception as error:
        return f"{capsys.readouterr().out}{type(error).__name__}: {words(str(error))}"
    return str(capsys.readouterr().out)


def words(text: str) -> str:
    """The text with its lines joined."""
    return " ".join(text.split())
