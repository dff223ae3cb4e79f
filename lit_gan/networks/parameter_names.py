"""Names that do not tell whether a network was wrapped by ``torch.compile``, which puts ``_orig_mod.`` into them."""

from typing import Any

from torch import Tensor, nn

from lit_gan.functional.torch_seam import metadata_of

_WRAPPED = "_orig_mod"


def plain_name(name: str) -> str:
    """The name that a parameter has where nothing is wrapped.

    Example:
        >>> plain_name("generator._orig_mod.hidden.0.weight")
        'generator.hidden.0.weight'
    """
    return ".".join(part for part in name.split(".") if part != _WRAPPED)


def plain_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """A module's parameters by their plain names."""
    return {plain_name(name): parameter for name, parameter in module.named_parameters()}


def plain_buffers(module: nn.Module) -> dict[str, Tensor]:
    """A module's buffers by their plain names."""
    return {plain_name(name): buffer for name, buffer in module.named_buffers()}


def name_plainly(_: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
    """Gives a module's entries of a state dict their plain names; for ``register_state_dict_post_hook``."""
    for entries in (state_dict, metadata_of(state_dict)):
        items = list(entries.items())
        entries.clear()
        for key, value in items:
            entries[prefix + plain_name(key[len(prefix) :]) if key.startswith(prefix) else key] = value


def name_as_wrapped(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Gives entries the names that they have in this module; for ``register_load_state_dict_pre_hook``."""
    names = [name for name, _ in module.named_modules(remove_duplicate=False)]
    wrappers = [name.rpartition(".")[0] for name in names if name.rpartition(".")[2] == _WRAPPED]
    for key in [key for key in state_dict if key.startswith(prefix)]:
        name = plain_name(key[len(prefix) :])
        for wrapper in wrappers:  # from the outermost inwards
            if name.startswith(f"{wrapper}."):
                name = f"{wrapper}.{_WRAPPED}{name[len(wrapper) :]}"
        if prefix + name != key:
            state_dict[prefix + name] = state_dict.pop(key)


def unwrap(module: nn.Module) -> None:
    """Puts what was wrapped back in the place of its wrapper."""
    for name, child in list(module.named_children()):
        while (inner := dict(child.named_children()).get(_WRAPPED)) is not None:
            child = inner  # noqa: PLW2901 -- the wrapper may be wrapped itself
        setattr(module, name, child)
        unwrap(child)
