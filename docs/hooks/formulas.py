"""Formulas as MathML, which every current browser draws by itself: no script, no font and no server is needed.

A page writes a fence named `math`, as GitHub knows it too, or `` `#!math ...` `` within a line.
"""

import logging
import re
from typing import Any

from latex2mathml.converter import convert

_LOG = logging.getLogger("mkdocs.hooks.formulas")
# What docstrings.py should have rewritten, as it looks once it is HTML.
_LEFT_OVER = re.compile(r"\.\. math::|:(?:math|class|meth|func|attr|data|mod|exc):(?=`|<code)")


def on_config(config: Any) -> Any:
    """MkDocs: tells the fences and the code spans of every page, and of every docstring, what `math` is."""
    configs = config["mdx_configs"]
    fence = {"name": "math", "class": "math", "format": _block}
    span = {"name": "math", "class": "math", "format": _inline}
    configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", []).append(fence)
    configs.setdefault("pymdownx.inlinehilite", {}).setdefault("custom_inline", []).append(span)
    return config


def on_page_content(html: str, page: Any, **_: Any) -> None:
    """MkDocs: a directive or a role that reached a page is a warning, and so an error in a strict build."""
    for match in _LEFT_OVER.finditer(html):
        _LOG.warning("%s: %r was not rewritten as Markdown", page.file.src_path, match[0])


def _block(source: str, *_: Any, **__: Any) -> str:
    # A formula that is wider than a phone moves in its own place, and not the whole page with it.
    return f'<p style="overflow-x: auto">{convert(source.strip(), display="block")}</p>'


def _inline(source: str, *_: Any, **__: Any) -> str:
    return str(convert(source))
