"""The roles and directives in the docstrings, rewritten as the Markdown that the API pages are made of."""

import re
from textwrap import dedent
from typing import Any

from griffe import Extension

# `.. math:: X` with X on the same line, or indented in the lines below it.
_DIRECTIVE = re.compile(r"^([ ]*)\.\. math::[ ]*(.*(?:\n\1[ ]+\S.*)*)$", re.MULTILINE)
_FORMULA = re.compile(r":math:`([^`]+)`")
_ROLE = re.compile(r":(?:class|meth|func|attr|data|mod|exc):`~?([^`]+)`")
# Google's guide says "Example:", the parser calls the section with the prompts "Examples:".
_EXAMPLE = re.compile(r"^([ ]*)Example:$", re.MULTILINE)


class DocstringsInMarkdown(Extension):
    """Griffe extension: every docstring is rewritten as it is read, before its sections are parsed."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrites one object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = in_markdown(obj.docstring.value)


def in_markdown(docstring: str) -> str:
    """The docstring with fences and code spans instead of directives and roles.

    Args:
        docstring: As it stands in the source, without its common indentation.
    """
    text = _DIRECTIVE.sub(_fence, docstring)
    text = _FORMULA.sub(r"`#!math \1`", text)
    text = _ROLE.sub(r"`\1`", text)
    return _EXAMPLE.sub(r"\1Examples:", text)


def _fence(match: re.Match[str]) -> str:
    indent, formula = match[1], " ".join(dedent(match[2]).split())
    return f"{indent}```math\n{indent}{formula}\n{indent}```"
