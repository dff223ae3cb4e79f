"""A LightningModule that a checkpoint alone brings back."""

import inspect
import sys
from argparse import ArgumentError
from importlib import import_module
from pathlib import Path
from typing import Any, Self, TypeVar

from lightning.pytorch import LightningModule

# The only sign of "built from class_paths" that Lightning gives; a test holds it in place.
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters

from lit_gan.errors import UserError
from lit_gan.tracking.checkpoint_files import load_checkpoint, resolve_checkpoint

_Module = TypeVar("_Module", bound="LoadableModule")


class LoadableModule(LightningModule):
    """Stores how it was built when that is plain data, and is built again from a checkpoint."""

    def save_construction(self) -> None:
        """Stores the ``class_path``s and arguments that the command line built this module from.

        A module built in Python from instances stores nothing: its networks are passed again when it is loaded.
        """
        if _given_hyperparameters.get() is None:
            return
        self.save_hyperparameters(logger=False)
        # The command line links the data's facts to whatever model there is; what this class does not take goes.
        parameters = inspect.signature(type(self).__init__).parameters
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
            for name in [name for name in self.hparams if name not in parameters and not name.startswith("_")]:
                del self.hparams[name]

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]  # Lightning's is a descriptor of its own kind
        cls,
        checkpoint_path: str | Path,
        map_location: Any = None,
        hparams_file: str | Path | None = None,
        strict: bool | None = None,
        weights_only: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Builds the module that a checkpoint holds, with its weights.

        Args:
            checkpoint_path: A ``.ckpt`` file, or the run folder that holds it.
            map_location: Where the weights go; see ``torch.load``.
            hparams_file: A YAML file that replaces the stored arguments.
            strict: Whether the weights must fit exactly; yes if ``None``.
            weights_only: Refuses anything but tensors and plain data, so that nothing in the file is executed.
            **kwargs: Constructor arguments that replace the stored ones; for a module that was built from
                instances: its networks.

        Returns:
            The module, on the device of its weights.

        Raises:
            UserError: If the file is missing, damaged, of another module, or needs arguments that were not passed.
        """
        checkpoint_path = resolve_checkpoint(checkpoint_path)
        if not weights_only:  # the file is trusted, and may hold what nothing here may look into
            return super().load_from_checkpoint(checkpoint_path, map_location, hparams_file, strict, False, **kwargs)
        stored = load_checkpoint(checkpoint_path).get(cls.CHECKPOINT_HYPER_PARAMS_KEY, {})
        class_path = stored.get("_class_path")
        if not stored and not kwargs and hparams_file is None:
            raise UserError(
                f"checkpoint {checkpoint_path}: its {cls.__name__} was built from instances, which a checkpoint does "
                f"not hold: pass them again, {cls.__name__}.load_from_checkpoint(path, generator=..., "
                "discriminator=...)."
            )
        stored_class = cls if class_path is None else _resolve_class(class_path, cls, checkpoint_path)
        if stored_class is not cls:
            return stored_class.load_from_checkpoint(
                checkpoint_path, map_location, hparams_file, strict, weights_only, **kwargs
            )
        try:
            return super().load_from_checkpoint(
                checkpoint_path, map_location, hparams_file, strict, weights_only, **kwargs
            )
        except (RuntimeError, TypeError, KeyError, ArgumentError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"checkpoint {checkpoint_path} does not fit {class_path or cls.__name__}: {reason}"
            ) from error


def _resolve_class(class_path: str, cls: type[_Module], checkpoint_path: str | Path) -> type[_Module]:
    module_name, _, name = class_path.rpartition(".")
    if module_name.partition(".")[0] == __name__.partition(".")[0]:
        import_module(module_name)
    if module_name not in sys.modules:
        raise UserError(
            f"checkpoint {checkpoint_path} holds a {class_path}, whose module is not imported: add "
            f"`import {module_name}` before loading it."
        )
    found = getattr(sys.modules[module_name], name, None)
    if not (isinstance(found, type) and issubclass(found, cls)):
        raise UserError(
            f"checkpoint {checkpoint_path} holds a {class_path}, which is no {cls.__name__}: load it with the class "
            "that it was saved from."
        )
    return found
