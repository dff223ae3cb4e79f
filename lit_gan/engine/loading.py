"""A LightningModule that a checkpoint alone brings back."""

import inspect
import os
from argparse import ArgumentError
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from lightning.pytorch import LightningModule

from lit_gan.engine.import_policy import ImportPolicy
from lit_gan.engine.lightning_seam import is_built_from_class_paths
from lit_gan.engine.stored_configuration import StoredConfiguration
from lit_gan.errors import UserError
from lit_gan.networks.parameter_names import name_as_wrapped, name_plainly
from lit_gan.runs.checkpoint_files import load_checkpoint, resolve_checkpoint

# Where earlier versions of Lightning kept a module's arguments; it still reads them.
_EARLIER_KEYS = ("hparams", "module_arguments")
# What Lightning, jsonargparse and torch raise where a checkpoint holds something else.
_MISFITS = (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError, ArgumentError)


class LoadableModule(LightningModule):
    """Stores how it was built when that is plain data, and is built again from a checkpoint; knows its run's seed.

    The names in its checkpoint are those of its parts where nothing is compiled, and a checkpoint with or without
    ``_orig_mod.`` in its names fits whether or not parts of this module are wrapped by ``torch.compile``.

    Example:
        >>> class Encoder(LoadableModule):
        ...     def __init__(self, size: int = 3) -> None:
        ...         super().__init__()
        ...         self.save_construction()
        ...         self.layer = torch.nn.Linear(size, 2)
        >>> Encoder(size=4).layer.in_features
        4
    """

    # What TorchScript would compile although it is not called.
    __jit_unused_properties__ = [*LightningModule.__jit_unused_properties__, "seed"]  # noqa: RUF012
    known_as: ClassVar[str] = ""  # what the user calls this kind of module, where it is not the name of the class

    def __init__(self) -> None:
        super().__init__()
        self._seed: int | None = None
        self.register_state_dict_post_hook(name_plainly)  # type: ignore[no-untyped-call]  # torch gives no types
        self.register_load_state_dict_pre_hook(name_as_wrapped)  # type: ignore[no-untyped-call]

    def save_construction(self) -> None:
        """Stores the ``class_path``s and arguments that the command line built this module from.

        A module built in Python from instances stores nothing: its networks are passed again when it is loaded.
        """
        if not is_built_from_class_paths():
            return
        self.save_hyperparameters(logger=False)
        # The command line links the data's facts to whatever model there is; what this class does not take goes.
        parameters = inspect.signature(type(self).__init__).parameters
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
            for name in [name for name in self.hparams if name not in parameters and not name.startswith("_")]:
                del self.hparams[name]

    @property
    def seed(self) -> int:
        """The seed of the run: that of ``seed_everything``, else the checkpoint's, else one drawn once."""
        from_environment = os.environ.get("PL_GLOBAL_SEED")
        if from_environment is not None:
            return int(from_environment)
        if self._seed is None:
            self._seed = torch.initial_seed()
        return self._seed

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the seed of the run."""
        checkpoint["lit_gan"] = {"seed": self.seed}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes back what :meth:`on_save_checkpoint` added, before the weights are loaded."""
        # Lightning loads the weights before it converts the module: float64 weights would lose half their bits.
        dtypes = {tensor.dtype for tensor in checkpoint["state_dict"].values() if tensor.is_floating_point()}
        self.to(dtypes.pop() if len(dtypes) == 1 else None)
        self._seed = checkpoint.get("lit_gan", {}).get("seed", self._seed)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]  # Lightning's is a descriptor of its own kind
        cls,
        checkpoint_path: str | Path,
        map_location: Any = None,
        hparams_file: str | Path | None = None,
        strict: bool | None = None,
        weights_only: bool = True,
        *,
        allow: str | Collection[str] = (),
        **kwargs: Any,
    ) -> Self:
        """Builds the module that a checkpoint holds, with its weights.

        The checkpoint names the classes that it was built from. Those of lit_gan, of torch and of what the program has
        imported are looked up; no other module is imported because a file names it. Of a library only what belongs to
        a GAN is built (a module, an optimiser, a schedule), and nothing at all of the standard library.

        Args:
            checkpoint_path: A ``.ckpt`` file, or the run folder that holds it.
            map_location: Where the weights go; see ``torch.load``.
            hparams_file: A YAML file that replaces the stored arguments.
            strict: Whether the weights must fit exactly; yes if ``None``.
            weights_only: Refuses anything but tensors and plain data, so that nothing in the file is executed. If
                false, the file is trusted with everything, and may import what it names.
            allow: Modules that may be imported because the checkpoint names them, and used whatever they hold; a
                package speaks for all that is in it.
            **kwargs: Constructor arguments that replace the stored ones; for a module that was built from
                instances: its networks.

        Returns:
            The module, on the device of its weights.

        Raises:
            UserError: If the file is missing, damaged, of another module, names what may not be imported, or needs
                arguments that were not passed.

        Example:
            ``GAN.load_from_checkpoint("runs/mine/ID", allow=("my_gan",))`` imports ``my_gan`` for the networks that are
            defined there; so does ``import my_gan`` before it.
        """
        checkpoint_path = resolve_checkpoint(checkpoint_path)
        if not weights_only:  # the file is trusted, and may hold what nothing here may look into
            return super().load_from_checkpoint(checkpoint_path, map_location, hparams_file, strict, False, **kwargs)
        content = load_checkpoint(checkpoint_path)
        stored = content.get(cls.CHECKPOINT_HYPER_PARAMS_KEY) or {}
        needed = _needed_by(cls)
        if needed and not stored and not kwargs and hparams_file is None:
            raise UserError(
                f"checkpoint {checkpoint_path}: its {cls.__name__} was built from instances, which a checkpoint does "
                f"not hold: pass them again, {cls.__name__}.load_from_checkpoint(path, "
                f"{', '.join(f'{name}=...' for name in needed)})."
            )
        stored_class = cls._checked_class(checkpoint_path, content, allow, given=kwargs)
        if stored_class is not cls:
            return stored_class.load_from_checkpoint(
                checkpoint_path, map_location, hparams_file, strict, weights_only, allow=allow, **kwargs
            )
        try:
            return super().load_from_checkpoint(
                checkpoint_path, map_location, hparams_file, strict, weights_only, **kwargs
            )
        except _MISFITS as error:
            reason = " ".join(str(error).split())
            name = stored.get("_class_path") or cls.__name__
            raise UserError(f"checkpoint {checkpoint_path} does not fit {name}: {reason}") from error

    @classmethod
    def _checked_class(
        cls, path: Path, content: dict[str, Any], allow: str | Collection[str], given: Collection[str]
    ) -> type[Self]:
        """The class that a checkpoint was saved from, all that it names having been looked at."""
        found: Any = cls
        configuration = StoredConfiguration(f"checkpoint {path}", ImportPolicy.allowing(allow))
        for key in (*_EARLIER_KEYS, cls.CHECKPOINT_HYPER_PARAMS_KEY):
            stored = content.get(key) or {}
            found = configuration.check_module({name: stored[name] for name in stored if name not in given}, cls)
        if not (isinstance(found, type) and issubclass(found, cls)):
            class_path = content[cls.CHECKPOINT_HYPER_PARAMS_KEY]["_class_path"]
            raise UserError(
                f"checkpoint {path} holds a {class_path}, which is no {cls.known_as or cls.__name__}: load it with the "
                "class that it was saved from."
            )
        return found


def _needed_by(cls: type) -> list[str]:
    """The arguments without which it cannot be built."""
    parameters = inspect.signature(cls).parameters.values()
    named = (parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in named if parameter.default is parameter.empty]
