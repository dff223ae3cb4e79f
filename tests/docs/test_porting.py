"""The page on porting: what it begins with fails or trains, and what becomes of it trains to the same weights."""

from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from page_scripts import check, readers_folder, scripts

_PAGE = ROOT / "docs" / "porting.md"


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_before_and_after_say_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    readers_folder(_PAGE, tmp_path, monkeypatch)
    names = ["parts.py", "before.py", "after.py", "by_hand.py", "with_gan.py", "same.py", "weights.py"]
    assert [script.title for script, _ in scripts(_PAGE)] == names

    for script, shown in scripts(_PAGE):
        check(script, shown, capsys)
