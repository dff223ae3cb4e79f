"""What `validate`, `test` and `predict` need when they are given a run folder or a checkpoint alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from lit_gan.cli.options import ALLOW_OPTION, SECTIONS
from lit_gan.cli.shipped import find
from lit_gan.errors import UserError
from lit_gan.import_policy import ImportPolicy
from lit_gan.stored_configuration import StoredConfiguration, import_paths_in
from lit_gan.tracking.checkpoint_files import load_checkpoint, resolve_checkpoint
from lit_gan.tracking.shown_path import shown

_CONFIG_OPTIONS = ("-c", "--config")
_CHECKPOINT_OPTION = "--ckpt_path"
_ABSOLUTE = re.compile(r"\$\{([a-zA-Z][\w.\[\]]*)\}")


def run_folder_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, or ``None`` where it lies elsewhere.

    Args:
        checkpoint: A ``.ckpt`` file.
    """
    folder = checkpoint.absolute().parent.parent
    return folder if (folder / "run.json").is_file() and checkpoint.parent.name == "checkpoints" else None


@contextmanager
def completed_arguments(verb: str, arguments: list[str]) -> Iterator[list[str]]:
    """Completes a command line from the run or the checkpoint that it names.

    A first argument that is no option is the run folder or the checkpoint. Where no configuration is given, that of
    the run is used; the model is built as the checkpoint says; flags beat both. What they name is imported only where
    it is of lit_gan or torch, allowed by ``--allow``, or typed: here, or in a configuration that is given here.

    Args:
        verb: The command, for the error.
        arguments: What follows the verb.

    Yields:
        The arguments for the parser; the files that they name are there within the context.

    Raises:
        UserError: If there is neither a checkpoint nor a run, a checkpoint is damaged, or what it names may not be
            imported.
    """
    allowed, arguments = _split_off(list(arguments), (ALLOW_OPTION,))
    if arguments and not arguments[0].startswith("-"):
        arguments[:1] = [_CHECKPOINT_OPTION, arguments[0]]
    configs, flags = _split_off(arguments, _CONFIG_OPTIONS)
    checkpoints, flags = _split_off(flags, (_CHECKPOINT_OPTION,))
    if not checkpoints or checkpoints[-1].lower() in ("null", "none"):
        if verb != "fit" and "--help" not in flags and "-h" not in flags:
            raise UserError(
                f"`lit-gan {verb}` needs something trained: expected a run folder or a checkpoint, as in "
                f"`lit-gan {verb} runs/mnist/ID`."
            )
        yield arguments
        return
    checkpoint = resolve_checkpoint(checkpoints[-1])
    run = run_folder_of(checkpoint)
    policy = ImportPolicy.allowing(allowed, typed=[*_typed_in_files(configs), *_typed_in_flags(flags)])
    if not configs and run is not None:
        configs = [str(run / "config.yaml")]
        _check_config_of_run(run / "config.yaml", policy)
    with TemporaryDirectory() as folder:
        stored = _stored_model(checkpoint, Path(folder) / "checkpoint.yaml", policy)
        files = [option for config in [*configs, *stored] for option in ("--config", config)]
        yield [*files, *flags, _CHECKPOINT_OPTION, str(checkpoint)]


def from_the_root(flags: list[str]) -> list[str]:
    """Flags in which ``${data.init_args.x}`` means what it means in a file: the parser looks from the flag's own place.

    Args:
        flags: What follows the verb.

    Raises:
        UserError: For ``${...}`` in a flag of the model or the data, whose place the parser does not know yet.

    Example:
        >>> from_the_root(["--trainer.max_steps", "${data.init_args.batch_size}"])
        ['--trainer.max_steps', '${..data.init_args.batch_size}']
    """
    completed, key = [], ""
    for flag in flags:
        key = flag.partition("=")[0] if flag.startswith("--") else key
        if _ABSOLUTE.search(flag) and key.startswith(("--model.", "--data.")):
            raise UserError(f"{key}: ${{...}} works in a configuration file, not in a flag of model or data.")
        completed.append(_ABSOLUTE.sub(rf"${{{'.' * (key.count('.') + 1)}\1}}", flag))
    return completed


def is_typed(option: str, arguments: list[str]) -> bool:
    """Whether an option is on the command line itself, and not only in a configuration.

    Args:
        option: With its dashes.
        arguments: What follows the verb.

    Example:
        >>> is_typed("--wandb", ["--wandb=online"]), is_typed("--wandb", ["--wandb_checkpoints=true"])
        (True, False)
    """
    return any(argument.partition("=")[0] == option for argument in arguments)


def check_asks_for_no_tracking(wandb: str | None, tensorboard: bool, arguments: list[str]) -> None:
    """What is typed for an evaluation without a folder of its own would do nothing; in a configuration it is the run's.

    Args:
        wandb: What ``--wandb`` is, typed or not.
        tensorboard: What ``--tensorboard`` is.
        arguments: What follows the verb.

    Raises:
        UserError: If tracking is asked for on the command line.
    """
    asked = {"--wandb": wandb if wandb != "off" else None, "--tensorboard": "true" if tensorboard else None}
    for option, value in asked.items():
        if value is not None and is_typed(option, arguments):
            raise UserError(
                f"{option} {value}: the numbers of an evaluation go to the metrics of the run that is evaluated, "
                "and nowhere else: give --run_dir PATH, too, for an evaluation that is tracked on its own."
            )


def _split_off(arguments: list[str], options: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The values of some options, and the other arguments."""
    values, others = [], []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in options:
            given = value if equals else next(rest, None)
            if given is None:
                raise UserError(f"{name}: expected a value after it.")
            values.append(given)
        else:
            others.append(argument)
    return values, others


def _typed_in_files(configs: list[str]) -> Iterator[str]:
    """The import paths in configurations that the user gives; what is wrong with one is told when it is parsed."""
    for config in configs:
        with suppress(UserError, OSError, ValueError, yaml.YAMLError):
            yield from import_paths_in(yaml.safe_load(find(config).read_text()))


def _typed_in_flags(flags: list[str]) -> Iterator[str]:
    for flag in flags:
        value = flag.partition("=")[2] if flag.startswith("--") else flag
        with suppress(ValueError, yaml.YAMLError):
            yield from import_paths_in(yaml.safe_load(value))


def _check_config_of_run(path: Path, policy: ImportPolicy) -> None:
    """Whoever made the checkpoint made the configuration beside it."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return  # the parser says what is wrong with it
    if isinstance(content, dict):
        StoredConfiguration(f"configuration {shown(path)}", policy, path.parent).check_sections(content, SECTIONS)


def _stored_model(checkpoint: Path, target: Path, policy: ImportPolicy) -> list[str]:
    """Writes how the checkpoint's model was built as a configuration; nothing where the checkpoint does not say."""
    stored: dict[str, Any] = dict(load_checkpoint(checkpoint).get("hyper_parameters", {}))
    class_path = stored.get("_class_path")
    if class_path is None:
        return []
    StoredConfiguration(f"checkpoint {checkpoint}", policy, target.parent).check_module(stored)
    arguments = {key: _plain(value) for key, value in stored.items() if key not in ("_instantiator", "_class_path")}
    target.write_text(yaml.safe_dump({"model": {"class_path": class_path, "init_args": arguments}}))
    return [str(target)]


def _plain(value: Any) -> Any:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
