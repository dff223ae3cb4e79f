"""Every private name of LightningCLI that we need, for Lightning 2.6.

``tests/cli/trainer/test_run.py`` and ``tests/cli/test_evaluation.py`` hold them: a command parses, builds, records.
"""

from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import LightningCLI, _InstantiatorFn


class Command(LightningCLI):
    """LightningCLI, whose steps a subclass changes by public names."""

    def build_by_class(self) -> None:
        """Says what builds the instances of which class; called when the parser is complete."""

    def dumped(self) -> None:
        """The whole configuration stands in ``config_dump``; called once."""

    def built(self, key: str) -> Any:
        """What was built of a section of the configuration."""
        return self._get(self.config_init, key)

    def built_trainer(self, settings: dict[str, Any], callbacks: list[Callback]) -> Trainer:
        """A trainer of these settings, with these callbacks beside its own."""
        return self._instantiate_trainer(settings, callbacks)

    def parser_of(self, verb: str) -> Any:
        """The parser of one verb."""
        return self._subcommand_parsers[verb]

    def dump(self) -> None:
        """Writes the configuration out, once."""
        if not hasattr(self, "config_dump"):
            super()._dump_config()
            self.dumped()

    def _dump_config(self) -> None:
        self.dump()

    def _add_instantiators(self) -> None:
        super()._add_instantiators()
        self.build_by_class()

    def _parse_ckpt_path(self) -> None:
        """Nothing: the checkpoint's model is among the configurations already, where flags beat it."""


class Parsed(Command):
    """A command that is parsed, and left at that: no seed is set, and nothing is built or run."""

    def _set_seed(self) -> None:
        """Not the seed of this process."""

    def before_instantiate_classes(self) -> None:
        """Nor its threads."""

    def instantiate_classes(self) -> None:
        """Neither model nor data."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Nothing is run."""


class Instantiator(_InstantiatorFn):
    """What LightningCLI builds a module by, and notes its arguments."""
