from pathlib import Path

import pytest
from documents import PAGES, ROOT, anchors, links, name_of


def _relative_links() -> list[tuple[Path, str]]:
    return [(page, link) for page in PAGES for link in links(page) if "://" not in link]


def test_the_pages_have_links() -> None:
    assert len(_relative_links()) > 50


@pytest.mark.parametrize(("page", "link"), _relative_links(), ids=lambda value: str(value).rpartition("/")[2])
def test_a_relative_link_leads_somewhere(page: Path, link: str) -> None:
    target, _, anchor = link.partition("#")
    path = (page.parent / target).resolve() if target else page

    assert path.exists(), f"{name_of(page)} links to {link}"
    assert path.is_relative_to(ROOT)
    assert not anchor or anchor in anchors(path), f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(ROOT / "docs")], ids=name_of)
def test_a_page_of_the_site_links_to_pages_of_the_site_alone(page: Path) -> None:
    for link in links(page):
        if "://" not in link:
            assert (page.parent / link.partition("#")[0]).resolve().is_relative_to(ROOT / "docs"), link


@pytest.mark.parametrize(
    ("first", "folder"), [("api/index.md", "api"), ("index.md", "how-to"), ("errors/index.md", "errors")]
)
def test_every_page_of_a_folder_is_found_from_the_first(first: str, folder: str) -> None:
    page = ROOT / "docs" / first
    found = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link}
    assert set((ROOT / "docs" / folder).glob("*.md")) - {page} <= found


def test_every_picture_is_on_a_page() -> None:
    pictures = (".png", ".svg", ".webp")
    shown = {(page.parent / link).resolve() for page, link in _relative_links() if link.endswith(pictures)}

    assert shown == set((ROOT / "docs" / "images").iterdir())
