"""The page that maps the paper to code names files and tests that there are."""

import re

import pytest
from documents import ROOT

_TABLE = (ROOT / "docs" / "paper.md").read_text().partition("## Where in the code, and which test")[2]
_ROWS = [row.strip("|").split("|") for row in re.findall(r"^\| .*`.*$", _TABLE, re.MULTILINE)]


def test_there_are_rows() -> None:
    assert len(_ROWS) > 25


@pytest.mark.parametrize(("demand", "code", "test"), _ROWS, ids=lambda value: value.strip()[:40])
def test_a_row_names_code_and_a_test_that_there_are(demand: str, code: str, test: str) -> None:
    assert all((ROOT / "lit_gan" / file).is_file() for file in re.findall(r"`([^`]+)`", code)), code
    file, name = re.findall(r"`([^`]+)`", test)
    assert f"def {name}(" in (ROOT / "tests" / file).read_text()
