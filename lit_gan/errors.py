"""The exceptions that end a command in one line: what the user can mend, and what went wrong in the run itself."""


class UserError(ValueError):
    """Something that the user can mend, told in one message: what was got, what was expected, what to do.

    The command line prints the message on one line and exits with code 2, without a traceback. From Python it is an
    ordinary ``ValueError``.

    Example:
        >>> from lit_gan.errors import UserError
        >>> raise UserError("k = 0: expected at least 1 discriminator step per round.")
        Traceback (most recent call last):
        ...
        lit_gan.errors.UserError: k = 0: expected at least 1 discriminator step per round.
    """


class RunError(RuntimeError):
    """A run that cannot go on, told in one message: where it failed, and what to try.

    The command line prints the message on one line and exits with code 1. A message that begins with ``nan`` marks the
    run as one that is never continued: its weights are lost.
    """
