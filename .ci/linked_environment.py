"""Installs a wheel and what it names into a new environment, with the files of this one where they are the same.

    python .ci/linked_environment.py ENVIRONMENT WHEEL

pip decides what the wheel needs, as for a user who has nothing yet. Of each package that this environment has in that
very version the files are linked; all others are installed as ever. Nothing else comes into the environment, so that a
dependency that the wheel fails to name is missed there.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def needed(python: str, wheel: str) -> dict[str, str]:
    """Name and version of all that a fresh installation of the wheel would bring beside it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        pip = (python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", f"--report={report}")
        subprocess.run([*pip, wheel], check=True)  # noqa: S603 -- our own words
        found = json.loads(report.read_text())["install"]
    names = {one["metadata"]["name"]: one["metadata"]["version"] for one in found}
    return {name: version for name, version in names.items() if name != "lit-gan"}


def link(name: str, version: str, libraries: Path) -> bool:
    """Links the files of a package; False where this environment does not have it in that version."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return False
    if package.version != version or package.files is None:
        return False
    for file in package.files:
        if file.parts[0] == "..":  # a command, whose first line names this environment's interpreter
            continue
        source, target = Path(str(file.locate())), libraries / file
        if source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
    return True


def main(environment: str, wheel: str) -> None:
    """Makes the environment complete."""
    python = str(Path(environment, "bin", "python"))
    libraries = Path(sysconfig.get_path("purelib", "venv", {"base": environment, "platbase": environment}))
    pip = (python, "-m", "pip", "install", "--no-deps")
    packages = needed(python, wheel)
    others = [f"{name}=={version}" for name, version in packages.items() if not link(name, version, libraries)]
    subprocess.run([*pip, *others, wheel], check=True)  # noqa: S603 -- our own words
    subprocess.run([python, "-m", "pip", "check"], check=True)  # noqa: S603
    print(f"{len(packages) - len(others)} packages are linked, {len(others)} installed: {' '.join(others)}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
