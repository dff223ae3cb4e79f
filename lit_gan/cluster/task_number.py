"""The number of an array's task: which there are, and where a command says that it wants to have it."""

import re
from collections.abc import Sequence

from lit_gan.errors import UserError

#: Slurm's own sign for the number of the task, as in the names of its logs; ``%%a`` is the text itself.
TASK_NUMBER = "%a"

_SIGN = re.compile(r"%(%?)a")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::([1-9]\d*))?)?")
_ONE_AT_A_TIME = "%1"


def first_task(array: str) -> int:
    """The number of the first task of an array, by what follows ``--array``.

    Example:
        >>> first_task("0-15"), first_task("3,5-9:2%4")
        (0, 3)
    """
    tasks, _, at_a_time = array.partition("%")
    ranges = [_RANGE.fullmatch(part) for part in tasks.split(",")]
    known = all(found is not None and int(found[1]) <= int(found[2] or found[1]) for found in ranges)
    if not known or ("%" in array and not re.fullmatch(r"[1-9]\d*", at_a_time)):
        raise UserError(
            f"--array {array}: expected numbers and ranges with commas between them, as in 0-15, 1,3,5-9 or 0-90:10; "
            "%4 at the end for at most four tasks at a time."
        )
    return int(tasks.replace("-", ",").partition(",")[0])


def is_chain(array: str) -> bool:
    """Whether the tasks run one after another, and may so go on with each other's run."""
    return array.endswith(_ONE_AT_A_TIME)


def pieces(argument: str) -> list[str | None]:
    """The literal texts of an argument (``%%a`` is ``%a`` in them), with None for each task number between them.

    Example:
        >>> pieces("runs/%a-of-3"), pieces("100%%a")
        (['runs/', None, '-of-3'], ['100%a'])
    """
    found: list[str | None] = [""]
    end = 0
    for sign in _SIGN.finditer(argument):
        text = argument[end : sign.start()] + (TASK_NUMBER if sign[1] else "")
        found[-1] = f"{found[-1]}{text}"
        if not sign[1]:
            found += [None, ""]
        end = sign.end()
    found[-1] = f"{found[-1]}{argument[end:]}"
    return [piece for piece in found if piece != ""] or [""]


def names_the_task(arguments: Sequence[str]) -> bool:
    """Whether a command differs between the tasks of an array."""
    return any(None in pieces(argument) for argument in arguments)


def with_number(arguments: Sequence[str], number: int) -> list[str]:
    """The command of one task.

    Example:
        >>> with_number(["--seed_everything", "%a"], 3)
        ['--seed_everything', '3']
    """
    return ["".join(str(number) if piece is None else piece for piece in pieces(word)) for word in arguments]
