"""The private name of jsonargparse that the game needs, and why."""

from typing import TypeVar

from jsonargparse.typing import _LazyInitBaseClass

_Class = TypeVar("_Class")


def default_instance(kind: type[_Class]) -> _Class:
    """An instance that stands as a default in a signature, of which the command line knows the class and its arguments.

    jsonargparse 4.53's ``lazy_instance`` makes the same, but to find out where it was called it reads the source of
    every module on the stack and looks through all that are imported: at four defaults most of what this package's own
    import took.
    """
    name = f"LazyInstance_{kind.__name__}"
    made = type(name, (_LazyInitBaseClass, kind), {"__doc__": f"A lazy instance of {kind}.", "__module__": __name__})
    globals()[name] = made  # where whoever reads the path of the class finds it
    instance: _Class = made(kind, {})
    return instance
