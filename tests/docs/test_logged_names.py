"""The page of logged names has every name that a run logs, and no other."""

import re
from pathlib import Path

import pytest
from command_line import QUIET, SHORT, fit, lit_gan, metrics, the_run
from documents import ROOT

_PAGE = ROOT / "docs" / "how-to" / "logged-names.md"


def test_it_is_complete_and_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scored = "--parzen.num_samples=20"
    assert "--parzen.num_samples=0" in SHORT  # which the last flag beats
    assert fit(scored, "--interpolation.rows=1", epochs=1).code == 0
    assert lit_gan("test", the_run(), *QUIET, scored).code == 0
    logged = {name for row in metrics(the_run()) for name in row} - {"step", "epoch"}

    page = _PAGE.read_text()
    named = set(re.findall(r"`((?:train|val|perf)/\w+)`", page))
    assert "`lit-gan test` logs the same under `test/`" in page
    assert named | {name.replace("val/", "test/") for name in named if name.startswith("val/")} == logged
    for picture in re.findall(r"`(round|interpolation)-006000\.png`", page):
        assert len(list(the_run().glob(f"samples/{picture}-000004.png"))) == 1
