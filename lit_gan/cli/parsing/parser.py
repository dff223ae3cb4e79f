"""The parser of `fit`, `validate`, `test` and `predict`: shipped configs by name, errors in one line."""

from functools import partial
from typing import Any, NoReturn

import yaml
from jsonargparse import set_dumper
from jsonargparse._actions import ActionConfigFile  # its public alias is not exported to type checkers
from lightning.pytorch.cli import LightningArgumentParser
from lightning_utilities.core.enums import StrEnum

from lit_gan.cli.parsing.explanation import explain
from lit_gan.cli.parsing.interpolation import with_values
from lit_gan.cli.parsing.shipped import find
from lit_gan.errors import UserError
from lit_gan.runs.plain_data import dump_yaml

# Lightning's own words, such as the `interval` of its Timer, are strings to a reader of YAML, too.
for _dumper in (yaml.SafeDumper, getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    _dumper.add_multi_representer(StrEnum, lambda dumper, word: dumper.represent_str(str(word.value)))
# jsonargparse writes each class within a configuration as YAML, and reads that again.
set_dumper("yaml", partial(dump_yaml, allow_unicode=True))


class ShippedConfigFile(ActionConfigFile):
    """`--config` that takes a path or the bare name of a shipped configuration."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Applies the configuration that ``values`` names; what is wrong in it is told with its name."""
        path = str(find(values)) if isinstance(values, str) else values
        try:
            super().__call__(parser, cfg, path, option_string)  # type: ignore[no-untyped-call]  # it has no types
        except (UserError, UnicodeDecodeError) as error:
            raise UserError(f"--config {values}: {error}") from error


class Parser(LightningArgumentParser):
    """LightningCLI's parser, whose errors are the user's to mend."""

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        """As jsonargparse's; a ``--print_config`` in a command that was refused is none of the next command."""
        try:
            return super().parse_args(*args, **kwargs)
        finally:
            vars(self).pop("print_config", None)

    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Any:
        """As jsonargparse's, with the values of what stands in a configuration as ``${...}``."""
        return super().parse_string(with_values(content), *args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises what would have been printed, with the usage, by jsonargparse."""
        raise explain(message, ex) from ex
