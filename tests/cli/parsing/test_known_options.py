"""The options that are known without the parser are those that it has."""

from typing import Any

import pytest

from lit_gan.cli.baselines import _parser
from lit_gan.cli.parsing import known_options as module
from lit_gan.cli.parsing.known_options import known_options
from lit_gan.cli.trainer.command import parser_of


def _options_of(parser: Any) -> set[str]:
    options = {option for action in parser._actions for option in action.option_strings}
    return {option.lstrip("-") for option in options if option}


def _real(verb: str) -> set[str]:
    if verb == "baselines":
        return _options_of(_parser(verb))
    return _options_of(parser_of(verb)[0])


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "baselines"])
def test_the_parser_takes_no_option_that_is_not_known(verb: str) -> None:
    known = known_options(verb)
    for option in _real(verb):
        first, _, rest = option.partition(".")
        names = known.get(first.rstrip("+"))
        assert first.rstrip("+") in known, option
        assert names is None or not rest or rest.partition(".")[0].rstrip("+") in names, option


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict"])
def test_no_option_is_known_that_the_parser_does_not_take(verb: str) -> None:
    real = {option.rstrip("+") for option in _real(verb)}
    known = known_options(verb)
    full = {f"{first}.{name}" for first, names in known.items() for name in names or ()}
    flat = {first for first, names in known.items() if names is None}
    assert full | flat <= real | {"print_shtab"}


def test_where_lightning_cannot_be_read_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "arguments_of", lambda path: None)
    assert known_options.__wrapped__("fit") == {}
