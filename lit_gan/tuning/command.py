"""The command of one trial: the words of ``command:`` with W&B's macros filled in as W&B's agent fills them."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError
from lit_gan.tuning.parameters import nearest

#: What W&B runs where a sweep file has no ``command:``.
DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
LIT_GAN = "lit-gan"

_ARGUMENTS = (
    *("args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags", "args_json", "args_json_file"),
    *("args_append_hydra", "args_override_hydra"),
)
_MACROS = ("env", "interpreter", "program", *_ARGUMENTS)
_VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


def check_command(command: Any, program: Any) -> None:
    """Refuses a command that no trial could run; the program is None where the file names none."""
    if not isinstance(command, list) or not command:
        raise UserError(f"command: expected a list of words, got {command!r}.")
    words = [str(word) for word in command]
    for word in words:
        _check_word(word)
    if not any(word == f"${{{name}}}" for word in words for name in _ARGUMENTS):
        raise UserError("command: no ${args} in it, so that every trial would be the same; add it as the last word.")
    if program is not None and not isinstance(program, str):
        raise UserError(f"program: expected a name, as in program: lit-gan, got {program!r}.")
    if "${program}" in words and program is None:
        raise UserError("program: missing, and command has ${program}; expected its name, as in program: lit-gan.")
    if program == LIT_GAN and "${interpreter}" in words:
        raise UserError(
            "command: ${interpreter} runs scripts, and lit-gan is a command: expected "
            "[${env}, ${program}, fit, --config, NAME, ${args}]."
        )


def trial_command(
    command: Sequence[str],
    program: str | None,
    parameters: Mapping[str, Any],
    json_file: Path,
    environ: Mapping[str, str] | None = None,
) -> list[str]:
    """The words that start a trial.

    `${program}` is this very Python's lit-gan where the program is ``lit-gan``, whether or not there is one on the
    path, and `${interpreter}` is this very Python.

    Example:
        >>> trial_command(["echo", "${args}"], None, {"lr": 0.1, "name": "x"}, Path("x.json"))
        ['echo', '--lr=0.1', '--name=x']
    """
    environ = os.environ if environ is None else environ
    replaced = {
        "env": [] if os.name == "nt" else ["/usr/bin/env"],
        "interpreter": [sys.executable],
        "program": [sys.executable, "-m", "lit_gan"] if program == LIT_GAN else [str(program)],
        **_arguments(parameters, json_file),
    }
    words: list[str] = []
    for word in command:
        filled = _with_variables(word, environ)
        name = filled[2:-1] if filled.startswith("${") and filled.endswith("}") else None
        words += [filled] if name is None else replaced[name]
    return words


def arguments_of_lit_gan(words: Sequence[str]) -> list[str] | None:
    """What follows `lit-gan` in a command, verb first; None where it runs something else.

    Example:
        >>> arguments_of_lit_gan(["/usr/bin/env", sys.executable, "-m", "lit_gan", "fit", "--config", "mnist"])
        ['fit', '--config', 'mnist']
    """
    for start in range(len(words) - 3):
        if list(words[start : start + 3]) == [sys.executable, "-m", "lit_gan"]:
            return list(words[start + 3 :])
    return None


def json_of(parameters: Mapping[str, Any]) -> str:
    """The parameters as ``${args_json}`` and ``${args_json_file}`` pass them on."""
    return json.dumps(dict(parameters))


def _arguments(parameters: Mapping[str, Any], json_file: Path) -> dict[str, list[str]]:
    assignments = [f"{name}={value}" for name, value in parameters.items()]
    # A flag that is true stands alone, and one that is false is left out.
    flags = [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in parameters.items()
        if value is not False
    ]
    return {
        "args": [f"--{assignment}" for assignment in assignments],
        "args_no_equals": [word for name, value in parameters.items() for word in (f"--{name}", str(value))],
        "args_no_hyphens": assignments,
        "args_no_boolean_flags": flags,
        "args_json": [json_of(parameters)],
        "args_json_file": [str(json_file)],
        "args_append_hydra": [f"+{assignment}" for assignment in assignments],
        "args_override_hydra": [f"++{assignment}" for assignment in assignments],
    }


def _check_word(word: str) -> None:
    if _VARIABLE.search(word):
        return
    if word.startswith("${") and word.endswith("}"):
        name = word[2:-1]
        if name.startswith("envvar:"):
            raise UserError(f"command: {word}: expected a variable of capitals, digits and underscores.")
        if name not in _MACROS:
            raise UserError(f"command: there is no macro {word}{nearest(name, _MACROS)}")
        return
    inside = [name for name in _MACROS if f"${{{name}}}" in word]
    if inside:
        raise UserError(f"command: {word}: ${{{inside[0]}}} is replaced only where it is a word of its own.")


def _with_variables(word: str, environ: Mapping[str, str]) -> str:
    for name in _VARIABLE.findall(word):
        if name not in environ:
            raise UserError(f"command: {word}: the environment variable {name} is not set; set it, or write its value.")
    return _VARIABLE.sub(lambda found: environ[found.group(1)], word)
