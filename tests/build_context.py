"""What an engine is sent of a folder to build an image from: the rules of `.dockerignore`, as engines read them."""

import os
import re
import shutil
from pathlib import Path


class IgnoreRules:
    """The last rule that a path, or a folder above it, matches decides.

    Args:
        text: Of a `.dockerignore`.
    """

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
        rules = [(not line.startswith("!"), line.removeprefix("!").strip("/")) for line in lines if line]
        self._rules = [(ignores, _expression(pattern)) for ignores, pattern in rules]
        self._exceptions = [pattern for ignores, pattern in rules if not ignores]

    def ignore(self, path: str) -> bool:
        """Whether the file is left out.

        Args:
            path: Relative to the folder, with `/`.
        """
        parts = path.split("/")
        places = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        ignored = False
        for ignores, expression in self._rules:
            if any(expression.fullmatch(place) for place in places):
                ignored = ignores
        return ignored

    def search(self, folder: str) -> bool:
        """Whether something in the folder may not be left out."""
        excepted = any(pattern.startswith(f"{folder}/") or set(pattern) & set("*?[") for pattern in self._exceptions)
        return excepted or not self.ignore(folder)


def context_files(folder: Path) -> list[str]:
    """The files, and symbolic links, that are sent, relative to the folder."""
    rules = IgnoreRules((folder / ".dockerignore").read_text())
    found = []
    for place, folders, files in os.walk(folder):
        paths = {name: (Path(place) / name).relative_to(folder).as_posix() for name in (*folders, *files)}
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        found += [paths[name] for name in (*files, *links) if not rules.ignore(paths[name])]
        folders[:] = [name for name in folders if rules.search(paths[name])]
    return sorted(found)


def copy_from(files: list[str], folder: Path, sources: list[str], target: Path, *, into: bool) -> None:
    """Does what COPY does: the content of a folder, but a file by its name.

    Args:
        files: That there are, relative to the folder.
        folder: The context.
        sources: Files or folders in it.
        target: Where to.
        into: Whether the target is a folder also where one file is copied.

    Raises:
        FileNotFoundError: If a source is not among the files.
    """
    for source in sources:
        below = [path for path in files if path == source or path.startswith(f"{source}/")]
        if not below:
            raise FileNotFoundError(f"nothing of {source} is in the context")
        for path in below:
            inside = path.removeprefix(source).strip("/") or (Path(source).name if into else "")
            place = target / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / path, place, follow_symlinks=False)


def _expression(pattern: str) -> re.Pattern[str]:
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]+\]|.", pattern)
    return re.compile(
        "".join(
            pieces.get(token, token if token.startswith("[") and len(token) > 1 else re.escape(token))
            for token in tokens
        )
    )
