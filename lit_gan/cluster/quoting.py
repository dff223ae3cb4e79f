"""Words of the user's that end up in a script, so written that they are read as they were given."""

import re
import shlex
from collections.abc import Sequence

from lit_gan.cluster.task_number import pieces

_NUMBER = '"$SLURM_ARRAY_TASK_ID"'
_PLAIN = re.compile(r"[\w@%+=:,./-]+")


def shell_words(arguments: Sequence[str]) -> str:
    """A command as one line of shell, in which the task's number stands for ``%a``.

    Args:
        arguments: The words of the command.

    Example:
        >>> print(shell_words(["fit", "--seed_everything=%a", "--data.init_args.root=my data"]))
        fit --seed_everything="$SLURM_ARRAY_TASK_ID" '--data.init_args.root=my data'
    """
    return " ".join(_shell_word(argument) for argument in arguments)


def option_value(value: object) -> str:
    r"""The value of an option in a line that begins with ``#SBATCH``, where a space or a ``#`` would end it.

    Args:
        value: The value.

    Example:
        >>> print(option_value("4:00:00"), option_value("a #1"))
        4:00:00 "a #1"
    """
    text = str(value)
    return text if _PLAIN.fullmatch(text) else '"{}"'.format(re.sub(r'(["\\])', r"\\\1", text))


def comment(text: str) -> str:
    """A text that stays within the comment that it is put into.

    Args:
        text: Any.

    Example:
        >>> comment("one line" + chr(10) + "another")
        'one line another'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _shell_word(argument: str) -> str:
    quoted = [_NUMBER if piece is None else shlex.quote(piece) for piece in pieces(argument)]
    return "".join(quoted)
