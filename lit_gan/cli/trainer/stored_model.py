"""What a checkpoint says of how its model was built, among the configurations of a command; looked through first."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from lit_gan.cli.parsing.options import SECTIONS
from lit_gan.cli.parsing.run_arguments import configuration_name
from lit_gan.cli.parsing.shipped import find
from lit_gan.engine.import_policy import ImportPolicy
from lit_gan.engine.stored_configuration import StoredConfiguration, escaped, import_paths_in
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import load_checkpoint
from lit_gan.runs.fingerprint import START_OPTIONS
from lit_gan.runs.plain_data import dump_yaml, parse_yaml
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.session.identity import FROM_PYTHON

_OF_THE_WEIGHTS = ("generator", "discriminator", "encoder", "latent")


def configurations(
    verb: str,
    checkpoint: Path,
    run: Path | None,
    configs: list[str],
    flags: list[str],
    allowed: list[str],
    folder: Path,
) -> list[str]:
    """The configurations of a command that starts from a checkpoint, the first one first."""
    policy = ImportPolicy.allowing(allowed, typed=[*_typed_in_files(configs), *_typed_in_flags(flags)])
    of_the_run = [] if configs or run is None else [_config_of_run(run / "config.yaml", policy, folder)]
    stored = _stored_model(checkpoint, folder, policy)
    if verb == "fit" and stored and not of_the_run:
        return list(_written([stored, *configs, _networks_of(stored)], folder))
    return list(_written([*(configs or of_the_run), stored], folder))


def _written(layers: list[Any], folder: Path) -> Iterator[str]:
    """The configurations by name; those that are no files yet are written.

    Under the name of the first one that is: runs are called after the first of all.
    """
    name = next((configuration_name(Path(layer)) for layer in layers if isinstance(layer, str)), "checkpoint")
    for number, layer in enumerate(layer for layer in layers if layer):
        if isinstance(layer, str):
            yield layer
        else:
            target = folder / str(number) / f"{name}.yaml"
            target.parent.mkdir()
            target.write_text(dump_yaml(layer))
            yield str(target)


def _typed_in_files(configs: list[str]) -> Iterator[str]:
    """The import paths in configurations that the user gives; what is wrong with one is told when it is parsed."""
    for config in configs:
        with suppress(UserError, OSError, ValueError, yaml.YAMLError):
            yield from import_paths_in(parse_yaml(find(config).read_text()))


def _typed_in_flags(flags: list[str]) -> Iterator[str]:
    for flag in flags:
        value = flag.partition("=")[2] if flag.startswith("--") else flag
        with suppress(yaml.YAMLError):
            yield from import_paths_in(parse_yaml(value))


def _config_of_run(path: Path, policy: ImportPolicy, folder: Path) -> str:
    """The configuration of a run, made by whoever made the checkpoint; without what the run itself had started from."""
    try:
        content = parse_yaml(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return str(path)  # the parser says what is wrong with it
    if not isinstance(content, dict):
        return str(path)
    if content.get(FROM_PYTHON):
        raise UserError(
            f"{relative_to_cwd(path.parent)} was trained from Python, and its config.yaml only tells what was asked "
            "for there: give --config FILE with its model and its data, or evaluate it from Python "
            "(Run(PATH).trainer().test(module, data))."
        )
    kept = {key: value for key, value in content.items() if key not in START_OPTIONS}
    StoredConfiguration(f"configuration {relative_to_cwd(path)}", policy, path.parent).check_sections(kept, SECTIONS)
    if len(kept) == len(content):
        return str(path)
    copy = folder / f"{configuration_name(path)}.yaml"
    copy.write_text(dump_yaml(kept))
    return str(copy)


def _stored_model(checkpoint: Path, folder: Path, policy: ImportPolicy) -> dict[str, Any]:
    """How the checkpoint's model was built, as a configuration; empty where the checkpoint does not say."""
    stored: dict[str, Any] = dict(load_checkpoint(checkpoint).get("hyper_parameters", {}))
    class_path = stored.get("_class_path")
    if class_path is None:
        return {}
    StoredConfiguration(f"checkpoint {checkpoint}", policy, folder).check_module(stored)
    kept = {key: value for key, value in stored.items() if key not in ("_instantiator", "_class_path")}
    arguments = _plain(kept, f"checkpoint {checkpoint}")
    return {"model": {"class_path": class_path, "init_args": escaped(arguments)}}


def _networks_of(stored: dict[str, Any]) -> dict[str, Any]:
    """Of a model's configuration what its weights depend on."""
    arguments = stored["model"]["init_args"]
    kept = {name: arguments[name] for name in _OF_THE_WEIGHTS if arguments.get(name) is not None}
    return {"model": {"init_args": kept}} if kept else {}


def _plain(value: Any, owner: str) -> Any:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item, owner) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, owner) for item in value]
    if value is not None and not isinstance(value, (str, int, float)):
        raise UserError(
            f"{owner}: among its hyper_parameters is a {type(value).__name__}: expected numbers, words, lists and "
            "mappings; give another one."
        )
    return value
