"""The builder that stands in for a container engine: what it would run, and what it copies and remembers."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from chroot_build import Builder, Image, Machine, inside
from dockerfile import parse

_SMALL = """\
ARG BASE=python:3
FROM ${BASE} AS first
ARG SIZE=1
ENV NAME=one \\
    # a comment in the middle
    PATH=/opt/bin:${PATH}
WORKDIR /build
COPY words.txt ./
RUN --mount=type=cache,target=/var/cache make \\
    all

FROM ${BASE}
COPY folder /place
RUN --mount=type=bind,from=first,source=/build,target=/made use /made
USER 7:8
WORKDIR /home
ENTRYPOINT ["program", "--"]
"""


@pytest.fixture
def small(tmp_path: Path) -> tuple[Builder, list[Sequence[str]]]:
    """A small Dockerfile, and what its builder would run; only `cp` and COPY do something."""
    (tmp_path / "context" / "folder" / "inner").mkdir(parents=True)
    for name in ("words.txt", "folder/a", "folder/inner/b", "folder/ignored"):
        (tmp_path / "context" / name).write_text(name)
    (tmp_path / "context" / ".dockerignore").write_text("**/ignored\n")
    (tmp_path / "context" / "Dockerfile").write_text(_SMALL)
    (tmp_path / "base").mkdir()
    (tmp_path / "out").mkdir()
    ran: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> None:
        ran.append(command)
        if command[0] == "cp":
            subprocess.run(command, check=True)

    machine = Machine(environment={"PIP_CERT": "/cert"})
    arguments = {"SIZE": "2"}
    return Builder(tmp_path / "context", tmp_path / "base", tmp_path / "out", arguments, machine, run), ran


def test_steps_see_arguments_variables_mounts_and_their_folder(small: tuple[Builder, list[Sequence[str]]]) -> None:
    builder, ran = small
    builder.build()
    first, second = [command[-1] for command in ran if command[0] == "unshare"]

    assert "PIP_CERT=/cert SIZE=2 " in first
    assert " PATH=/opt/bin:/usr/local/sbin:" in first
    assert " NAME=one " in first
    assert " sh /build /bin/sh -c 'make     all'" in first
    assert f"mount --rbind {builder.out}/cache/var-cache {builder.out}/first/var/cache\n" in first
    assert f"mount --rbind {builder.out}/first/build {builder.out}/1/made\n" in second
    assert "NAME=one" not in second


def test_copies_are_those_of_an_engine(small: tuple[Builder, list[Sequence[str]]]) -> None:
    builder, _ = small
    image = builder.build()

    assert (builder.out / "first" / "build" / "words.txt").read_text() == "words.txt"
    copied = {path.relative_to(image.root).as_posix() for path in image.root.rglob("*") if path.is_file()}
    assert copied == {"place/a", "place/inner/b"}


def test_what_an_engine_remembers_is_remembered(small: tuple[Builder, list[Sequence[str]]]) -> None:
    builder, _ = small
    image = builder.build()

    assert (image.user, image.directory, image.entry_point) == ("7:8", "/home", ["program", "--"])
    assert "--userspec=7:8" in inside(image, ["program"])[-1]
    assert "--userspec=9:9" in inside(image, ["program"], user="9:9")[-1]


def test_a_source_that_is_not_sent_is_an_error(small: tuple[Builder, list[Sequence[str]]]) -> None:
    builder, _ = small
    (builder.context / ".dockerignore").write_text("folder\n")
    with pytest.raises(FileNotFoundError, match=r"^nothing of folder is in the context$"):
        builder.build()


def test_an_instruction_that_it_does_not_know_is_an_error(small: tuple[Builder, list[Sequence[str]]]) -> None:
    builder, _ = small
    (builder.context / "Dockerfile").write_text("FROM python:3\nONBUILD RUN true\n")
    with pytest.raises(ValueError, match=r"^ONBUILD: this builder does not know"):
        builder.build()


def test_nothing_but_arguments_comes_before_the_first_stage() -> None:
    with pytest.raises(ValueError, match=r"^RUN before the first FROM"):
        parse("RUN true\n")


def test_an_image_starts_with_the_variables_of_none() -> None:
    assert list(Image(Path("/")).environment) == ["PATH"]
