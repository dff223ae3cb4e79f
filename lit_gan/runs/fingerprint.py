"""Whether two resolved configurations are the same one, where they differ, and what their keys are called in short."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: What a run starts from.
START_OPTIONS = ("ckpt_path", "init_from", "init_part")
_LENGTH = 16  # hexadecimal digits, 64 bits: no chance collision among any number of real runs
_SHOWN = 4  # differing keys named in a message
_ABSENT = "nothing"
_NAMELESS = ("init_args", "class_path")
# What later versions write into a configuration that says no more than an earlier one's without it: a run of theirs
# goes on. Options that were added, by their neutral value; and defaults that once were null, and now name their class.
_ADDED: dict[str, Any] = {
    "penalties": [],
    "augment": None,
    "batch_norm": False,
    "output_weight_norm": False,
    "pixel_mean_clip": 1e-7,
    "half_life": None,
    "horizon": None,
    "num_classes": None,
    "latent_weight": 1.0,
    "probability": 1.0,
    "discriminator": None,
    "optimizer_d": None,
    "optimizer_g": None,
    "cache": True,
    "horizontal_flip": False,
    "random_crop": 0,
    "thumbnail": None,
}
_NAMED: dict[str, Any] = {
    "latent": {
        "class_path": "lit_gan.latents.Uniform",
        "init_args": {"size": None, "low": -math.sqrt(3), "high": math.sqrt(3)},
    },
    "objective": {"class_path": "lit_gan.objectives.NonSaturating"},
    "coordination": {"class_path": "lit_gan.coordination.FixedSteps", "init_args": {"k": 1, "micro_batches": 1}},
}


def plain(value: Any) -> Any:
    """``value`` in the types of JSON, as it comes back from a file: tuples are lists, keys and paths strings.

    Anything else than mappings, sequences and scalars counts by its ``str``.

    Example:
        >>> from pathlib import Path
        >>> plain({"root": Path("data"), 1: (2, 3)})
        {'root': 'data', '1': [2, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _as_ever(value: Any) -> Any:
    """A plain configuration as the first version would have written it."""
    if isinstance(value, list):
        return [_as_ever(item) for item in value]
    if not isinstance(value, dict):
        return value
    known = {key: item for key, item in value.items() if key not in _ADDED or item != _ADDED[key]}
    return {key: None if item and item == _NAMED.get(key) else _as_ever(item) for key, item in known.items()}


def fingerprint(config: Mapping[str, Any]) -> str:
    """A short name of a configuration's content (16 hex digits of BLAKE2b); the order of its keys does not count.

    Example:
        >>> fingerprint({"lr": 0.1, "k": 1}) == fingerprint({"k": 1, "lr": 0.1})
        True
        >>> fingerprint({"lr": 0.1}) == fingerprint({"lr": 0.2})
        False
    """
    canonical = json.dumps(_as_ever(plain(config)), sort_keys=True)
    return hashlib.blake2b(canonical.encode(), digest_size=_LENGTH // 2).hexdigest()


def describe_differences(got: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The keys in which two configurations differ, the first few by name and value, in one line; "" for the same.

    Example:
        >>> describe_differences({"model": {"lr": 0.1, "k": 1}}, {"model": {"lr": 0.2, "k": 1}})
        'model.lr: got 0.1, expected 0.2'
    """
    here, there = leaves_of(got), leaves_of(expected)
    keys = [key for key in here | there if _value_text(here, key) != _value_text(there, key)]
    named = [f"{key}: got {_value_text(here, key)}, expected {_value_text(there, key)}" for key in keys[:_SHOWN]]
    more = [f"and {len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else []
    return "; ".join(named + more)


def leaves_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of a configuration by its dotted key, as the first version would have written it.

    Example:
        >>> leaves_of({"model": {"lr": 0.1, "penalties": []}})
        {'model.lr': 0.1}
    """
    return dict(_leaves(_as_ever(plain(config))))


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The shortest ends of dotted names that tell them apart, without parts that every option has (``init_args``).

    Example:
        >>> short_names(["model.init_args.optimizer_g.init_args.lr", "model.init_args.optimizer_d.init_args.lr"])
        {'model.init_args.optimizer_g.init_args.lr': 'optimizer_g.lr', ...optimizer_d.lr'}
        >>> short_names(["parzen.sigma"])
        {'parzen.sigma': 'sigma'}
    """
    parts = {name: [part for part in name.split(".") if part not in _NAMELESS] or [name] for name in names}
    found = {}
    for name in names:
        others = [parts[other] for other in names if other != name]
        sizes = range(1, len(parts[name]) + 1)
        unlike = [size for size in sizes if all(other[-size:] != parts[name][-size:] for other in others)]
        found[name] = ".".join(parts[name][-unlike[0] :]) if unlike else name
    return found


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted key and the value of everything that is not itself a filled mapping."""
    if not isinstance(value, dict) or (prefix and not value):
        yield prefix, value
        return
    for key, item in value.items():
        yield from _leaves(item, f"{prefix}.{key}" if prefix else key)


def _value_text(leaves: dict[str, Any], key: str) -> str:
    return json.dumps(leaves[key]) if key in leaves else _ABSENT
