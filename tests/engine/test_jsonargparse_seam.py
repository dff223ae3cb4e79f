import inspect
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import jsonargparse
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import lazy_instance

from lit_gan.cli.trainer.command import parser_of
from lit_gan.engine import jsonargparse_seam as seam
from lit_gan.engine.jsonargparse_seam import default_instance
from lit_gan.latents import Uniform


def test_a_default_is_what_jsonargparse_would_make_of_it() -> None:
    own, theirs = default_instance(Uniform), lazy_instance(Uniform)
    assert isinstance(own, Uniform)
    assert own.lazy_get_init_data() == theirs.lazy_get_init_data()
    assert type(own).__name__ == type(theirs).__name__
    assert type(own).__mro__[1:] == type(theirs).__mro__[1:]


def test_its_class_stands_where_it_says() -> None:
    made = type(default_instance(Uniform))
    assert getattr(inspect.getmodule(made), made.__name__) is made


def test_no_source_is_read_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "stack", lambda *_: pytest.fail("the stack was looked through"))
    assert isinstance(default_instance(Uniform), Uniform)


# Names of keys, of methods of a namespace, of metadata, and what is none.
_NAMES = st.sampled_from(
    ["a", "b", "init_args", "keys", "pop", "__path__", "__class__", "c+", "", "d e", "\u200bitems"]
)
_KEYS = st.lists(_NAMES, min_size=1, max_size=4).map(".".join)


def _space(content: dict[str, Any]) -> Namespace:
    space = Namespace()
    vars(space).update(content)
    return space


_TREES = st.recursive(
    st.sampled_from([None, 1, "text", (1, [2])]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(_NAMES, inner, max_size=3),
        st.dictionaries(_NAMES, inner, max_size=3).map(OrderedDict),
        st.dictionaries(_NAMES, inner, max_size=3).map(lambda content: defaultdict(int, content)),
        st.dictionaries(_NAMES, inner, max_size=3).map(_space),
    ),
    max_leaves=8,
)


def _told(call: Callable[[], Any]) -> Any:
    """What is returned, or how it is refused."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


def _with_theirs(call: Callable[[], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Namespace, "_parse_key", seam._their_parse_key)
        patch.setattr(Namespace, "clone", seam._their_clone)
        return _told(call)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(tree=st.dictionaries(_NAMES, _TREES, max_size=3).map(_space), key=st.one_of(_KEYS, st.just(3)))
def test_keys_are_split_and_namespaces_copied_as_by_jsonargparse(tree: Namespace, key: Any) -> None:
    assert Namespace._parse_key is seam._parse_key
    assert Namespace.clone is seam._clone
    calls: tuple[Callable[[], Any], ...] = (
        lambda: tree._parse_key(key),
        lambda: tree[key],
        lambda: key in tree,
        tree.clone,
        lambda: vars(tree.clone(with_meta=False)),
    )
    for call in calls:
        found = _told(call)
        assert found == _with_theirs(call)
        assert str(found) == str(_with_theirs(call))  # in the same order, of the same types


def test_a_copy_shares_nothing_that_can_be_changed() -> None:
    tree = Namespace(a=Namespace(b=[{"c": 1}]))
    copied = tree.clone()
    copied["a.b"][0]["c"] = 2
    copied["a.d"] = 3
    assert tree == Namespace(a=Namespace(b=[{"c": 1}]))


def test_every_key_of_a_command_is_found_as_by_jsonargparse() -> None:
    parser, _ = parser_of("fit")
    keys = [action.dest for action in parser._actions]
    keys += ["trainer", "model.init_args.generator", "nothing.at.all", "config", "print_config", "data"]
    for exclude in (None, jsonargparse._actions.ActionConfigFile):
        for key in keys:
            for _ in range(2):
                assert seam._find(parser, key, exclude) == seam._their_find(parser, key, exclude), key


def test_an_action_that_comes_or_goes_is_noticed() -> None:
    parser = ArgumentParser()
    assert seam._find(parser, "later") == (None, None)
    action = parser.add_argument("--later")
    assert seam._find(parser, "later") == (action, None)
    parser._actions.remove(action)
    assert seam._find(parser, "later") == (None, None)


def test_a_parser_with_subcommands_is_asked_each_time() -> None:
    parser, sub = ArgumentParser(), ArgumentParser()
    parser.add_subcommands().add_subcommand("train", sub)
    assert seam._find(parser, "train.rate") == (None, "train")
    action = sub.add_argument("--rate")
    assert seam._find(parser, "train.rate") == (action, "train")


def test_another_version_of_jsonargparse_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonargparse, "__version__", "4.54.0")
    monkeypatch.setattr(Namespace, "clone", seam._their_clone)
    seam.quicken()
    assert Namespace.clone is seam._their_clone
