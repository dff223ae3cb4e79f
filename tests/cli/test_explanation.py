"""jsonargparse's reports, in one line of the user's words."""

import pytest

from lit_gan.cli.explanation import ArgumentError, explain, user_error_behind
from lit_gan.errors import UserError

_NONE = "Expected a <class 'NoneType'>"
_NO_PATH = "  - Expected a path but X either not accessible or invalid\n  - "


def _union(*errors: str, given: str = "x", kind: str = "<class 'str'>") -> str:
    tried = "\n".join(f"  - {error}" for error in errors)
    return (
        "Does not validate against any of the Union subtypes\nSubtypes: [<class 'a.B'>, <class 'NoneType'>]\n"
        f"Errors:\n{tried}\nGiven value type: {kind}\nGiven value: {given}"
    )


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ("Parser key 'k':\n  Expected a <class 'int'>. Got value: 1.5", "--k: expected a whole number, got 1.5"),
        (
            "Parser key 'a.b':\n" + _union("Expected a <class 'int'>", "Expected a <class 'float'>"),
            "--a.b: expected a whole number or a number, got x",
        ),
        (
            "Parser key 'a':\n" + _union("Expected a <class 'bool'>", _NONE, given="maybe"),
            "--a: expected true or false, got maybe",
        ),
        (
            "Parser key 'mode':\n" + _union("Expected a typing.Literal['on', 'off']", _NONE),
            "--mode: expected one of on, off, got x",
        ),
        (
            f"Parser key 'data':\n{_NO_PATH}" + _union("Expected a dot import path string: X", _NONE, given="X"),
            "--data: expected a class, got X",
        ),
        (
            f"Parser key 'data':\n{_NO_PATH}Problem with given class_path 'a.X':\n  module 'a' has no attribute 'X'",
            "--data: there is no X in a",
        ),
        ("unrecognized arguments: --trainer.max_stepz=3", "--trainer.max_stepz: no such option"),
        ("unrecognized arguments: --trainer.max_stepz 3", "--trainer.max_stepz: no such option"),
        ("unrecognized arguments: alone", "unrecognized arguments: alone"),
        ("Parser key 'a':\n  Option 'b' is not accepted", "--a.b: no such option"),
        ("Subcommand 'fit' does not accept option 'modle.x'", "--modle.x: no such option"),
        (
            "the following arguments are required: fit.data, fit.model",
            "required, and not given: data and model (use --config NAME, or the options)",
        ),
        ("Unexpected config:\n", "expected keys such as model and data, got an empty file"),
        ("Unexpected config: hello", "expected keys such as model and data, got hello"),
    ],
)
def test_a_report_becomes_one_line(report: str, line: str) -> None:
    assert str(explain(report)) == f"{line}; `--help` lists the options."


def test_nested_explanations_add_up_to_the_whole_option() -> None:
    inner = explain("Parser key 'hidden':\n  Expected a <class 'int'>. Got value: a")
    middle = TypeError(f"Parser key 'generator':\n  {inner}")
    middle.__cause__ = inner
    error = explain("Parser key 'model':\n" + _union(str(middle), _NONE), middle)
    assert str(error) == "--model.generator.hidden: expected a whole number, got a; `--help` lists the options."


def test_an_arguments_own_class_has_the_last_word() -> None:
    told = UserError("k = 0: expected at least 1.")
    outer = ValueError("Parser key 'model': ...")
    outer.__cause__ = told
    assert explain(str(outer), outer) is told


def test_the_user_error_is_found_behind_any_chain() -> None:
    told, outer, outermost = UserError("this"), KeyError("that"), ValueError("those")
    outer.__context__ = told
    outermost.__cause__ = outer
    assert user_error_behind(outermost) is told
    assert user_error_behind(KeyError()) is None
    assert user_error_behind(None) is None


def test_an_argument_error_keeps_its_parts() -> None:
    error = ArgumentError(("a", "b"), "no such option")
    assert (error.keys, error.fault) == (("a", "b"), "no such option")
