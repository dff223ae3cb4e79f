"""Bytecode of the tests, written by one process while another imports libraries: else each of four writes all of it."""

import importlib.machinery
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest


class _NotRunError(Exception):
    """The bytecode is in its place, and its module would run now."""


class _NotRun:
    """What a module is loaded into, up to the moment at which it would run."""

    __slots__ = ("__name__", "__spec__")

    def __init__(self, spec: importlib.machinery.ModuleSpec) -> None:
        self.__name__, self.__spec__ = spec.name, spec

    @property
    def __dict__(self) -> dict[str, object]:
        raise _NotRunError


@contextmanager
def written(config: pytest.Config) -> Iterator[None]:
    """Until this has begun and ended, the test modules are rewritten as pytest does when it imports them.

    Args:
        config: Of the process that hands the tests out.
    """
    load = getattr(config.pluginmanager.rewrite_hook, "exec_module", None)  # none where asserts stay as they are
    files = sorted((config.rootpath / "tests").glob("**/test_*.py")) if load is not None else []

    def write() -> None:
        for path in files:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            with suppress(_NotRunError, SyntaxError):  # its own import tells of the latter
                load(_NotRun(spec))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        thread.join()
