"""Builds the image by hand where no container engine runs: each step of the Dockerfile, in a root of its own.

A copy of a Debian root stands in for the base image, and `unshare` and `chroot` for the engine. As a program, for root:

    python tests/chroot_build.py build --out FOLDER --base DEBIAN [--build-arg NAME=VALUE] [--env NAME] [--bind PATH]
    python tests/chroot_build.py run --out FOLDER [--user UID:GID] [--mount FOLDER] [--health] -- [ARGUMENTS]

`run` gives the command a process tree in which its entry point is process 1, as engines do. A Debian root that has
Python and pip where the official image has them:

    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv trixie DEBIAN
    chroot DEBIAN python3 -m venv /usr/local
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from build_context import context_files, copy_from
from dockerfile import Instruction, Stage, parse, substitute

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Run = Callable[[Sequence[str]], None]


@dataclass
class Image:
    """The root that a stage has made so far, and what the engine remembers of it."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    directory: str = "/"
    user: str = "0:0"
    entry_point: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Machine:
    """What the steps see of the machine that they run on: paths that are bound into the root, and variables."""

    binds: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Builder:
    """Makes one root per stage.

    Args:
        context: The folder with the Dockerfile.
        base: A root to copy for every FROM that names no stage.
        out: Where the roots go, by the stages' names, and the caches.
        arguments: What `--build-arg` gives.
        machine: What the steps see of it.
        run: Runs a command on the machine, and raises if it fails.
    """

    def __init__(
        self, context: Path, base: Path, out: Path, arguments: Mapping[str, str], machine: Machine, run: Run
    ) -> None:
        self.context, self.base, self.out, self.arguments = context, base, out, arguments
        self.machine, self.run = machine, run
        self.images: dict[str, Image] = {}

    def build(self) -> Image:
        """Runs all steps; the last stage's image."""
        image = Image(self.base)
        for stage in parse((self.context / "Dockerfile").read_text(), self.arguments).stages:
            image = self.images[stage.name] = self._stage(stage)
        return image

    def _stage(self, stage: Stage) -> Image:
        image = Image(self.out / stage.name)
        self.run(["cp", "-a", str(self.base), str(image.root)])
        given: dict[str, str] = {}
        for step in stage.instructions:
            variables = {**given, **image.environment}
            if step.name == "ARG":
                pairs = step.pairs(variables)
                given |= {name: self.arguments.get(name, value) for name, value in pairs.items()}
            elif step.name == "RUN":
                self._run(step, image, variables)
            elif step.name == "COPY":
                self._copy(step, image, variables)
            else:
                _remember(step, image, variables)
        return image

    def _run(self, step: Instruction, image: Image, variables: Mapping[str, str]) -> None:
        mounts = [self._mount(dict(pair.split("=") for pair in value.split(","))) for _, value in step.flags]
        mounts += [(Path(path), path) for path in self.machine.binds]
        environment = {**self.machine.environment, **variables}
        self.run(inside(image, ["/bin/sh", "-c", step.text], mounts, environment))

    def _mount(self, flag: Mapping[str, str]) -> tuple[Path, str]:
        if flag["type"] == "cache":
            source = self.out / "cache" / flag["target"].strip("/").replace("/", "-")
            source.mkdir(parents=True, exist_ok=True)
        else:
            source = self.images[flag["from"]].root / flag["source"].strip("/")
        return source, flag["target"]

    def _copy(self, step: Instruction, image: Image, variables: Mapping[str, str]) -> None:
        *sources, target = (substitute(word, variables) for word in step.words)
        place = image.root / os.path.join(image.directory, target).strip("/")
        stage = step.flag("from")
        if stage is None:
            copy_from(context_files(self.context), self.context, sources, place, into=target.endswith("/"))
            return
        place.mkdir(parents=True, exist_ok=True)
        for source in sources:
            self.run(["cp", "-a", f"{self.images[stage].root / source.strip('/')}/.", str(place)])


def _remember(step: Instruction, image: Image, variables: Mapping[str, str]) -> None:
    """What changes no file, but WORKDIR."""
    if step.name == "ENV":
        image.environment |= step.pairs(variables)
    elif step.name == "WORKDIR":
        image.directory = os.path.join(image.directory, step.text)
        (image.root / image.directory.strip("/")).mkdir(parents=True, exist_ok=True)
    elif step.name == "USER":
        image.user = step.text
    elif step.name == "ENTRYPOINT":
        image.entry_point, image.command = step.words, []
    elif step.name == "CMD":
        image.command = step.words
    elif step.name == "HEALTHCHECK":
        image.health = json.loads(step.text.removeprefix("CMD"))
    elif step.name != "LABEL":
        raise ValueError(f"{step.name}: this builder does not know that instruction.")


def inside(
    image: Image,
    command: Sequence[str],
    mounts: Sequence[tuple[Path, str]] = (),
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> list[str]:
    """The command that runs another in a root, as its process 1; what is mounted there is gone afterwards.

    Args:
        image: Whose root.
        command: To run.
        mounts: Pairs of a path on the machine and where it appears in the root.
        environment: In place of the image's.
        user: `UID:GID` in place of the image's.
    """
    pairs = [*mounts, *((Path(path), path) for path in ("/dev", "/sys", "/etc/resolv.conf", "/etc/hosts"))]
    steps = ["set -e"]
    for source, target in pairs:
        place = shlex.quote(str(image.root / target.strip("/")))
        make = f"mkdir -p {place}" if source.is_dir() else f"mkdir -p $(dirname {place}); touch {place}"
        steps += [make, f"mount --rbind {shlex.quote(str(source))} {place}"]
    steps.append(f"mount -t proc proc {shlex.quote(str(image.root / 'proc'))}")
    variables = [f"{name}={value}" for name, value in (environment or image.environment).items()]
    script = 'cd "$1"; shift; exec "$@"'
    words = ["env", "-i", *variables, "/bin/sh", "-c", script, "sh", image.directory, *command]
    steps.append(shlex.join(["exec", "chroot", f"--userspec={user or image.user}", str(image.root), *words]))
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private"]
    return [*unshare, "/bin/sh", "-c", "\n".join(steps)]


def _checked(command: Sequence[str]) -> None:
    print("+", shlex.join(command[-3:])[-300:], flush=True)  # noqa: T201 -- a program's own output
    subprocess.run(command, check=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build")
    build.add_argument("--base", type=Path, required=True)
    build.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    build.add_argument("--env", action="append", default=[], metavar="NAME")
    build.add_argument("--bind", action="append", default=[], metavar="PATH")
    run = verbs.add_parser("run")
    run.add_argument("--user", metavar="UID:GID")
    run.add_argument("--mount", type=Path, metavar="FOLDER")
    run.add_argument("--health", action="store_true")
    run.add_argument("arguments", nargs="*")
    for verb in (build, run):
        verb.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return parser.parse_args()


def _build(given: argparse.Namespace) -> int:
    machine = Machine(tuple(given.bind), {name: os.environ[name] for name in given.env})
    arguments = dict(pair.split("=", 1) for pair in given.build_arg)
    given.out.mkdir(parents=True)
    builder = Builder(Path(__file__).parents[1], given.base, given.out.resolve(), arguments, machine, _checked)
    image = builder.build()
    (given.out / "image.json").write_text(json.dumps({**vars(image), "root": str(image.root)}, indent=2))
    return 0


def _run(given: argparse.Namespace) -> int:
    content = json.loads((given.out / "image.json").read_text())
    image = Image(**{**content, "root": Path(content["root"])})
    command = image.health if given.health else [*image.entry_point, *(given.arguments or image.command)]
    mounts = [(given.mount.resolve(), image.directory)] if given.mount else []
    return subprocess.run(inside(image, command, mounts, user=given.user), check=False).returncode


if __name__ == "__main__":
    asked = _arguments()
    sys.exit(_build(asked) if asked.verb == "build" else _run(asked))
