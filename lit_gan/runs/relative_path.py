"""A path in the words of whoever reads it."""

from pathlib import Path


def relative_to_cwd(path: Path) -> str:
    """The path as the user would type it in the working directory.

    Example:
        >>> relative_to_cwd(Path.cwd() / "runs"), relative_to_cwd(Path("/elsewhere"))
        ('runs', '/elsewhere')
    """
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
