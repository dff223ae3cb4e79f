"""The versions in `constraints.txt`, and whether they are enough for some requirements."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version


def pins(file: Path) -> dict[NormalizedName, Version]:
    """Name and version of each line.

    Raises:
        ValueError: If a line pins nothing.
    """
    found = {}
    for line in file.read_text().splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            match = re.fullmatch(r"([\w.-]+)==(\S+)", line)
            if match is None:
                raise ValueError(f"{line!r} pins no version.")
            found[canonicalize_name(match[1])] = Version(match[2])
    return found


class Closure:
    """Everything that some requirements lead to on the image's Python and platform.

    What a package requires is read where that very version is installed; the way through others ends there.

    Args:
        pinned: The versions.
        python: The image's, as in `3.13`.
    """

    def __init__(self, pinned: dict[NormalizedName, Version], python: str) -> None:
        self.pinned = pinned
        image = {"python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython"}
        platform = {
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
            "os_name": "posix",
        }
        here = {name: str(value) for name, value in default_environment().items()}
        self.environment = {**here, **image, **platform}
        self.seen: set[tuple[NormalizedName, str]] = set()
        self.unmet: list[str] = []

    def follow(self, requirement: Requirement, extra: str = "", by: str = "lit-gan") -> None:
        """Goes through a requirement, of an extra of what requires it, and all that it leads to."""
        if requirement.marker and not requirement.marker.evaluate({**self.environment, "extra": extra}):
            return
        name = canonicalize_name(requirement.name)
        version = self.pinned.get(name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            self.unmet.append(f"{by} requires {requirement}: pinned is {version}")
            return
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in self.seen:
                self.seen.add((name, wanted))
                for text in _requires(name, version):
                    self.follow(Requirement(text), wanted, f"{name} {version}")


def _requires(name: str, version: Version) -> list[str]:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return []
    return found.requires or [] if Version(found.version) == version else []
