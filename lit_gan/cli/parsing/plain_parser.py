"""The parser of the verbs that are none of Lightning's."""

import argparse
import re
from difflib import get_close_matches
from typing import NoReturn

from lit_gan.errors import UserError

_UNKNOWN = re.compile(r"unrecognized arguments: (-.*)", re.DOTALL)
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


class PlainParser(argparse.ArgumentParser):
    """Python's parser, whose errors are told in one line as all others are."""

    def error(self, message: str) -> NoReturn:
        """Refuses the command line."""
        unknown = _UNKNOWN.match(message)
        if unknown is not None:
            self.refuse(unknown[1])
        raise UserError(f"{message}; `{self.prog} --help` lists the options.")

    def refuse(self, words: str) -> NoReturn:
        """Refuses an option that there is not."""
        option = words.split(maxsplit=1)[0].partition("=")[0]
        alike = get_close_matches(option, set(_OPTION.findall(self.format_help())), n=1)
        meant = f"did you mean {alike[0]}?" if alike else f"`{self.prog} --help` lists the options."
        raise UserError(f"{words}: no such option; {meant}")
