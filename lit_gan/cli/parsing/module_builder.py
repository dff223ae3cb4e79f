"""Builds the model, and tells it how it was built."""

from typing import Any

from lightning.pytorch.cli import ModuleType

from lit_gan.cli.lightning_seam import Instantiator


class ModuleBuilder(Instantiator):
    """Lightning's, but what the data say is noted only for those arguments that the model's classes have.

    Lightning 2.6 notes every linked value among the hyper-parameters, and fails where a network without
    ``image_shape`` has no place for it.
    """

    def __call__(
        self, class_type: type[ModuleType], *args: Any, applied_instantiation_links: dict[str, Any], **kwargs: Any
    ) -> ModuleType:
        """Builds one module."""
        options = self.cli.config[self.cli.verb]  # type: ignore[attr-defined]  # RunCLI's
        links = {key: value for key, value in applied_instantiation_links.items() if key in options}
        for key in links:  # a network of which nothing but linked values was given has no `init_args` yet
            place = self.cli.config_dump
            for name in key.split(".")[:-1]:
                place = place.setdefault(name, {})
        return super().__call__(class_type, *args, applied_instantiation_links=links, **kwargs)
