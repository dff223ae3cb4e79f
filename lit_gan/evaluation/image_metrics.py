"""Any torchmetrics metric of real and generated images, fed a batch at a time; its real images are seen once."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from lit_gan.errors import RunError, UserError
from lit_gan.evaluation.cost import work_of
from lit_gan.evaluation.real_states import RealStates, State, identity_of, restore, state_of
from lit_gan.features.reference_classifier import ReferenceClassifier
from lit_gan.functional.display import to_display_range
from lit_gan.metrics.feature_sets import FeatureSets
from lit_gan.randomness import stream_seed

# Before a capital that follows a small letter, and before the last one of an acronym that a word follows.
_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])")


class ImageMetrics:
    """Metrics of generated images, and of real ones where they take them, under the names that they are logged by.

    Real images are fed once. What a metric then knows of them, its state, is put back at the beginning of every
    evaluation, whatever its own ``reset()`` forgets.

    Args:
        metrics: The metrics.
        option: The section of the configuration that they stand in, for messages.
    """

    def __init__(self, metrics: Sequence[Metric], option: str) -> None:
        self._metrics = list(zip(_names(metrics), metrics, strict=True))
        self._option = f"{option}.metrics"
        self._reference: str | None = None
        self._real: dict[int, State] = {}  # by the metric's place
        self._identities: dict[int, str | None] = {}
        self._networks: dict[int, str | int] = {}  # of features, by the metric's place; equal ones have one name
        self.num = 0
        self._seed = 0
        self._value_range: tuple[float, float] | None = None

    def __bool__(self) -> bool:
        return bool(self._metrics)

    @property
    def metrics(self) -> list[Metric]:
        """They themselves."""
        return [metric for _, metric in self._metrics]

    @property
    def names(self) -> list[str]:
        """What the names of the results begin with, one for each metric; empty where its keys are whole names."""
        return [name for name, _ in self._metrics]

    def forget(self) -> None:
        """The data may be others from now on."""
        self._reference, self._real = None, {}

    def begin(
        self,
        num: int,
        seed: int,
        value_range: tuple[float, float],
        device: torch.device,
        reference: str,
        real: Callable[[], Iterable[Tensor]],
        kept: RealStates | None = None,
    ) -> "ImageMetrics":
        """Begins an evaluation: no generated images yet, and the real ones are known to every metric."""
        self.num, self._seed, self._value_range = num, seed, value_range
        if reference != self._reference:
            self._reference, self._real = reference, {}
        missing: list[int] = []
        self._name_networks()
        for place, (_, metric) in enumerate(self._metrics):
            metric.to(device)
            _empty(metric)
            if self.takes_real(metric) and place not in self._real:
                state = None if kept is None else kept.load(self.identity(place), metric)
                missing += [place] if state is None else []
                self._real |= {} if state is None else {place: state}
        for batch in real() if missing else ():
            self._update(missing, batch.to(device), real=True)
        for place in missing:
            metric = self._metrics[place][1]
            _join_batches(metric)
            self._real[place] = state_of(metric)
            if kept is not None:
                kept.save(self.identity(place), self._real[place])
        for place, state in self._real.items():
            restore(self._metrics[place][1], state, device)
        return self

    def alone(self, place: int) -> "ImageMetrics":
        """One of the metrics, under the name that it has here."""
        found = ImageMetrics((), self._option.removesuffix(".metrics"))
        found._metrics = [self._metrics[place]]
        return found

    def identify(self) -> None:
        """Notes what each metric is, before it has seen an image."""
        for place in range(len(self._metrics)):
            self.identity(place)

    def identity(self, place: int) -> str | None:
        """What a metric is, as :func:`~lit_gan.evaluation.real_states.identity_of` has it, and who reads for it."""
        if place not in self._identities:  # an update leaves its traces in some metrics
            self._identities[place] = identity_of(self._metrics[place][1])
        return _with_readers(self._identities[place], self._metrics[place][1])

    def _name_networks(self) -> None:
        """Equal networks of features look at a batch once: what they see is most of what an evaluation costs."""
        found = ((place, metric) for place, metric in enumerate(self.metrics) if isinstance(metric, FeatureSets))
        names = {place: _with_readers(identity_of(metric.features), metric.features) for place, metric in found}
        self._networks = {place: place if name is None else name for place, name in names.items()}

    def num_features(self, image: Tensor) -> int:
        """How many numbers the first metric, which keeps features, has of an image ``(1, C, H, W)``."""
        metric = self._metrics[0][1]
        self._update([0], image.to(metric.device), real=False)
        found = int(metric.num_features)  # type: ignore[arg-type]  # of our own metrics
        _empty(metric)
        return found

    def work_per_image(self, images: Tensor, value_range: tuple[float, float]) -> tuple[float, float]:
        """What all metrics do to a sample and to a real image, in operations; they have seen none afterwards."""
        self._value_range = value_range
        places = range(len(self._metrics))
        self.identify()
        self._name_networks()
        for _, metric in self._metrics:
            metric.to(images.device)
            _empty(metric)
        sample = work_of(lambda: self._update(places, images, real=False))
        compared = [place for place in places if self.takes_real(self._metrics[place][1])]
        real = work_of(lambda: self._update(compared, images, real=True))
        for _, metric in self._metrics:
            _empty(metric)
        return sample / len(images), real / len(images)

    def take(self, samples: Tensor, condition: Tensor | None = None) -> None:
        """Takes in a batch of samples, and the condition of each, where there are any."""
        self._update(range(len(self._metrics)), samples, real=False, condition=condition)

    def results(self) -> dict[str, Tensor]:
        """The values by name; the generated images are forgotten."""
        values: dict[str, Tensor] = {}
        for name, metric in self._metrics:
            # KID draws subsets from the global generator: here from a stream of its own, which is then put back.
            with self._blamed(metric), torch.random.fork_rng():
                torch.manual_seed(stream_seed(self._seed, "metric", type(metric).__name__))
                _join_batches(metric)
                for part, value in _parts(metric.compute()):
                    values[_unused("_".join(filter(None, (name, part))), values)] = _floating(value)
            _empty(metric)
        for name, value in values.items():
            if value.numel() != 1:
                raise UserError(f"{self._option}: {name} has the shape {tuple(value.shape)}: expected one number.")
        return values

    def _update(self, places: Iterable[int], images: Tensor, *, real: bool, condition: Tensor | None = None) -> None:
        shown = to_display_range(images, self._value_range)
        seen: dict[str | int, Tensor] = {}  # the features of this batch by their network
        for place in places:
            metric = self._metrics[place][1]
            further: dict[str, Any] = {"real": real} if self.takes_real(metric) else {}
            taken = signature(metric.update).parameters  # of a class of the reader's own, other ones
            if condition is not None and "condition" in taken:
                further["condition"] = condition
            with self._blamed(metric):
                if isinstance(metric, FeatureSets) and "features" in taken and len(shown):
                    network = self._networks.get(place, place)
                    seen[network] = seen[network] if network in seen else metric.features_of(shown)
                    further["features"] = seen[network]
                metric.update(_metric_input(metric, shown), **further)

    @staticmethod
    def takes_real(metric: Metric) -> bool:
        """Whether a metric compares with real images; the Inception score looks at generated ones alone."""
        parameters = signature(metric.update).parameters
        return "real" in parameters or any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())

    @contextmanager
    def _blamed(self, metric: Metric) -> Iterator[None]:
        """Whatever a metric of the user's choice raises is told with its name."""
        name = f"{self._option}: {type(metric).__name__}"
        try:
            yield
        except (UserError, RunError):
            raise
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            needs = f"the package {package}, which is not installed: pip install {package.replace('_', '-')}"
            raise UserError(
                f"{name} needs {needs}, or leave the metric out." if package else f"{name}: {error}"
            ) from error
        except Exception as error:  # any class at all may be named, and may raise anything
            text = " ".join(str(error).split())
            raise UserError(
                f"{name} failed ({type(error).__name__}: {text}): expected a metric of real and generated images, with "
                "update(images, real=...), that these images and their number suit; give it other arguments or leave "
                "it out."
            ) from error


def _with_readers(identity: str | None, module: nn.Module) -> str | None:
    """With the fingerprints of the classifiers in it, which may have been trained since."""
    readers = (each for each in module.modules() if isinstance(each, ReferenceClassifier))
    return None if identity is None else "-".join([identity, *(each.fingerprint() for each in readers)])


def _empty(metric: Metric) -> None:
    if hasattr(metric, "reset_real_features"):
        metric.reset_real_features = True
    metric.reset()


def _join_batches(metric: Metric) -> None:
    """One piece for each list of features: torchmetrics 1.9 gathers KID's piece by piece, as many on every rank."""
    for name, pieces in metric.metric_state.items():
        if isinstance(pieces, list) and len(pieces) > 1 and len({piece.shape[1:] for piece in pieces}) == 1:
            setattr(metric, name, [dim_zero_cat(pieces)])


def _names(metrics: Sequence[Metric]) -> list[str]:
    """The name that a metric has, or else that of its class; a second one of the same name is numbered.

    A metric whose name is empty gives a mapping of whole names, say ``precision`` and ``recall``.

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
        name = given if isinstance(given, str) else _WORD_BEGINS.sub("_", type(metric).__name__).lower()
        names.append(_unused(name, names) if name else "")
    return names


def _unused(name: str, names: Iterable[str]) -> str:
    taken, number, unique = set(names), 1, name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique


def _metric_input(metric: Metric, images: Tensor) -> Tensor:
    """Floats in [0, 1] for ``normalize=True``, else bytes; three channels for torchmetrics' own Inception network."""
    if images.shape[1] == 1 and not getattr(metric, "used_custom_model", False):
        images = images.expand(-1, 3, -1, -1)
    return images if getattr(metric, "normalize", False) else images.mul(255).round_().to(torch.uint8)


def _floating(value: Any) -> Tensor:
    """As loggers and reductions over ranks take it."""
    tensor = torch.as_tensor(value)
    return tensor if tensor.is_floating_point() else tensor.float()


def _parts(result: Any) -> list[tuple[str, Any]]:
    """One number without a name, or several with theirs; a pair is (mean, standard deviation), as KID gives."""
    if isinstance(result, Mapping):
        return [(str(name), value) for name, value in result.items()]
    if isinstance(result, tuple):
        names = getattr(result, "_fields", ("mean", "std") if len(result) == 2 else map(str, range(len(result))))
        return list(zip(names, result, strict=True))
    return [("", result)]
