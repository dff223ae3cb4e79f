"""What a part of the user's raises, in one line."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from traceback import walk_tb

import torch
from lightning.pytorch.utilities.memory import is_oom_error

from lit_gan.errors import RunError, RunStopped, UserError
from lit_gan.strategies.peers.rank_loss import may_be_a_consequence

_LONGEST = 400  # characters of somebody else's message; a compiler's hold pages
_OURS = ("torch", "lightning", "lightning_utilities", __name__.partition(".")[0])
_NOTHING = nullcontext()  # several times a round: made once


def one_line_errors(
    who: str,
    given: Callable[[], str],
    kinds: type[Exception] | tuple[type[Exception], ...] = Exception,
    *,
    hint: Callable[[Exception], str] | None = None,
    closely: bool,
) -> AbstractContextManager[None]:
    """What a part of the user's raises in here is told in one line, where it is looked at closely."""
    return _in_one_line_errors(who, given, kinds, hint) if closely else _NOTHING


@contextmanager
def _in_one_line_errors(
    who: str,
    given: Callable[[], str],
    kinds: type[Exception] | tuple[type[Exception], ...],
    hint: Callable[[Exception], str] | None,
) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        if _tells_itself(error):
            raise
        way = "" if hint is None else hint(error)
        raise UserError(f"{who} fails on {given()}: {_in_one_line(error)}{way}.") from error


def _tells_itself(error: Exception) -> bool:
    known = (UserError, RunError, RunStopped, torch.AcceleratorError)
    return isinstance(error, known) or is_oom_error(error) or may_be_a_consequence(error)


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return f"{type(error).__name__}: {text}{_place(error)}"


def _place(error: BaseException) -> str:
    """The last line of the user's own in a traceback."""
    own = [
        (frame, line)
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _OURS
    ]
    if not own:
        return ""
    frame, line = own[-1]
    return f" ({Path(frame.f_code.co_filename).name}, line {line})"
