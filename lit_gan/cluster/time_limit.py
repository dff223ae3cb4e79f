"""Slurm's ways of writing a time limit."""

import re

from lit_gan.errors import UserError

_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?P<minutes>\d+)(:(?P<seconds>\d+))?",
        r"(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+)",
        r"(?P<days>\d+)-(?P<hours>\d+)(:(?P<minutes>\d+)(:(?P<seconds>\d+))?)?",
    )
)
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
_NO_LIMIT = ("infinite", "unlimited")


def seconds_of(limit: str) -> int | None:
    """How many seconds a job may run, by what follows ``--time``; None for no limit.

    Example:
        >>> seconds_of("90"), seconds_of("1:30:00"), seconds_of("2-12"), seconds_of("infinite")
        (5400, 5400, 216000, None)
    """
    if limit.lower() in _NO_LIMIT:
        return None
    found = next((match for form in _FORMS if (match := form.fullmatch(limit))), None)
    if found is None:
        raise UserError(
            f"--time {limit}: expected MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS, "
            "DAYS-HOURS:MINUTES, DAYS-HOURS:MINUTES:SECONDS or infinite."
        )
    seconds = sum(_SECONDS[unit] * int(number) for unit, number in found.groupdict().items() if number is not None)
    return seconds or None  # 0 is Slurm's other word for no limit
