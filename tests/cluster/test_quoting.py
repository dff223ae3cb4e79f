"""Whatever a user types arrives in the job as it was typed."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_gan.cluster.quoting import comment, option_value, shell_words

# Everything that a command line can hold: no NUL, and nothing that is no text.
_LETTERS = st.characters(exclude_characters="\0", codec="utf-8")
_WORDS = st.lists(st.text(_LETTERS), min_size=1, max_size=6)


def _words_in_bash(line: str) -> list[str]:
    shown = subprocess.run(
        ["bash", "-c", f"set -eu; printf '%s\\0' {line}"],
        env={"SLURM_ARRAY_TASK_ID": "7", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    return shown.stdout.decode().split("\0")[:-1]


_ALWAYS_THE_SAME = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@_ALWAYS_THE_SAME
@given(_WORDS)
def test_any_words_come_through_the_shell_as_they_are(words: list[str]) -> None:
    escaped = [word.replace("%a", "%%a") for word in words]
    assert _words_in_bash(shell_words(escaped)) == words


@pytest.mark.parametrize(
    "text", ["$HOME `id` $(id)", "a  b", "it's", 'say "x"', "new\nline", "#SBATCH", "\\", "", "*", "~"]
)
def test_nothing_is_expanded_beside_the_number(text: str) -> None:
    assert _words_in_bash(shell_words([text, f"--x={text}%a{text}", "%a"])) == [text, f"--x={text}7{text}", "7"]


@_ALWAYS_THE_SAME
@given(st.text(st.characters(exclude_categories=["C", "Z"], codec="utf-8"), min_size=1))
def test_an_option_is_one_value_to_a_shell_like_parser(text: str) -> None:
    assert shlex.split(option_value(text)) == [text]


@_ALWAYS_THE_SAME
@given(st.text())
def test_a_comment_is_one_line(text: str) -> None:
    assert len(comment(f"x{text}").splitlines()) == 1
