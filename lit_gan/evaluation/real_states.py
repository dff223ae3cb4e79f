"""What a metric knows once it has seen the real images, kept by the fingerprint of the two: they are seen once."""

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import nn
from torchmetrics import Metric

from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.kept_file import keep_for_others, raw_bytes, read_kept
from lit_gan.evaluation.reference import Reference

State = dict[str, Any]  # the states of a metric by name: tensors, and lists of them

_LARGEST = 2**29  # bytes on disk: FID's take 33 MB, KID's 400 MB for 50,000 images
_SCALARS = (bool, int, float, str, type(None))


class UnknownError(Exception):
    """Something of which it cannot be said whether it is the same as before."""


def state_of(metric: Metric) -> State:
    """A copy of its states, which later updates do not reach."""
    return {
        name: list(value) if isinstance(value, list) else value.detach().clone()
        for name, value in metric.metric_state.items()
    }


def restore(metric: Metric, state: State, device: torch.device) -> None:
    """Puts back what :func:`state_of` has taken."""
    for name, value in state.items():
        held = [each.to(device) for each in value] if isinstance(value, list) else value.to(device, copy=True)
        setattr(metric, name, held)


class RealStates:
    """States on disk, one file for each metric, reference, and rank of so many: each rank knows its own images."""

    def __init__(self, folder: Path, trainer: Trainer, split: Reference, value_range: tuple[float, float]) -> None:
        data: Any = getattr(trainer, "datamodule", None)
        # A loader of the reader's own may augment or shuffle: what it gives is known only once it is seen.
        self._images = fingerprint_of_images(data, split) if isinstance(data, InMemoryDataModule) else None
        self._folder = folder
        self._rank = f"{trainer.global_rank}-of-{trainer.world_size}"
        self._seen_as = (value_range, trainer.strategy.root_device.type)

    def load(self, identity: str | None, metric: Metric) -> State | None:
        """The state of a metric that has seen the images, where one was kept; a damaged file is none."""
        found = None
        if identity is not None and self._images is not None:
            with suppress(UserError):
                found = read_kept(self._file(identity))
        return found if isinstance(found, dict) and set(found) == set(metric.metric_state) else None

    def save(self, identity: str | None, state: State) -> None:
        """Keeps a state, unless it is larger than it is worth."""
        if identity is not None and self._images is not None and sum(map(_bytes, state.values())) <= _LARGEST:
            keep_for_others(self._file(identity), {name: _on_cpu(value) for name, value in state.items()})

    def _file(self, identity: str) -> Path:
        key = repr((self._images, self._seen_as, identity)).encode()
        name = f"{identity.partition('-')[0]}-{hashlib.blake2b(key, digest_size=8).hexdigest()}"
        return self._folder / f"{name}-{self._rank}.pt"


def identity_of(module: nn.Module) -> str | None:
    """What a metric is, before it has seen an image, or a network; ``None`` where an equal name may be of another."""
    digest = hashlib.blake2b(digest_size=8)
    try:
        for piece in _pieces(module):
            digest.update(piece)
    except (UnknownError, OSError, TypeError):
        return None
    return f"{type(module).__name__}-{digest.hexdigest()}"


def _bytes(value: Any) -> int:
    return sum(map(_bytes, value)) if isinstance(value, list) else value.numel() * value.element_size()


def _on_cpu(value: Any) -> Any:
    return list(map(_on_cpu, value)) if isinstance(value, list) else value.cpu()


def fingerprint_of_images(data: InMemoryDataModule, split: Reference, *, labels: bool = False) -> str:
    """Of the bytes as they are held, and of what some of them become; of their labels where these count."""
    rows = data.dataset(split)
    digest = hashlib.blake2b(repr((rows.images.dtype, tuple(rows.images.shape))).encode(), digest_size=8)
    digest.update(raw_bytes(rows.images))
    digest.update(raw_bytes(rows.convert(rows.images[:8])))
    if labels and rows.labels is not None:
        digest.update(raw_bytes(rows.labels))
    return digest.hexdigest()


def _pieces(whole: nn.Module) -> Iterator[Any]:
    """All that the state of a metric follows from, but the images: its networks, their weights, settings and code."""
    states = set(whole.metric_state) if isinstance(whole, Metric) else set()
    for name, module in whole.named_modules():
        of_metrics = module is whole and isinstance(whole, Metric)
        of_every_module = _names_of_every_metric() if of_metrics else set(vars(nn.Module()))
        own = {key: value for key, value in vars(module).items() if key not in of_every_module | states}
        yield repr((name, type(module).__qualname__, {key: _plain(own[key]) for key in sorted(own)})).encode()
        yield from map(_source, type(module).__mro__[:-1])
    for name, tensor in [*whole.named_parameters(), *whole.named_buffers()]:
        yield repr((name, tensor.dtype, tuple(tensor.shape))).encode()
        yield raw_bytes(tensor)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_plain, value))})"
    if not isinstance(value, _SCALARS):
        raise UnknownError
    return repr(value)


@cache
def _source(kind: type) -> bytes:
    """The file that a class stands in; of torch's own the version."""
    if kind.__module__.partition(".")[0] == "torch":
        return torch.__version__.encode()
    return Path(inspect.getfile(kind)).read_bytes()


@cache
def _names_of_every_metric() -> set[str]:
    class Bare(Metric):
        def update(self) -> None: ...

        def compute(self) -> None: ...

    return set(vars(Bare())) | {"reset_real_features"}
