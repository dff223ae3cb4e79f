"""Takes a loader's batch apart: its examples and its labels, whatever it wraps them in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from lit_gan.errors import UserError

#: What data sets call their examples: torchvision, Hugging Face (`image`, `img`, `pixel_values`), WebDataset (`jpg`).
EXAMPLES = (
    *("image", "images", "img", "imgs", "pixel_values", "pixels", "x", "data", "input", "inputs"),
    *("example", "examples", "jpg", "jpeg", "png", "webp"),
)
#: What data sets call their labels.
LABELS = ("label", "labels", "y", "target", "targets", "class", "classes", "class_id", "class_label", "cls")
#: What data sets call vectors or images that examples are conditioned on.
CONDITIONS = ("condition", "conditions", "cond", "context", "embedding", "embeddings", "attributes", *LABELS)
_FEWEST_DIMS = 2  # of conditions: a row for each example, with values


def examples_of(batch: Any) -> Tensor:
    """The examples of a batch.

    Example:
        >>> import torch
        >>> examples_of({"pixel_values": torch.zeros(2, 3, 8, 8), "label": torch.zeros(2)}).shape
        torch.Size([2, 3, 8, 8])
    """
    name, found = "the batch", batch
    named = _named_parts(batch)
    if named is None and isinstance(batch, (list, tuple)) and batch:
        name, found = "the batch's first entry", batch[0]
        named = _named_parts(found)
    if named is not None:
        key = _only(named, EXAMPLES, "the examples")
        name, found = f"the batch's entry {key!r}", named[key]
    if not isinstance(found, Tensor):
        raise UserError(
            f"{name} is {described(found)}: expected the examples, one tensor (N, C, H, W): make tensors of them in "
            f"the data set or in the loader's collate_fn, or take the batch apart yourself: {_override('...')}."
        )
    return found


def labels_of(batch: Any) -> Tensor:
    """The labels of a batch."""
    return _class_numbers(*_beside_the_examples(batch, LABELS, "the labels"))


def conditions_of(batch: Any) -> Tensor:
    """What the examples of a batch are conditioned on, where that is no class: vectors or images.

    Example:
        >>> import torch
        >>> conditions_of((torch.zeros(2, 1, 8, 8), torch.zeros(2, 5))).shape
        torch.Size([2, 5])
    """
    name, found = _beside_the_examples(batch, CONDITIONS, "the conditions")
    if not isinstance(found, Tensor) or found.ndim < _FEWEST_DIMS:
        raise UserError(
            f"{name} is {described(found)}: expected a vector or an image for each example, a tensor (N, ...); classes "
            f"(N,) need num_classes; or take the batch apart yourself: {_override('...', '...')}."
        )
    return found


def _beside_the_examples(batch: Any, usual: Sequence[str], wanted: str) -> tuple[str, Any]:
    name, found = "the batch", batch
    if isinstance(batch, (list, tuple)) and _named_parts(batch) is None:
        name, found = ("the batch's second entry", batch[1]) if len(batch) > 1 else (name, batch[0] if batch else None)
    named = _named_parts(found)
    if named is not None:
        key = _only(named, usual, wanted)
        name, found = f"the batch's entry {key!r}", named[key]
    elif name == "the batch":
        raise UserError(
            f"the batch is {described(batch)} without labels: expected images with the class of each, (images, "
            "labels), for a conditional GAN; data without labels are for lit_gan.GAN."
        )
    return name, found


def _class_numbers(name: str, found: Any) -> Tensor:
    if not isinstance(found, Tensor) or found.ndim != 1 or found.is_floating_point() or found.is_complex():
        raise UserError(
            f"{name} is {described(found)}: expected the class of each example, a tensor (N,) of whole numbers: "
            f"change it in the data set, or take the batch apart yourself: {_override('...', '...')}."
        )
    return found


def num_rows(batch: Any) -> int:
    """How many examples a batch has, whatever it holds of them."""
    for entry in _entries(batch):
        return len(entry)
    raise UserError(f"the batch is {described(batch)}: expected tensors, whose rows are counted.")


def described(value: Any) -> str:
    """What something is, in words.

    Example:
        >>> import torch
        >>> described([torch.zeros(1), torch.zeros(2)]), described(torch.zeros(2, 3)), described(None)
        ('a list of 2 tensors', 'a tensor (2, 3) of torch.float32', 'None')
    """
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)} of {value.dtype}"
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    if isinstance(value, (list, tuple)):
        return f"{article} {kind} of {len(value)} {_kinds(value)}".rstrip()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{article} {type(value).__module__.partition('.')[0]}.{kind} {tuple(value.shape)} of {value.dtype}"
    named = _named_parts(value)
    return f"{article} {kind}" if named is None else f"{article} {kind} with {_listed(named)}"


def _kinds(entries: Sequence[Any]) -> str:
    kinds = {"tensor" if isinstance(entry, Tensor) else type(entry).__name__ for entry in entries}
    return f"{kinds.pop()}s" if len(kinds) == 1 else "entries" if kinds else "entries: it is empty"


def _named_parts(batch: Any) -> dict[str, Any] | None:
    """The entries of a batch that are told by name; ``None`` where they are told by place, or it is none."""
    if isinstance(batch, Tensor) or hasattr(batch, "dtype"):  # numpy's arrays have attributes, too
        return None
    if isinstance(batch, Mapping):
        return {str(key): value for key, value in batch.items()}
    if isinstance(batch, tuple):
        names = getattr(batch, "_fields", ())
        usual = any(name.lower() in (*EXAMPLES, *LABELS) for name in names)
        return dict(zip(names, batch, strict=True)) if usual else None
    if is_dataclass(batch) and not isinstance(batch, type):
        return {field.name: getattr(batch, field.name) for field in fields(batch)}
    if hasattr(batch, "keys") and hasattr(batch, "__getitem__"):  # a TensorDict is no Mapping
        return {str(key): batch[key] for key in batch.keys()}  # noqa: SIM118 -- it need not be iterable
    attributes = getattr(batch, "__dict__", {})
    return dict(attributes) if any(isinstance(value, Tensor) for value in attributes.values()) else None


def _only(named: Mapping[str, Any], usual: Sequence[str], wanted: str) -> str:
    """The one name under which the entries hold what is wanted."""
    found = [name for name in named if name.lower() in usual]
    if len(found) == 1:
        return found[0]
    why = f"{_listed(found)} could all be {wanted}" if found else f"none has a usual name of {wanted} ({usual[0]}, ...)"
    first = found[0] if found else next(iter(named), "...")
    of_examples = usual is EXAMPLES
    lines = _override(first) if of_examples else _override(_first_of(named, EXAMPLES), first)
    raise UserError(
        f"the batch has the entries {_listed(named) or 'of nothing'}, and {why}: say which in a subclass of the GAN: "
        f"{lines}."
    )


def _first_of(named: Mapping[str, Any], usual: Sequence[str]) -> str:
    return next((name for name in named if name.lower() in usual), "...")


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)


def _override(examples: str, labels: str | None = None) -> str:
    """The two lines that say where the examples are."""
    one = "..." if examples == "..." else f'batch["{examples}"]'
    two = "None" if labels is None else "..." if labels == "..." else f'batch["{labels}"]'
    return f"`def split_batch(self, batch):` `return {one}, {two}`"


def _entries(batch: Any) -> Iterator[Tensor]:
    """The tensors in a batch, in their order."""
    if isinstance(batch, Tensor):
        if batch.ndim:
            yield batch
        return
    named = _named_parts(batch)
    parts = named.values() if named is not None else batch if isinstance(batch, (list, tuple)) else ()
    for part in parts:
        yield from _entries(part)
