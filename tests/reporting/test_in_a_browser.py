"""The page in a real browser."""

from pathlib import Path

import pytest
from browser import Page
from run_folders import make_run

from lit_gan.reporting.report import write_report

pytestmark = pytest.mark.slow


def _written(tmp_path: Path, *names: str) -> Path:
    runs = [make_run(tmp_path / "a" / name, config={"lr": number}) for number, name in enumerate(names)]
    file = tmp_path / "report.html"
    file.write_text(write_report(runs, "html", lambda name: None))
    return file


def _visible(selector: str) -> str:
    return f"[...document.querySelectorAll('{selector}')].filter(each => each.getClientRects().length).length"


def test_it_opens_without_a_word_and_asks_nobody(tmp_path: Path, browser: Page) -> None:
    file = _written(tmp_path, "one", "<b>two")
    browser.open(file)
    assert browser.complaints == []
    assert browser.requests == [file.as_uri()]


def test_the_slider_goes_through_the_rounds(tmp_path: Path, browser: Page) -> None:
    browser.open(_written(tmp_path, "one"))
    shown = "[...document.querySelectorAll('.film img')].find(each => !each.hidden).dataset.round"
    assert browser.run(shown) == "300"
    browser.run("{const s = document.querySelector('.film input'); s.value = 0; s.dispatchEvent(new Event('input'))}")
    assert browser.run(shown) == "100"
    assert browser.run("document.querySelector('.film output').textContent") == "100"
    assert browser.run(_visible(".film img")) == 1


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_is_the_readers_and_can_be_changed(tmp_path: Path, browser: Page, dark: bool) -> None:
    browser.open(_written(tmp_path, "one"), dark=dark)
    colour = "getComputedStyle(document.body).backgroundColor"
    light, black = "rgb(255, 255, 255)", "rgb(22, 22, 26)"
    assert browser.run(colour) == (black if dark else light)
    assert browser.run("document.getElementById('theme').textContent") == ("Light" if dark else "Dark")
    browser.run("document.getElementById('theme').click()")
    assert browser.run(colour) == (light if dark else black)


def test_a_run_can_be_taken_out_of_the_comparison(tmp_path: Path, browser: Page) -> None:
    browser.open(_written(tmp_path, "one", "two"))
    both = browser.run(_visible("path.run-1"))
    assert both > 0
    browser.run("document.querySelector('input[data-run=\"1\"]').click()")
    assert browser.run(_visible("path.run-1")) == 0
    assert browser.run(_visible("path.run-0")) > 0
    browser.run("document.querySelector('input[data-run=\"1\"]').click()")
    assert browser.run(_visible("path.run-1")) == both


def test_values_are_read_off_where_the_pointer_is(tmp_path: Path, browser: Page) -> None:
    browser.open(_written(tmp_path, "one"))
    browser.run(
        "{const svg = document.querySelector('.chart svg'), box = svg.getBoundingClientRect(); "
        "const place = {clientX: box.right - box.width * 28 / 640, clientY: box.top}; "
        "svg.dispatchEvent(new PointerEvent('pointermove', place))}"
    )
    assert browser.run("document.querySelector('.read').textContent") == "held-out images 19 (round 1,000)"


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(tmp_path: Path, browser: Page, width: int) -> None:
    browser.open(_written(tmp_path, "one", "two"), width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_it_can_be_printed(tmp_path: Path, browser: Page) -> None:
    browser.open(_written(tmp_path, "one"))
    assert len(browser.send("Page.printToPDF")["data"]) > 10_000
