"""Any torchmetrics metric of real and generated images, fed a batch at a time beside the Parzen score."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from lit_gan.errors import RunError, UserError
from lit_gan.randomness import stream_seed

# Before a capital that follows a small letter, and before the last one of an acronym that a word follows.
_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])")


class FurtherMetrics:
    """Metrics with ``update(images, real=...)`` under the names that they are logged by.

    Real images are fed once where a metric can keep them (``reset_real_features``), else at every evaluation.

    Args:
        metrics: The metrics.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = dict(zip(_names(metrics), metrics, strict=True))
        self._holds: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._metrics)

    def forget(self) -> None:
        """The data may be others from now on."""
        self._holds = {}

    def begin(self, device: torch.device, reference: str, real: Callable[[], Iterable[Tensor]]) -> None:
        """Begins an evaluation: no generated images yet, and the real ones are known to every metric.

        Args:
            device: Where the images are.
            reference: A name for the real images: under another name they are others.
            real: Gives them in batches, in [0, 1].

        Raises:
            UserError: If a metric cannot take them.
        """
        hungry = {name: metric for name, metric in self._metrics.items() if self._holds.get(name) != reference}
        for name, metric in self._metrics.items():
            metric.to(device)
            keeps = hasattr(metric, "reset_real_features")
            if keeps:
                metric.reset_real_features = name in hungry
            metric.reset()
            if keeps:
                metric.reset_real_features = False
                self._holds[name] = reference
        for batch in real() if hungry else ():
            self._update(hungry, batch.to(device), real=True)

    def update(self, images: Tensor) -> None:
        """Takes in a batch of samples.

        Args:
            images: In [0, 1].

        Raises:
            UserError: If a metric cannot take them.
        """
        self._update(self._metrics, images, real=False)

    def compute(self, seed: int) -> dict[str, Tensor]:
        """The values by name.

        Args:
            seed: Of the run.

        Raises:
            UserError: If a metric has no value, or none that can be logged.
        """
        values: dict[str, Tensor] = {}
        for name, metric in self._metrics.items():
            # KID draws subsets from the global generator: here from a stream of its own, which is then put back.
            with _blamed(metric), torch.random.fork_rng():
                torch.manual_seed(stream_seed(seed, "metric", type(metric).__name__))
                _join_batches(metric)
                values |= {f"{name}{suffix}": _floating(value) for suffix, value in _named(metric.compute())}
        for name, value in values.items():
            if value.numel() != 1:
                raise UserError(f"parzen.metrics: {name} has the shape {tuple(value.shape)}: expected one number.")
        return values

    def _update(self, metrics: Mapping[str, Metric], images: Tensor, *, real: bool) -> None:
        for metric in metrics.values():
            with _blamed(metric):
                metric.update(_as_wanted(metric, images), real=real)


@contextmanager
def _blamed(metric: Metric) -> Iterator[None]:
    """Whatever a metric of the user's choice raises is told with its name."""
    try:
        yield
    except (UserError, RunError):
        raise
    except Exception as error:  # any class at all may be named, and may raise anything
        text = " ".join(str(error).split())
        raise UserError(
            f"parzen.metrics: {type(metric).__name__} failed ({type(error).__name__}: {text}): expected a metric of "
            "real and generated images, with update(images, real=...), that these images and their number suit; give "
            "it other arguments or leave it out."
        ) from error


def _join_batches(metric: Metric) -> None:
    """One piece for each list of features: torchmetrics 1.9 gathers KID's piece by piece, as many on every rank."""
    for name, pieces in metric.metric_state.items():
        if isinstance(pieces, list) and len(pieces) > 1 and len({piece.shape[1:] for piece in pieces}) == 1:
            setattr(metric, name, [dim_zero_cat(pieces)])


def _names(metrics: Sequence[Metric]) -> list[str]:
    """The name that a metric has, or else that of its class; a second one of the same name is numbered.

    Example:
        >>> class MyFID(Metric):
        ...     def update(self): ...
        ...     def compute(self): ...
        >>> _names([MyFID(), MyFID()])
        ['my_fid', 'my_fid_2']
    """
    names: list[str] = []
    for metric in metrics:
        given = getattr(metric, "name", None)
        name = given if isinstance(given, str) and given else _WORD_BEGINS.sub("_", type(metric).__name__).lower()
        number = 1
        while (unique := name if number == 1 else f"{name}_{number}") in names:
            number += 1
        names.append(unique)
    return names


def _as_wanted(metric: Metric, images: Tensor) -> Tensor:
    """Floats in [0, 1] for ``normalize=True``, else bytes; three channels for torchmetrics' own Inception network."""
    if images.shape[1] == 1 and not getattr(metric, "used_custom_model", False):
        images = images.expand(-1, 3, -1, -1)
    return images if getattr(metric, "normalize", False) else images.mul(255).round_().to(torch.uint8)


def _floating(value: Any) -> Tensor:
    """As loggers and reductions over ranks take it."""
    tensor = torch.as_tensor(value)
    return tensor if tensor.is_floating_point() else tensor.float()


def _named(result: Any) -> list[tuple[str, Any]]:
    if isinstance(result, Mapping):
        return [(f"_{name}", value) for name, value in result.items()]
    if isinstance(result, tuple):  # (mean, standard deviation), as KID and the Inception score give
        return list(zip(("_mean", "_std"), result, strict=False))
    return [("", result)]
