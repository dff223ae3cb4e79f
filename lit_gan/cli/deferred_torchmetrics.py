"""torchmetrics, of which a command imports what Lightning needs: a second less before anything begins.

The root of torchmetrics imports all of its metrics, and SciPy's signal processing for those of sound. Lightning wants
`Metric` and `MetricCollection`. Whoever asks for more gets the whole of it, in its own order, as if nothing had waited.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from logging import INFO, StreamHandler, getLogger
from types import ModuleType
from typing import Any

_NAME = "torchmetrics"
# In this order: each of them meets itself half imported if it comes before those in front of it.
_CORE = {"utilities": "utilities", "metric": "Metric", "collections": "MetricCollection"}


def defer_torchmetrics() -> None:
    """From now on the root of torchmetrics waits for somebody who needs it; nothing is done where it is imported."""
    spec = None if _NAME in sys.modules else find_spec(_NAME)
    if spec is not None and spec.loader is not None:
        sys.modules[_NAME] = _Deferred(spec)


class _Deferred(ModuleType):
    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(_NAME)
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__package__, self.__path__ = _NAME, list(spec.submodule_search_locations or ())
        # As the root has it, for what its parts say.
        self._logger, self._handler = getLogger(_NAME), StreamHandler()
        self._logger.addHandler(self._handler)
        self._logger.setLevel(INFO)
        self._parts = _Parts(self)
        sys.meta_path.insert(0, self._parts)

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return import_module(f"{_NAME}.__about__").__version__
        if name.startswith("__"):
            raise AttributeError(f"module {_NAME!r} has no attribute {name!r}")
        self._parts.import_until(name)
        return getattr(self, name)

    def import_all(self) -> None:
        """Runs the root itself, in this module: nobody holds another."""
        sys.meta_path.remove(self._parts)
        self._logger.removeHandler(self._handler)
        root: Any = self.__loader__
        self.__class__ = ModuleType  # type: ignore[assignment]  # what it is from now on
        del self._parts, self._handler
        root.exec_module(self)


class _Parts(MetaPathFinder, Loader):
    """Sees to it that what a part of torchmetrics stands on has been imported before it, and then hands that out."""

    def __init__(self, package: _Deferred) -> None:
        self._package = package
        self._has_core = self._is_importing = False
        self._specs: dict[str, ModuleSpec | None] = {}

    def import_until(self, name: str) -> None:
        """Imports the core, and all where that does not have a name."""
        if not self._has_core:
            self._has_core = self._is_importing = True
            try:
                for part, attribute in _CORE.items():
                    module = import_module(f"{_NAME}.{part}")
                    vars(self._package).setdefault(attribute, getattr(module, attribute, module))
            finally:
                self._is_importing = False
        if name not in vars(self._package) and f"{_NAME}.{name}" not in sys.modules:
            self._package.import_all()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What was imported meanwhile; nothing where it is for those behind this one to find."""
        name = fullname.removeprefix(f"{_NAME}.")
        if self._is_importing or name in (fullname, "__about__"):
            return None
        self.import_until(name)
        if fullname not in sys.modules:
            return None
        # Python takes the spec that such a module has by then, and would run it once more.
        module = sys.modules[fullname]
        self._specs[fullname], module.__spec__ = module.__spec__, ModuleSpec(fullname, self)
        return module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module as it is."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It has run already."""
        module.__spec__ = self._specs[module.__name__]
