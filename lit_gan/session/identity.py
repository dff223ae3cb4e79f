"""What makes two runs the same run: what was configured on the command line, or asked for in Python."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn
from torch.nn.parameter import is_lazy

from lit_gan.networks.parameter_names import plain_name
from lit_gan.runs.fingerprint import START_OPTIONS

# What says where and how a run is recorded, not what it computes: two runs that differ in these alone are the same.
_NOT_OF_THE_RESULT = (
    "config",
    "run_dir",
    "resume",
    "wandb",
    "tensorboard",
    "report",
    "wandb_checkpoints",
    "compile",
    "weights_only",
    "num_samples",
    "out",
    "verbose",
)
_NOT_OF_THE_TRAINING = ("logger", "default_root_dir", "enable_progress_bar", "enable_model_summary", "profiler")
#: The key of a configuration that only tells what was built in Python, and builds nothing.
FROM_PYTHON = "from_python"
# Of arguments that hold arguments: deep enough for a loader's sampler and a data set's transforms.
_DEEPEST = 6
_PLAIN = (type(None), bool, int, float, str)
_LONGEST = 100


def result_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved configuration that a run's numbers follow from.

    Example:
        >>> result_of({"seed_everything": 0, "wandb": "off"})
        {'seed_everything': 0}
    """
    # What a run starts from is of the result.
    absent = [name for name in START_OPTIONS if config.get(name) is None]
    if not (config.get("evaluation") or {}).get("metrics"):
        absent.append("evaluation")  # it evaluates nothing
    return {key: value for key, value in config.items() if key not in (*_NOT_OF_THE_RESULT, *absent)}


def python_configuration(
    trainer: Mapping[str, Any], module: LightningModule, data: Mapping[str, Any]
) -> dict[str, Any]:
    """What a training in Python asks for, as plain data: equal whenever the same script is started again.

    It is what can be seen from outside: the arguments of the Trainer, of the module and of the data, as their objects
    keep them; hyper-parameters; layers; each player's optimiser. What stands in the code of a method cannot be seen.
    """
    seed = os.environ.get("PL_GLOBAL_SEED")
    return {
        FROM_PYTHON: True,
        "seed_everything": None if seed is None else int(seed),
        "trainer": {name: described(value) for name, value in trainer.items() if name not in _NOT_OF_THE_TRAINING},
        "model": described(module),
        "data": {
            "datamodule" if isinstance(each, LightningDataModule) else name: described(each)
            for name, each in data.items()
            if each is not None
        },
    }


def described(value: Any, depth: int = 0) -> Any:
    """A value in plain data, by which two of them can be told apart, and which is the same in another process.

    An object is its class and the arguments of its constructor, as far as it keeps them under their names; a module
    its layers, too.

    Example:
        >>> described(nn.Sequential(nn.Linear(2, 1)))["layers"]
        {'0': 'Linear(in_features=2, out_features=1, bias=True)'}
        >>> described([Path("data"), torch.zeros(2, 1), timedelta(minutes=1)])
        ['data', 'Tensor (2, 1) torch.float32', '0:01:00']
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, int | float | str) and not isinstance(value, Enum):  # a number of numpy's, say
        return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))
    if isinstance(value, Mapping) and depth <= _DEEPEST:
        return {str(key): described(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= _LONGEST and depth <= _DEEPEST:
        items = value if isinstance(value, list | tuple) else sorted(value, key=str)
        found = [described(item, depth + 1) for item in items]
        nested = any(isinstance(item, dict | list) for item in found)
        return {str(index): item for index, item in enumerate(found)} if nested else found
    return _in_words(value) or (_object(value, depth) if depth <= _DEEPEST else _name(type(value)))


def _in_words(value: Any) -> str:
    """What is told in a word; empty for an object with settings of its own."""
    if isinstance(value, Path | timedelta | torch.dtype | torch.device | torch.Size | Enum):
        return str(value)
    if isinstance(value, type | FunctionType | BuiltinFunctionType | MethodType):
        return _name(value)
    if hasattr(value, "shape"):
        if not value.shape:
            return str(value)
        return f"{type(value).__name__} {tuple(value.shape)} {getattr(value, 'dtype', '')}"
    return f"{len(value)} values" if isinstance(value, list | tuple | set | frozenset | Mapping) else ""


def _object(value: Any, depth: int) -> dict[str, Any]:
    settings = {**_arguments(value), **_hyper_parameters(value)}
    layers = _layers(value) if isinstance(value, nn.Module) else {}
    found = {
        "class_path": _name(type(value)),
        # What is a module stands among the layers.
        "init_args": {
            name: described(each, depth + 1) for name, each in settings.items() if not isinstance(each, nn.Module)
        },
        "layers": layers,
        "players": described(dict(_players(value)), depth + 1),
    }
    return {name: part for name, part in found.items() if part}


def _arguments(value: Any) -> dict[str, Any]:
    """The constructor's arguments that an object keeps; no property is looked at, for it may do something."""
    if isinstance(value, partial):
        return {"func": value.func, "args": value.args, **value.keywords}
    kept = vars(value) if hasattr(value, "__dict__") else {}
    try:
        parameters = signature(type(value).__init__).parameters.values()
    except (TypeError, ValueError):  # none that Python knows of
        return {}
    names = [parameter.name for parameter in parameters if parameter.kind is not Parameter.VAR_KEYWORD][1:]
    found = {name: next((each for each in (name, f"_{name}") if each in kept), None) for name in names}
    return {name: kept[attribute] for name, attribute in found.items() if attribute is not None}


def _hyper_parameters(value: Any) -> dict[str, Any]:
    return dict(value.hparams) if isinstance(value, LightningModule | LightningDataModule) else {}


def _layers(module: nn.Module) -> dict[str, str]:
    """What torch prints of a module, by the name of each part that has no other parts."""
    parts = {plain_name(name): part for name, part in module.named_modules() if name}
    return {
        name: f"{type(part).__name__}({part.extra_repr() or _shapes(part)})"
        for name, part in parts.items()
        if not any(part.children()) or part.extra_repr()
    }


def _shapes(module: nn.Module) -> str:
    parameters = module.named_parameters(recurse=False)
    return ", ".join(f"{name} {'lazy' if is_lazy(each) else tuple(each.shape)}" for name, each in parameters)


def _players(module: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each player's optimiser and schedules were asked to be, where a module has players that know it."""
    players = getattr(module, "players", None)
    for name, player in players.items() if isinstance(players, Mapping) else ():
        settings = getattr(player, "settings", None)
        if is_dataclass(settings) and not isinstance(settings, type):
            yield str(name), {**asdict(settings), "clip": getattr(player, "clip", None)}


def _name(named: Any) -> str:
    return f"{named.__module__}.{named.__qualname__}"
