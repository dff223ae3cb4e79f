"""What may be imported because a file names it: nothing that the user has not imported, allowed or typed."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import BuiltinFunctionType, ModuleType
from typing import Any, NoReturn

from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment, Precision
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import LayerSync
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_gan.errors import UserError

# What a game and its training are made of. Of a library that is imported anyway, nothing else is built from a file:
# there are classes in them that start a process, or write a file, when they are made.
_PARTS: tuple[type, ...] = (
    *(nn.Module, Optimizer, LRScheduler, LightningDataModule, Callback, Logger, Profiler, Strategy, Accelerator),
    *(CheckpointIO, ClusterEnvironment, Precision, LayerSync),
)
# Where our own kinds of parts are that are none of these: a latent, an objective, a mixture of Gaussians, ...
_HOMES = (
    *("networks", "latents", "objectives", "penalties", "augmentation", "coordination", "schedules"),
    *("data", "metrics", "features"),
)
_ALWAYS = ("lit_gan", "torch")
_LIBRARIES = (*_ALWAYS, "lightning", "lightning_fabric", "pytorch_lightning", "torchmetrics", "torchvision")
_OPERATIONS = ("torch", "torch.nn.functional", "torch.nn.init")
_NO_PART = "which is no part of a GAN or of its training"
_LONGEST = 80


@dataclass(frozen=True)
class Naming:
    """A name in a file, and where it stands there.

    Args:
        source: The file, as ``checkpoint runs/x/checkpoints/last.ckpt``.
        place: What is named so: ``generator``.
        name: The name.
        owner: The package of the class whose argument it is; empty for none.
        called: Whether what is named is called with arguments from the file.
    """

    source: str
    place: str
    name: str
    owner: str = ""
    called: bool = True

    def refuse(self, reason: str) -> NoReturn:
        """Tells the user that nothing comes of it."""
        name = self.name if len(self.name) <= _LONGEST else f"{self.name[:_LONGEST]}..."
        raise UserError(f"{self.source} names {name} as its {self.place}, {reason}.")

    def refuse_no_part(self) -> NoReturn:
        """Tells the user that it is none of what a GAN is made of; what is of nobody's own is not even offered."""
        head = head_of(self.name)
        trusted = head not in sys.stdlib_module_names and head not in _LIBRARIES
        way_out = f"add --allow {head} (allow=({head!r},) in Python) if you trust the file"
        self.refuse(f"{_NO_PART}: {way_out if trusted else 'nothing of it is imported or run'}")


@dataclass(frozen=True)
class ImportPolicy:
    """What may be imported beside lit_gan, torch and what is imported already.

    A package that is imported speaks for all that is in it. The standard library, imported or not, is never let in.

    Args:
        allowed: Modules, or packages with all that is in them, that the user trusts.
        typed: Import paths that the user has typed.
    """

    allowed: tuple[str, ...] = ()
    typed: frozenset[str] = frozenset()

    @classmethod
    def allowing(cls, allow: str | Collection[str], typed: Collection[str] = ()) -> "ImportPolicy":
        """The policy for what a user gives."""
        allowed = (allow,) if isinstance(allow, str) else tuple(allow)
        for module in allowed:
            if not all(part.isidentifier() for part in str(module).split(".")):
                raise UserError(f"allow {module}: expected the name of a module, such as my_gan.")
        return cls(allowed, frozenset(typed))

    def part(self, naming: Naming) -> Any:
        """What an import path leads to, its module imported if that is allowed."""
        if not self._lets_in(naming.name):
            self._refuse_module(naming)
        try:
            found = self._followed(naming)
        except UserError:
            raise
        except Exception as error:  # a module of the user's may raise anything
            module = naming.name.rpartition(".")[0]
            naming.refuse(
                f"and {module} cannot be imported ({type(error).__name__}: {error}): expected it to be installed, or "
                "to lie in the working directory"
            )
        if (callable(found) or naming.called) and found is not None and not self._permits(found, naming):
            naming.refuse_no_part()
        return found

    def _followed(self, naming: Naming) -> Any:
        """What a path leads to, or None: as an import would find it, but by no other package's module."""
        head, *steps, last = naming.name.split(".")
        found: Any = import_module(head)
        for step in steps:
            found = self._below(found, step, naming, prefer_module=True)
        return self._below(found, last, naming, prefer_module=False)

    def _below(self, found: Any, step: str, naming: Naming, *, prefer_module: bool) -> Any:
        if not isinstance(found, ModuleType):
            return getattr(found, step, None) if isinstance(found, type) else None
        attribute = getattr(found, step, None)
        name = f"{found.__name__}.{step}"
        is_package = hasattr(found, "__path__")
        if is_package and name not in sys.modules and (prefer_module or attribute is None) and find_spec(name):
            return self._new_module(name, naming)
        below = sys.modules.get(name, attribute) if is_package and prefer_module else attribute
        led_astray = isinstance(below, ModuleType) and head_of(below.__name__) != head_of(found.__name__)
        return None if led_astray else below

    def _new_module(self, name: str, naming: Naming) -> ModuleType:
        """A module of a package that is let in; a library has imported what belongs to it, and some of the rest act."""
        of_library = head_of(name) in _LIBRARIES[1:] and not self._allows(name)
        if of_library or name.rpartition(".")[2].startswith("_"):  # __main__, say
            naming.refuse_no_part()
        return import_module(name)

    def _allows(self, name: str) -> bool:
        return any(name == module or name.startswith(f"{module}.") for module in self.allowed)

    def _lets_in(self, name: str) -> bool:
        """Whether code of a module may run."""
        head = head_of(name)
        imported = head in sys.modules or any(head_of(path) == head for path in self.typed)
        named = name in self.typed or self._allows(name)
        return named or head in _ALWAYS or (imported and head not in sys.stdlib_module_names)

    def _permits(self, found: Any, naming: Naming) -> bool:
        """Whether something may be used: by where it is defined, not by the name under which it was found."""
        module = getattr(found, "__module__", None) or naming.name
        if naming.name in self.typed or self._allows(module):
            return True
        if not self._lets_in(module):
            return False
        of_owner = head_of(module) == naming.owner and naming.owner not in _LIBRARIES
        return of_owner or self._allows(naming.name) or _is_part(found, naming)

    def _refuse_module(self, naming: Naming) -> NoReturn:
        head = head_of(naming.name)
        if head in sys.stdlib_module_names:
            naming.refuse_no_part()
        naming.refuse(
            f"and {head} is not imported: add --allow {head} (import {head}, or allow=({head!r},) in Python) if you "
            "trust the file"
        )


def head_of(path: str) -> str:
    """The top-level package of an import path."""
    return path.partition(".")[0]


def is_import_path(text: str) -> bool:
    """Whether a text could be the import path of something in a module.

    Example:
        >>> is_import_path("my_gan.Upsampler"), is_import_path("relu"), is_import_path("runs/a.ckpt")
        (True, False, False)
    """
    parts = text.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def leads_anywhere(path: str) -> bool:
    """Whether there is a module of an import path's first name; nothing is imported to find out."""
    head = head_of(path)
    return head in sys.modules or find_spec(head) is not None


def _is_part(found: Any, naming: Naming) -> bool:
    if isinstance(found, type):
        return any(base in _PARTS or _is_at_home(base) for base in found.__mro__)
    module = naming.name.rpartition(".")[0]
    # An operation is for a network to call; called with arguments from the file it is none.
    is_operation = module in _OPERATIONS and not naming.called
    return is_operation and (module != "torch" or isinstance(found, BuiltinFunctionType))


def _is_at_home(base: type) -> bool:
    return any(f"{base.__module__}.".startswith(f"lit_gan.{home}.") for home in _HOMES)
