"""jsonargparse's reports, in one line of the user's words."""

import pytest

from lit_gan.cli.parsing.explanation import ArgumentError, explain, user_error_behind
from lit_gan.errors import UserError

_NONE = "Expected a <class 'NoneType'>"
_NO_PATH = "  - Expected a path but X either not accessible or invalid\n  - "
_CALLABLE = (
    "Type typing.Callable[[collections.abc.Iterable], torch.optim.optimizer.Optimizer] expects a function or a "
    "callable class: "
)


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
        ("Group 'trainer' does not accept option 'steps.x'", "--trainer.steps.x: no such option"),
        ("--print_shtab is no longer supported. Use set_parsing_settings(...)", "--print_shtab: no such option"),
        (
            "the following arguments are required: fit.data, fit.model",
            "required, and not given: data and model (use --config NAME, or the options)",
        ),
        ("Unexpected config:\n", "expected keys such as model and data, got an empty file"),
        ("Unexpected config: hello", "expected keys such as model and data, got hello"),
        # what leaks from Python
        (
            "Parser key 'g':\n  Problem with given class_path 'nets.G':\n    'int' object has no attribute 'keys'",
            "--g: expected keys and values as init_args, got a whole number",
        ),
        (
            (
                f"Parser key 'o':\n  {_CALLABLE}'list' object has no attribute 'keys'. "
                "Got value: Namespace(class_path='torch.optim.Adam', init_args=[1])"
            ),
            "--o: expected keys and values as init_args, got a list",
        ),
        ("Parser key 'g':\n  unhashable type: 'list'", "--g: expected a class, got a list"),
        ("Parser key 'g':\n  unhashable type: 'dict'", "--g: expected a class, got keys and values"),
        ("Parser key 'g':\n  argument of type 'int' is not iterable", "--g: expected a class, got a whole number"),
        ("Parser key 'g':\n  argument of type 'NoneType' is not iterable", "--g: expected a class, got nothing"),
        (
            "Parser key 'g':\n  argument of type 'bool' is not a container or iterable",
            "--g: expected a class, got true or false",
        ),
        (
            (
                f"Parser key 'o':\n{_NO_PATH}{_CALLABLE}Expected 'nets.G' to be a subclass of <class 'Optimizer'>.. "
                "Got value: Namespace(class_path='nets.G')"
            ),
            "--o: expected a class derived from Optimizer, got nets.G",
        ),
        (
            f"Parser key 'o':\n{_NO_PATH}{_CALLABLE}module 'torch.optim' has no attribute 'Adamm'. Got value: Adamm",
            "--o: there is no Adamm in torch.optim",
        ),
        (
            f"Parser key 's':\n  {_CALLABLE}Expected an import path or a subclass spec, but got 3. Got value: 3",
            "--s: expected a class, got 3",
        ),
        (
            (
                "Parser key 's':\n  Subclasses are disabled for Schedule, thus 'nets.G' is not accepted as class_path. "
                "Only the class_path of Schedule itself is accepted, or its init args given directly. To accept "
                "subclasses use set_parsing_settings(subclasses_enabled=[Schedule])."
            ),
            "--s: expected what Schedule takes, and no class_path, got nets.G",
        ),
        (
            "Parser key 'b':\n  Expected a tuple with 2 elements. Got value: [1]",
            "--b: expected a list of 2 values, got [1]",
        ),
        (
            "Parser key 'b':\n" + _union("Expected <class 'float'>", "Expected dot import path string: a", given="a"),
            "--b: expected a number, got a",
        ),
        (f"Parser key 'd':\n{_NO_PATH}Unexpected import path format: 3.5", "--d: expected a class, got 3.5"),
        (f"Parser key 'd':\n{_NO_PATH}Unexpected import path format: ..", "--d: expected a class"),
        (
            'Parser key "p":\nUnable to load config \'3\'\n  - Parser key "p": Unable to load config "3"',
            "--p: expected keys and values, got 3",
        ),
        (
            'Parser key "p":\nUnable to load config \'{n: [1]}\'\n  - Parser key "p.n":\n    '
            + _union("Expected a <class 'int'>", _NONE, given="[1]", kind="<class 'list'>"),
            "--p.n: expected a whole number, got [1]",
        ),
        (
            (
                f"Parser key 'm':\n{_NO_PATH}Not a valid subclass of Metric. Got value: 3\n"
                "Subclass types expect one of:\n- a class path (str)\n- a dict with class_path entry"
            ),
            "--m: expected a class derived from Metric, got 3",
        ),
        (
            "Parser key 'p':\n"
            + _union("Expected a typing.Literal[64, 32]", "Expected a typing.Literal['32', 'bf16']", _NONE, given="3"),
            "--p: expected one of 64, 32, bf16, got 3",
        ),
        (
            "Parser key 'g':\n  Option 'class_path' is not accepted",
            "--g: expected class_path and init_args, and what the class takes within init_args",
        ),
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
