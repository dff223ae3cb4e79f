"""What options the verbs of the Trainer have, read from the sources: neither torch nor Lightning is imported for it."""

import ast
from functools import cache
from pathlib import Path

from lit_gan.cli.parsing.signatures import arguments_of, definition_of, text_of

#: The options of a class that the command or the configuration names.
BUILT = ("model", "data")
#: What every parser of LightningCLI has.
_OF_THE_PARSER = ("config", "c", "help", "h", "print_config", "print_shtab", "seed_everything")
_OPTIONS = Path(__file__).with_name("options.py")
_ADDS_ONE, _ADDS_A_CLASS = "add_argument", "add_lightning_class_args"


@cache
def known_options(verb: str) -> dict[str, frozenset[str] | None]:
    """The options of a verb by their first word, with those behind its dot; None where these are not known.

    Nothing at all where the sources cannot be read: no option is then known to be wrong.

    Example:
        >>> "max_epochs" in known_options("fit")["trainer"], "resume" in known_options("test")
        (True, False)
    """
    verb = "fit" if verb == "baselines" else verb  # which takes any configuration of a training
    known: dict[str, frozenset[str] | None] = dict.fromkeys((*_OF_THE_PARSER, *BUILT))
    known["trainer"] = arguments_of("lightning.pytorch.Trainer")
    if known["trainer"] is None:
        return {}
    known.update(dict.fromkeys(_arguments_of_method(verb)))
    ours = _our_own(verb)
    return {} if ours is None else {**known, **ours}


def _arguments_of_method(verb: str) -> frozenset[str]:
    """What `Trainer.fit` and its like are told, but for what is built from other options."""
    trainer = definition_of("lightning.pytorch.Trainer")
    left_out = _left_out(verb)
    return frozenset(
        parameter.arg
        for method in ([] if trainer is None else trainer.node.body)
        if isinstance(method, ast.FunctionDef) and method.name == verb
        for parameter in [*method.args.args[1:], *method.args.kwonlyargs]
        if parameter.arg not in left_out
    )


def _left_out(verb: str) -> frozenset[str]:
    cli = definition_of("lightning.pytorch.cli.LightningCLI")
    for method in [] if cli is None else cli.node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "subcommands":
            returned = next(node.value for node in ast.walk(method) if isinstance(node, ast.Return))
            return frozenset() if returned is None else frozenset(ast.literal_eval(returned)[verb])
    return frozenset()


def _our_own(verb: str) -> dict[str, frozenset[str] | None] | None:
    """What is added in options.py for this verb; None where an option's name cannot be read."""
    tree = ast.parse(_OPTIONS.read_bytes())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    found: dict[str, frozenset[str] | None] = {}
    for call in [call for function in functions for call in _calls(function.body, verb)]:
        if call.func.attr == _ADDS_ONE:  # type: ignore[attr-defined]  # as _calls chooses them
            words = [_text(word) for word in call.args]
            if None in words:
                return None
            found.update({word.lstrip("-"): None for word in words if word is not None})
        else:
            added, key = ast.unparse(call.args[0]), _text(call.args[1])
            if key is None:
                return None
            found[key] = arguments_of(f"lit_gan.cli.parsing.options.{added}")
    return found


def _text(word: ast.expr) -> str | None:
    """A word that stands in a call, or that a name there stands for."""
    if isinstance(word, ast.Constant) and isinstance(word.value, str):
        return word.value
    return text_of("lit_gan.cli.parsing.options", word.id) if isinstance(word, ast.Name) else None


def _calls(body: list[ast.stmt], verb: str) -> list[ast.Call]:
    """The calls that add an option, those under a condition on the verb only where it holds."""
    found: list[ast.Call] = []
    for node in body:
        if isinstance(node, ast.If):
            holds = _holds(node.test, verb)
            found += _calls(node.body, verb) if holds is not False else []
            found += _calls(node.orelse, verb) if holds is not True else []
            continue
        found += [
            call
            for call in ast.walk(node)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in (_ADDS_ONE, _ADDS_A_CLASS)
        ]
    return found


def _holds(test: ast.expr, verb: str) -> bool | None:
    """Whether ``verb == "fit"`` or ``verb in ("fit", "test")`` holds; None for any other condition."""
    if not (isinstance(test, ast.Compare) and ast.unparse(test.left) == "verb" and len(test.ops) == 1):
        return None
    try:
        value = ast.literal_eval(test.comparators[0])
    except ValueError:
        return None
    if isinstance(test.ops[0], ast.Eq):
        return bool(verb == value)
    return verb in value if isinstance(test.ops[0], ast.In) else None
