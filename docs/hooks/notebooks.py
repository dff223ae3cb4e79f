"""A notebook is a page of the site, with the outputs that it holds: no plugin, and nothing is run to build it."""

import json
from typing import Any

from mkdocs.structure.files import File


class Notebook(File):
    """A file that is a page, whatever its name ends with; links to it lead to the page."""

    def is_documentation_page(self) -> bool:
        """It is."""
        return True


def on_files(files: Any, **_: Any) -> None:
    """MkDocs: takes each notebook for a page."""
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        files.remove(file)
        files.append(Notebook(file.src_uri, file.src_dir, file.dest_dir, file.use_directory_urls))


def on_page_read_source(page: Any, **_: Any) -> str | None:
    """MkDocs: the Markdown of a notebook; any other page is read as ever."""
    if not isinstance(page.file, Notebook):
        return None
    cells = json.loads(page.file.content_string)["cells"]
    return "\n\n".join(part for cell in cells for part in _markdown_of(cell))


def _markdown_of(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    return [f"```python\n{source}\n```", *(_shown(output) for output in cell["outputs"])]


def _shown(output: dict[str, Any]) -> str:
    data = output.get("data", {"text/plain": output.get("text", "")})
    if "image/png" in data:
        return f"![What the cell above shows](data:image/png;base64,{''.join(data['image/png']).strip()})"
    return f"```text\n{''.join(data['text/plain']).rstrip()}\n```"
