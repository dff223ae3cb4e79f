"""Builds the model and the data, and tells each how it was built: so that a checkpoint can build it again."""

from collections.abc import Iterator
from typing import Any, TypeVar

from lit_gan.engine.lightning_seam import built_from_class_paths

_Module = TypeVar("_Module")


class ModuleBuilder:
    """As LightningCLI's, but what the data say is noted only for those arguments that the model's classes have.

    Lightning 2.6 notes every linked value among the hyper-parameters, and fails where a network without
    ``image_shape`` has no place for it.
    """

    def __init__(self, key: str, options: Any, config: dict[str, Any]) -> None:
        self._key = key
        self._options = options
        self._config = config

    def __call__(
        self, class_type: type[_Module], *args: Any, applied_instantiation_links: dict[str, Any], **kwargs: Any
    ) -> _Module:
        """Builds one module."""
        own = {key.rpartition(".")[2]: value for key, value in self._linked(applied_instantiation_links)}
        spec = self._config[self._key]
        hparams = {"_class_path": spec["class_path"], **spec.get("init_args", {}), **spec.get("dict_kwargs", {}), **own}
        with built_from_class_paths(hparams):
            return class_type(*args, **kwargs)

    def _linked(self, links: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """The module's own arguments among the linked values; those of its parts are noted in the configuration."""
        for key, value in links.items():
            *path, name = key.split(".")
            if key not in self._options or path[0] != self._key:
                continue
            if path == [self._key, "init_args"]:
                yield key, value
                continue
            place = self._config
            for part in path:  # a network of which nothing but linked values was given has no `init_args` yet
                place = place.setdefault(part, {})
            place[name] = value
