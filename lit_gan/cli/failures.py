"""What nobody foresaw, in one line: the error, where it came from, and where the rest of it is."""

import os
import sysconfig
from pathlib import Path
from traceback import FrameSummary, extract_tb

import lit_gan

#: Set to 1: the whole traceback is printed as well.
VARIABLE = "LIT_GAN_TRACEBACK"
_PACKAGE = str(Path(lit_gan.__file__).parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def failure(error: BaseException) -> str:
    """An error in one line: its type, what it says, the innermost line of the user's own code that it went through.

    Example:
        >>> failure(ZeroDivisionError("by zero"))
        'ZeroDivisionError: by zero; LIT_GAN_TRACEBACK=1 shows the whole traceback.'
    """
    text = " ".join(str(error).split())
    name = type(error).__name__
    notes = [" ".join(note.split()).rstrip(".") for note in getattr(error, "__notes__", [])]
    rest = "; ".join(notes) or f"{VARIABLE}=1 shows the whole traceback"
    return f"{name}{': ' if text else ''}{text.rstrip('.')}{place_of(error)}; {rest}."


def place_of(error: BaseException) -> str:
    """The innermost line of the user's own code that an error went through, or else of ours, in brackets."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_the_users(frame)] or [f for f in frames if f.filename.startswith(_PACKAGE)]
    if not own:
        return ""
    return f" ({os.path.relpath(own[-1].filename)}, line {own[-1].lineno}, in {own[-1].name})"


def _is_the_users(frame: FrameSummary) -> bool:
    return os.path.isfile(frame.filename) and not frame.filename.startswith((_PACKAGE, *_LIBRARIES))
