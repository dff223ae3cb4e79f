"""What a run ran on: the content of ``environment.json``."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lit_gan import __version__
from lit_gan.runs.atomic_write import write_atomically

_PACKAGES = ("torch", "lightning", "torchmetrics", "torchvision", "numpy", "wandb")
_GIT_SECONDS = 5.0  # a checkout on a slow file server must not hold up the start of a run


def describe_environment(seed: int | None = None) -> dict[str, Any]:
    """Everything outside the configuration that a run's numbers may depend on.

    Nothing is imported for it; GPUs are listed only if torch has been imported already.

    Args:
        seed: Of the run.

    Example:
        >>> described = describe_environment(seed=7)
        >>> described["seed"], described["versions"]["torch"] is not None
        (7, True)
    """
    return {
        "seed": seed,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {"lit_gan": __version__} | {name: _installed(name) for name in _PACKAGES},
        **_commit(),
        "hardware": _hardware(),
        "argv": sys.argv,
        "hostname": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(),
    }


def write_environment(path: Path, seed: int | None = None) -> None:
    """Write :func:`describe_environment` as JSON, atomically."""
    write_atomically(path, json.dumps(describe_environment(seed), indent=2) + "\n")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """The commit of the package, if git keeps it, or else of the working directory."""
    source = Path(__file__).parent
    # A package installed into an environment inside someone's checkout is no part of that checkout.
    if _git(source, "ls-files", "--error-unmatch", Path(__file__).name) is not None:
        folder, commit_of = source, "lit_gan"
    else:
        folder, commit_of = Path.cwd(), "working directory"
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None, "commit_of": None}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes), "commit_of": commit_of}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None if there is no git, no checkout or no answer in time."""
    git = shutil.which("git")
    if git is None:
        return None
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # asking must not write into the user's checkout
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command, no shell
            [git, *arguments],
            cwd=folder,
            env=quiet,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _hardware() -> dict[str, Any]:
    described: dict[str, Any] = {"cpu": _cpu_model(), "cpus": os.cpu_count()}
    if hasattr(os, "sched_getaffinity"):
        described["cpus_allowed"] = len(os.sched_getaffinity(0))
    torch = sys.modules.get("torch")
    if torch is not None:
        # Sums are formed in another order with another number of threads: exact resume asks for the same one.
        described["torch_threads"] = torch.get_num_threads()
        gpus = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        described["gpus"] = [torch.cuda.get_device_name(index) for index in gpus]
        described["cuda"] = torch.version.cuda
    return described


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
