"""The one exception that is the user's to mend: arguments, values, files, data, downloads, checkpoints."""


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
