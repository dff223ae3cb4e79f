"""What the parts of a checkpoint are: a file whose parts are something else is refused by the part, before use."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lit_gan.errors import in_short

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.?dev|\.?post)\d*)*(\+[\w.]+)?")  # as releases of Lightning have them


def fault_of_outline(content: Mapping[str, Any]) -> str | None:
    """What in a checkpoint is not of the kind that a Trainer writes; parts that are not there are no fault.

    Args:
        content: Of the file.

    Returns:
        The part, what was got and what was expected; None if all that is there is of its kind.

    Example:
        >>> fault_of_outline({"state_dict": {}, "epoch": "last"})
        "its epoch: got 'last', expected a whole number from 0 on"
    """
    for name, (expected, is_one) in _PARTS.items():
        if name in content and not is_one(content[name]):
            return f"its {name}: got {_shown(content[name])}, expected {expected}"
    return None


def _shown(value: Any) -> str:
    """A number or a word itself; of what may be long, its kind alone."""
    return in_short(repr(value)) if isinstance(value, (str, float, int, type(None))) else f"a {type(value).__name__}"


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _are_weights(value: Any) -> bool:
    import torch  # noqa: PLC0415 - finding a checkpoint must not cost an import of torch

    # What a module adds of its own, by get_extra_state, is anything.
    return isinstance(value, dict) and all(
        isinstance(name, str) and (torch.is_tensor(each) or name.endswith("_extra_state"))
        for name, each in value.items()
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _are_optimizers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_optimizer, value))


def _is_optimizer(value: Any) -> bool:
    """Its groups of parameters, by number, and what it knows of each parameter."""
    if not (isinstance(value, dict) and isinstance(value.get("state"), dict)):
        return False
    groups = value.get("param_groups")
    of_parameters = all(isinstance(one, dict) for number, one in value["state"].items() if isinstance(number, int))
    return of_parameters and isinstance(groups, list) and all(map(_is_group, groups))


def _is_group(value: Any) -> bool:
    numbers = value.get("params") if isinstance(value, dict) else None
    return isinstance(numbers, list) and all(map(_is_count, numbers))


def _are_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_mapping, value))


def _is_mapping_of_mappings(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_mapping, value.values()))


_Kind = tuple[str, Callable[[Any], bool]]
_MAPPING: _Kind = ("a mapping", _is_mapping)
_COUNT: _Kind = ("a whole number from 0 on", _is_count)
_PARTS: dict[str, _Kind] = {
    "state_dict": ("tensors by name", _are_weights),
    "global_step": _COUNT,
    "epoch": _COUNT,
    "pytorch-lightning_version": ("a version, such as 2.6.0", _is_version),
    "loops": ("a mapping of mappings", _is_mapping_of_mappings),
    "callbacks": _MAPPING,
    "optimizer_states": ("a list of states as torch.optim writes them", _are_optimizers),
    "lr_schedulers": ("a list of mappings", _are_mappings),
    "hyper_parameters": _MAPPING,
    "hparams": _MAPPING,  # where earlier versions of Lightning kept them
    "module_arguments": _MAPPING,
    "lit_gan": _MAPPING,
}
