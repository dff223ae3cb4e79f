"""What the classes of a configuration raise while they are built, as errors that the user can mend."""

from collections.abc import Iterator
from contextlib import contextmanager

from lit_gan.cli.explanation import user_error_behind
from lit_gan.errors import UserError


@contextmanager
def told_of_what_is_built() -> Iterator[None]:
    """Within this context the classes that a configuration names are built.

    Raises:
        UserError: What an argument's own class says of it, without the report around it; and for a class that needs a
            package which is not installed, what is to be installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(_missing(error)) from error
    except (TypeError, ValueError) as error:
        told = user_error_behind(error)
        if told is None:
            raise
        raise told from error


def _missing(error: ModuleNotFoundError) -> str:
    text = " ".join(str(error).split())
    if error.name is None:  # a library's own words, which say what to install
        return f"a class of the configuration cannot be built: {text}"
    package = error.name.partition(".")[0]
    return (
        f"a class of the configuration cannot be built: {text}: `pip install {package}` if that is a package's "
        "name, or leave out what needs it."
    )
