"""The project's Markdown pages, taken apart: their fenced blocks, links and commands."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PROGRAMS = (["lit-gan"], ["lightning"], ["python", "-m", "lit_gan"])


@dataclass(frozen=True)
class Block:
    """One fenced block: ``title`` is the file that its text belongs into, or ``run`` for commands to be run."""

    language: str
    title: str
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    return [Block(language, title, text) for language, title, text in _BLOCK.findall(page.read_text())]


def links(page: Path) -> list[str]:
    return links_of(page.read_text())


def links_of(markdown: str) -> list[str]:
    return _LINK.findall(_BLOCK.sub("", markdown))


def anchors(page: Path) -> set[str]:
    """The headings as links name them: lower case, hyphens for spaces, no punctuation."""
    headings = _HEADING.findall(_BLOCK.sub("", page.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[list[str]]:
    """What follows ``lit-gan`` on each line of a ``console`` block, comments and shell syntax left out."""
    lines = [line for block in blocks(page) if block.language == "console" for line in _typed(block.text)]
    found = [arguments_of(piece) for line in lines for piece in line.removeprefix("$ ").split(" && ")]
    return [arguments for arguments in found if arguments is not None]


def _typed(console: str) -> list[str]:
    """What a user types: where some lines begin with ``$``, the others are what is printed."""
    lines = console.splitlines()
    return [line for line in lines if line.startswith("$ ")] or lines


def inline_commands(page: Path) -> list[list[str]]:
    """The same of code spans within a line of text."""
    spans = re.findall(r"`((?:lit-gan|lightning|python -m lit_gan) [^`]+)`", _BLOCK.sub("", page.read_text()))
    found = [arguments_of(span) for span in spans]
    return [arguments for arguments in found if arguments]


def arguments_of(command: str) -> list[str] | None:
    words = shlex.split(command.partition(" > ")[0], comments=True)
    for program in _PROGRAMS:
        if words[: len(program)] == program:
            return words[len(program) :]
    return None
