"""One command of `fit`, `validate`, `test` or `predict`, parsed; and what it names, built."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import lightning
import yaml
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.cli import LightningCLI
from torch import nn

import lit_gan.data
import lit_gan.extensions.conditional
import lit_gan.extensions.inference
import lit_gan.extensions.inpainting
import lit_gan.networks  # noqa: F401 -- short class names in YAML resolve among what is imported
from lit_gan.cli.parsing.as_typed import errors_as_typed
from lit_gan.cli.parsing.explanation import ArgumentError
from lit_gan.cli.parsing.interpolation import interpolated
from lit_gan.cli.parsing.options import FILLED_BY_DATA, add_run_options, keep_what_was_given, link_data_to_model
from lit_gan.cli.parsing.parser import Parser, ShippedConfigFile
from lit_gan.cli.parsing.run_arguments import configuration_name, run_folder_of
from lit_gan.cli.parsing.unbuilt import built_network, construction_errors
from lit_gan.engine.lightning_seam import built_from_class_paths
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.runs.plain_data import load_yaml
from lit_gan.session.errors import user_errors

_Module = TypeVar("_Module")

_DEFAULT_SEED = 0  # the same command again is the same run


class Command:
    """A command line, parsed; nothing is built, seeded or run by that.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        arguments: What follows it on the command line.
        defaults: What the parser takes for given where nobody gives it, in place of its own.

    Raises:
        UserError: Whatever is wrong with the options.
        SystemExit: After ``--help`` and ``--print_config``, which have printed.
    """

    def __init__(self, verb: str, arguments: list[str], defaults: dict[str, Any] | None = None) -> None:
        self.verb = verb
        self.arguments = arguments
        self._parser, self._of_the_method = parser_of(verb, *(defaults or {}).items())
        found = interpolated(parser_of(verb)[0], arguments, filled_later=FILLED_BY_DATA)  # without those defaults
        with errors_as_typed(verb, arguments), found as values:
            #: The parsed options.
            self.options = self._parser.parse_args(values)
            _check_groups(self._parser, self.options)

    def build(self) -> None:
        """Seeds this process, and builds the model, the data and everything else that is named."""
        if self.options.seed_everything is not False:
            seed = None if self.options.seed_everything is True else self.options.seed_everything
            self.options.seed_everything = seed_everything(seed, workers=True)
        # Parsing has validated it: to do so again is a tenth of a second and more of each start.
        text = self._parser.dump(
            self.options, skip_link_targets=False, skip_unset=False, skip_validation=True, format="yaml"
        )
        #: The resolved configuration as plain data.
        self.config: dict[str, Any] = load_yaml(text, yaml.SafeLoader)
        keep_what_was_given(self.config, self.options)
        builders = [
            (ModuleBuilder("model", self.options, self.config), LightningModule, True),
            (ModuleBuilder("data", self.options, self.config), LightningDataModule, True),
            (built_network, nn.Module, True),
        ]
        with construction_errors(), user_errors():
            self.built = self._parser.instantiate(self.options, instantiators=builders)

    @property
    def name(self) -> str:
        """The ``<config>`` of ``runs/<config>/<id>``: of an evaluation that of the run it evaluates."""
        evaluated = None if self.verb == "fit" else run_folder_of(Path(self.options.ckpt_path))
        if evaluated is not None:
            return evaluated.parent.name
        configs = self.options.get("config") or []
        return configuration_name(Path(str(configs[0]))) if configs else "custom"

    @property
    def model(self) -> LightningModule:
        """The model that was built."""
        model: LightningModule = self.built.model
        return model

    @property
    def trainer(self) -> dict[str, Any]:
        """The arguments of the Trainer, built."""
        return {**self.built.trainer}

    @property
    def evaluations(self) -> list[Callback]:
        """What scores samples, built."""
        if self.built.evaluation.cache_dir is None:
            self.built.evaluation.cache_dir = str(KEPT)
        return [self.built.parzen, self.built.evaluation]

    @property
    def method(self) -> dict[str, Any]:
        """The arguments of the Trainer's method, but for the model."""
        return {name: self.built[name] for name in self._of_the_method} | {"datamodule": self.built.data}


@cache
def parser_of(verb: str, *defaults: tuple[str, Any]) -> tuple[Parser, list[str]]:
    """The parser of a verb, and which of its options the method of the Trainer takes.

    Made once: a sweep and a job that is submitted parse many commands, and a parse leaves nothing behind in it.
    """
    parser = Parser(
        dump_header=[f"lightning.pytorch=={lightning.__version__}"],
        parser_mode="yaml",
        prog=f"lit-gan [options] {verb}",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-c",
        "--config",
        action=ShippedConfigFile,
        help="Path to a YAML file, or the bare name of a shipped configuration.",
    )
    parser.add_argument(
        "--seed_everything",
        type=bool | int,
        default=_DEFAULT_SEED,
        help="The seed of everything random; true draws one, false leaves the random generators alone.",
    )
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({"trainer.devices": 1})
    parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True)
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    add_run_options(parser, verb)
    link_data_to_model(parser)
    of_the_method = parser.add_method_arguments(Trainer, verb, skip=set(LightningCLI.subcommands()[verb]))
    parser.set_defaults(dict(defaults))
    return parser, of_the_method


def _check_groups(parser: Any, options: Any) -> None:
    """Refuses a value in the place of a group of options, which jsonargparse takes from a file."""
    for name in parser.groups:
        if name in options and not isinstance(options[name], Namespace):
            found = "nothing" if options[name] is None else options[name]
            raise ArgumentError((name,), f"expected keys and values, got {found}")


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
