"""A Dockerfile, taken apart: its stages, and the instructions of each."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")


@dataclass(frozen=True)
class Instruction:
    """One instruction: ``flags`` are its `--name=value` in order, ``text`` is what follows them."""

    name: str
    flags: tuple[tuple[str, str], ...]
    text: str

    def flag(self, name: str) -> str | None:
        return dict(self.flags).get(name)

    @property
    def words(self) -> list[str]:
        """What is given as a JSON list, or in the words of the shell."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)

    def pairs(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The `NAME=value` of an ARG, an ENV or a LABEL; an ARG without a default has none."""
        return {
            name: substitute(value, variables)
            for name, given, value in (word.partition("=") for word in self.words)
            if given
        }


@dataclass(frozen=True)
class Stage:
    """What begins with a FROM."""

    image: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    def last(self, name: str) -> Instruction:
        """The one that counts, of those that replace each other."""
        return self.all(name)[-1]

    @property
    def environment(self) -> dict[str, str]:
        """What its ENVs say; of variables that the base image has, the references are left."""
        found: dict[str, str] = {}
        for instruction in self.all("ENV"):
            found |= instruction.pairs(found)
        return found


@dataclass(frozen=True)
class Dockerfile:
    """The arguments before the first FROM, and the stages."""

    arguments: dict[str, str]
    stages: list[Stage]


def parse(text: str, arguments: Mapping[str, str] | None = None) -> Dockerfile:
    """Takes a Dockerfile apart.

    Args:
        text: Of the file.
        arguments: What `--build-arg` gives in place of a default.

    Raises:
        ValueError: If an instruction comes before the first FROM that must not.
    """
    found, stages = dict[str, str](), list[Stage]()
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            image, *alias = instruction.words
            stages.append(Stage(substitute(image, found), alias[1] if alias else str(len(stages))))
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.name == "ARG":
            found |= instruction.pairs(found)
            found |= {name: value for name, value in (arguments or {}).items() if name in found}
        else:
            raise ValueError(f"{instruction.name} before the first FROM.")
    return Dockerfile(found, stages)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Fills in `$NAME` and `${NAME}`; what there is no value for stays as it is."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: variables.get(match[1] or match[2], match[0]), text)


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#")]
    found = []
    for line in "".join(lines).replace("\\\n", "").splitlines():
        if line.strip():
            name, rest = line.strip().split(maxsplit=1)
            flags = []
            while match := _FLAG.match(rest):
                flags.append((match[1], match[2]))
                rest = rest[match.end() :]
            found.append(Instruction(name.upper(), tuple(flags), rest))
    return found
