"""What is looked up once is what the library finds each time."""

import inspect

import pytest
from jsonargparse import ArgumentParser, Namespace
from jsonargparse._actions import _ActionConfigLoad
from jsonargparse._namespace import NSKeyError
from jsonargparse._subcommands import find_action_and_subcommand
from lightning.pytorch.utilities import model_helpers
from repeated_lookups import actions_by_name, plain_keys_first

from lit_gan.cli.trainer.command import parser_of

_FIND = inspect.unwrap(find_action_and_subcommand)  # these tests, too, look up once


def test_an_option_is_found_by_name_as_in_the_list() -> None:
    parser, _ = parser_of("fit")
    found = actions_by_name(_FIND)
    names = [action.dest for action in parser._actions] + ["trainer", "model.init_args", "no_such", "trainer.no_such"]
    for name in names * 2:
        assert found(parser, name) == _FIND(parser, name)
        assert found(parser, name, exclude=_ActionConfigLoad) == _FIND(parser, name, exclude=_ActionConfigLoad)


def test_an_option_that_comes_later_is_found_and_so_are_those_of_subcommands() -> None:
    parser, verb, found = ArgumentParser(), ArgumentParser(), actions_by_name(_FIND)
    assert found(parser, "late") == (None, None)
    late = parser.add_argument("--late")
    assert found(parser, "late") == (late, None)
    verbs = parser.add_subcommands()
    verbs.add_subcommand("fit", verb)
    assert found(parser, "fit.rate") == (None, "fit")
    rate = verb.add_argument("--rate")
    assert found(parser, "fit.rate") == (rate, "fit")


def test_a_key_is_placed_as_ever() -> None:
    namespace = Namespace(a=Namespace(b=1), keys=2)
    parse = inspect.unwrap(Namespace._parse_key)
    for key in ("a", "a.b", "keys", "no_such", "a.no_such", "no_such.b", "keys.b", "é"):
        assert plain_keys_first(parse)(namespace, key) == parse(namespace, key), key
    for key in ("", "a.", "a b", None):
        with pytest.raises(NSKeyError):
            plain_keys_first(parse)(namespace, key)


def test_what_replaces_inspect_has_all_that_lightning_takes_of_it() -> None:
    assert model_helpers.inspect is not inspect
    assert list(vars(model_helpers.inspect)) == ["stack"]
    assert inspect.getsource(model_helpers).count("inspect.") == 1
