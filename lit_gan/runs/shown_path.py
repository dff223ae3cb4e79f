"""A path in the words of whoever reads it."""

from pathlib import Path


def shown(path: Path) -> str:
    """The path as the user would type it in the working directory.

    Example:
        >>> shown(Path.cwd() / "runs"), shown(Path("/elsewhere"))
        ('runs', '/elsewhere')
    """
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
