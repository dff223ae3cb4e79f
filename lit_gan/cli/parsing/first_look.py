"""Refuses a command that is misspelt before anything heavy is imported: a typing mistake costs no seconds."""

from collections.abc import Sequence
from pathlib import Path

from lit_gan.cli.parsing.run_arguments import completed_arguments
from lit_gan.cli.parsing.shipped import CONFIG_OPTIONS, find, shipped_names
from lit_gan.cli.parsing.suggestions import did_you_mean, likely_options
from lit_gan.cli.parsing.typed import Typed, Unknown, options_in, read_config
from lit_gan.cli.trainer.trainer_verbs import TRAINER_VERBS
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_LISTED = "`lit-gan {verb} --help all` lists the options."
# With one of these there is something to train, or nothing is trained.
_SUFFICES = (*CONFIG_OPTIONS, "--model", "--data", "--ckpt_path", "--resume", "--help", "--print_config")


def look(verb: str, arguments: Sequence[str]) -> None:
    """Reads a command as far as that can be done from sources alone; what is in doubt is left to the real parser."""
    for word in arguments:
        if not word.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in word):
            raise UserError(f"{word!a}: expected a text in the encoding of this terminal (UTF-8).")
    if verb in TRAINER_VERBS:
        _check_there_is_something_to_do(verb, arguments)
    typed = Typed(verb, at_hand=True)
    for name, value in options_in(arguments):
        if name in CONFIG_OPTIONS:
            if value is not None:
                _look_into(value, typed, verb)
            continue
        unknown = typed.option(name[2:], value)
        if unknown is not None:
            raise UserError(no_such_option(verb, name, unknown, typed))


def no_such_option(verb: str, name: str, unknown: Unknown, typed: Typed) -> str:
    """What is said of an option that there is not."""
    meant = did_you_mean(likely_options(verb, *unknown, typed.classes)) if unknown.siblings else ""
    return f"{name}: no such option; {meant or _LISTED.format(verb=verb)}"


def no_such_key(verb: str, unknown: Unknown, typed: Typed) -> str:
    """What is said of a key of a configuration that there is not."""
    meant = did_you_mean(likely_options(verb, *unknown, typed.classes), dashes="") if unknown.siblings else ""
    return f"{'.'.join(unknown.parts)}: no such key; {meant or _LISTED.format(verb=verb)}"


def _look_into(config: str, typed: Typed, verb: str) -> None:
    path = find(config)
    try:
        unknown = typed.file(read_config(path))
        if unknown is not None:
            raise UserError(no_such_key(verb, unknown, typed))
    except UserError as error:
        raise UserError(f"--config {config}: {error}") from error


def _check_there_is_something_to_do(verb: str, arguments: Sequence[str]) -> None:
    given = dict(options_in(arguments))
    first = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if verb == "fit" and first in shipped_names("configs") and not Path(first).exists():
        raise UserError(f"{first}: expected an option; did you mean --config {first}?")
    checkpoint = given.get("--ckpt_path") if first is None else first
    if checkpoint == "":
        raise UserError("expected a run folder or a checkpoint, got an empty name.")
    if checkpoint and checkpoint.lower() not in ("null", "none") and not Path(checkpoint).exists():
        resolve_checkpoint(checkpoint)
    if checkpoint is not None or any(name.partition(".")[0] in _SUFFICES for name in given):
        return
    if "--allow" in given:  # what stands behind it may be a run
        return
    if verb == "fit":
        raise UserError("required, and not given: data and model (use --config NAME, or the options).")
    with completed_arguments(verb, list(arguments)):  # tells what is to be evaluated
        pass
