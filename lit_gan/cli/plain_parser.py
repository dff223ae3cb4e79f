"""The parser of the verbs that are none of Lightning's."""

import argparse
from typing import NoReturn

from lit_gan.errors import UserError


class PlainParser(argparse.ArgumentParser):
    """Python's parser, whose errors are told in one line as all others are."""

    def error(self, message: str) -> NoReturn:
        """Refuses the command line.

        Args:
            message: What is wrong with it.

        Raises:
            UserError: Always.
        """
        raise UserError(f"{message}; `{self.prog} --help` lists the options.")
