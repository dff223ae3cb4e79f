"""The configurations and sweeps that come with the package, found by their bare names."""

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from lit_gan.errors import UserError

#: What names a configuration, on every command line that takes one.
CONFIG_OPTIONS = ("-c", "--config")


def shipped_names(kind: str) -> list[str]:
    """The bare names of what is shipped.

    Example:
        >>> "quickstart" in shipped_names("configs")
        True
    """
    folder = files("lit_gan") / kind
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def find(name: str, kind: str = "configs") -> Path:
    """The file that a path or bare name means: one in the working directory beats a shipped one; a folder does not."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = Path(str(files("lit_gan") / kind)) / f"{name.removesuffix('.yaml')}.yaml"
    if path.name == name and shipped.is_file():
        return shipped
    option, what = ("--config", "configuration") if kind == "configs" else ("FILE", "sweep")
    if name and path.is_dir():
        raise UserError(f"{option} {name}: that is a folder: expected a YAML file in it.")
    names = shipped_names(kind)
    alike = get_close_matches(name, names, n=1)
    meant = f" (did you mean {alike[0]}?)" if alike else ""
    raise UserError(
        f"{option} {name}: no such file, and no shipped {what} of that name{meant}: expected a path to a YAML file or "
        f"one of {', '.join(names)}."
    )


def shipped_file(name: str) -> Path | None:
    """The file of a shipped configuration by its bare name; ``None`` where there is none of that name."""
    return Path(str(files("lit_gan") / "configs")) / f"{name}.yaml" if name in shipped_names("configs") else None
