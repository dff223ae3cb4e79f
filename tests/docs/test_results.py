"""The page of results says what the pages say that it gathers."""

import re

import pytest
from documents import ROOT

_DOCS = ROOT / "docs"
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_FOUND = re.findall(r"\[([^\]]*\d[^\]]*)\]\(([\w/-]+\.md)", (_DOCS / "results.md").read_text())


def test_there_are_results() -> None:
    assert len(_FOUND) > 15


@pytest.mark.parametrize(("found", "page"), _FOUND)
def test_a_number_is_on_the_page_that_it_links_to(found: str, page: str) -> None:
    said = set(_NUMBER.findall((_DOCS / page).read_text()))
    # A benchmark's page has "11.94" where this one has "11.9".
    assert all(number in said or any(each.startswith(number) for each in said) for number in _NUMBER.findall(found))
