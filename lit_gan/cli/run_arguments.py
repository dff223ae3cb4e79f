"""What `validate`, `test` and `predict` need when they are given a run folder or a checkpoint alone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from lit_gan.cli.interpolation import escaped
from lit_gan.cli.options import ALLOW_OPTION, SECTIONS
from lit_gan.cli.shipped import find
from lit_gan.cli.trainer_verbs import nothing_trained
from lit_gan.errors import UserError
from lit_gan.import_policy import ImportPolicy
from lit_gan.stored_configuration import StoredConfiguration, import_paths_in
from lit_gan.tracking.checkpoint_files import load_checkpoint, resolve_checkpoint
from lit_gan.tracking.shown_path import shown

_CONFIG_OPTIONS = ("-c", "--config")
_CHECKPOINT_OPTION = "--ckpt_path"
_OF_THE_WEIGHTS = ("generator", "discriminator", "latent")


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
    the run is used; the model is built as the checkpoint says; flags beat both. In training the checkpoint says what
    its weights need, networks and latent, and for the rest a configuration that is given beats it. What they name is
    imported only where it is of lit_gan or torch, allowed by ``--allow``, or typed: here, or in a configuration that is
    given here.

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
            raise nothing_trained(verb)
        yield arguments
        return
    checkpoint = resolve_checkpoint(checkpoints[-1])
    run = run_folder_of(checkpoint)
    policy = ImportPolicy.allowing(allowed, typed=[*_typed_in_files(configs), *_typed_in_flags(flags)])
    with TemporaryDirectory() as folder:
        stored = _stored_model(checkpoint, Path(folder), policy)
        layers: list[Any] = [*configs, stored]
        if not configs and run is not None:
            layers = [str(run / "config.yaml"), stored]
            _check_config_of_run(run / "config.yaml", policy)
        elif verb == "fit" and stored:
            layers = [stored, *configs, _networks_of(stored)]
        files = [option for file in _written(layers, Path(folder)) for option in ("--config", file)]
        yield [*files, *flags, _CHECKPOINT_OPTION, str(checkpoint)]


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


def _written(layers: list[Any], folder: Path) -> Iterator[str]:
    """The configurations by name; those that are no files yet are written.

    Under the name of the first one that is: runs are called after the first of all.
    """
    stem = next((Path(layer).stem for layer in layers if isinstance(layer, str)), "checkpoint")
    for number, layer in enumerate(layer for layer in layers if layer):
        if isinstance(layer, str):
            yield layer
        else:
            target = folder / str(number) / f"{stem}.yaml"
            target.parent.mkdir()
            target.write_text(yaml.safe_dump(layer))
            yield str(target)


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


def _stored_model(checkpoint: Path, folder: Path, policy: ImportPolicy) -> dict[str, Any]:
    """How the checkpoint's model was built, as a configuration; empty where the checkpoint does not say."""
    stored: dict[str, Any] = dict(load_checkpoint(checkpoint).get("hyper_parameters", {}))
    class_path = stored.get("_class_path")
    if class_path is None:
        return {}
    StoredConfiguration(f"checkpoint {checkpoint}", policy, folder).check_module(stored)
    arguments = {key: _plain(value) for key, value in stored.items() if key not in ("_instantiator", "_class_path")}
    return {"model": {"class_path": class_path, "init_args": escaped(arguments)}}


def _networks_of(stored: dict[str, Any]) -> dict[str, Any]:
    """Of a model's configuration what its weights depend on."""
    arguments = stored["model"]["init_args"]
    kept = {name: arguments[name] for name in _OF_THE_WEIGHTS if arguments.get(name) is not None}
    return {"model": {"init_args": kept}} if kept else {}


def _plain(value: Any) -> Any:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
