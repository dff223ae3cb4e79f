"""Reference classifiers that are kept beside the baselines, by the fingerprint of their data: trained once."""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import nn

from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.errors import UserError
from lit_gan.evaluation.cost import work_of
from lit_gan.evaluation.kept_file import KEPT, keep_for_others, raw_bytes, read_kept
from lit_gan.features.classifier_training import images_trained_on
from lit_gan.features.reference_classifier import RECIPE, ReferenceClassifier, check_labelled

_PROBE = 16  # images that work is counted on
_FOLDER = "classifiers"  # in that of the baselines
Say = Callable[[str], None]
_SPLITS: tuple[Split, ...] = ("train", "test")


def reference_classifier(
    data: InMemoryDataModule, folder: str | Path | None = KEPT, *, seed: int = 0, say: Say | None = None
) -> ReferenceClassifier:
    """The classifier of a data set: the one that is kept, or one that is trained now and kept.

    Args:
        data: With labels of at least two classes.
        folder: Where baselines are kept; none for a classifier that is not kept.
        seed: Of the classifier.
        say: Is told, in a line, that it is trained.

    Returns:
        The classifier, on the CPU.

    Raises:
        UserError: If the data have no labels of at least two classes, or what is kept cannot be read.

    Example:
        ``reference_classifier(DigitsDataModule(), None).test_accuracy`` is trained in seconds, and not kept.
    """
    classifier = ReferenceClassifier(seed)
    _fill(classifier, data, None if folder is None else Path(folder), say)
    return classifier


def kept_in(data: InMemoryDataModule, folder: Path = KEPT, seed: int = 0) -> Path:
    """The file that the classifier of a data set is kept in."""
    digest = hashlib.blake2b(repr((RECIPE, seed, tuple(data.value_range))).encode(), digest_size=8)
    for split in _SPLITS:
        rows = data.dataset(split)
        for tensor in (rows.images, rows.labels, rows.convert(rows.images[:8])):
            if tensor is not None:  # labels, of data without classes
                digest.update(raw_bytes(tensor))
    return folder / _FOLDER / f"{digest.hexdigest()}.pt"


def find_classifiers(
    metrics: Iterable[nn.Module], trainer: Trainer, folder: Path | None, option: str, say: Say
) -> None:
    """Makes every reference classifier in these metrics that of the trainer's data, the same on every rank.

    Args:
        metrics: What may have one somewhere in it.
        trainer: Whose data module has the labelled images.
        folder: Where classifiers are kept, if anywhere.
        option: The option that named the metrics, for messages.
        say: Is told, in a line, that one is trained.
    """
    untrained = _untrained(metrics)
    if not untrained:
        return
    data, found = _labelled(trainer, option), dict[int, dict[str, Any]]()
    for classifier in untrained:
        if classifier.seed not in found:
            if trainer.is_global_zero:
                _fill(classifier, data, folder, say)
            # Rank 0's, for two that are trained apart differ by rounding, and the others may not see its files.
            found[classifier.seed] = trainer.strategy.broadcast(classifier.as_dict() if classifier.is_trained else {})
        classifier.take(found[classifier.seed])


def fill_classifiers(metrics: Iterable[nn.Module], data: InMemoryDataModule, folder: Path | None, say: Say) -> None:
    """As :func:`find_classifiers`, of data without a trainer."""
    for classifier in _untrained(metrics):
        _fill(classifier, data, folder, say)


def work_of_classifiers(metrics: Iterable[nn.Module], trainer: Trainer, option: str) -> int:
    """What it takes to train those of these metrics that have not been, in operations; their networks are built.

    Whether one is kept does not matter: equal runs evaluate in equal rounds.
    """
    untrained = _untrained(metrics)
    if not untrained:
        return 0
    data, total = _labelled(trainer, option), dict[int, int]()
    probe = torch.zeros(_PROBE, *data.image_shape)
    for classifier in untrained:
        classifier.build_for(data)
        forward = work_of(partial(classifier.logits, probe)) / _PROBE
        # A pass backwards costs what two forwards do.
        images = 3 * images_trained_on(len(data.dataset("train"))) + len(data.dataset("test"))
        total[classifier.seed] = int(forward * images)
    return sum(total.values())


def _untrained(metrics: Iterable[nn.Module]) -> list[ReferenceClassifier]:
    modules = [module for metric in metrics for module in metric.modules()]
    return [each for each in modules if isinstance(each, ReferenceClassifier) and not each.is_trained]


def _labelled(trainer: Trainer, option: str) -> InMemoryDataModule:
    data: Any = getattr(trainer, "datamodule", None)
    if not isinstance(data, InMemoryDataModule):
        got = "bare loaders" if data is None else type(data).__name__
        raise UserError(
            f"{option}: ReferenceClassifier is trained on a data module of lit_gan.data, got {got}: give the metric a "
            "classifier that is trained already (ReferenceClassifier().fit(data)), or leave it out."
        )
    check_labelled(data)
    return data


def _fill(classifier: ReferenceClassifier, data: InMemoryDataModule, folder: Path | None, say: Say | None) -> None:
    check_labelled(data)
    path = None if folder is None else kept_in(data, folder, classifier.seed)
    stored = None if path is None else read_kept(path)
    if stored is not None:
        _take(classifier, stored, path)
        return
    if say is not None:
        rows, where = len(data.dataset("train")), "" if path is None else f", to be kept in {path}"
        say(f"lit-gan: training the reference classifier on {rows:,} labelled images{where}.")
    classifier.fit(data)
    if path is not None:
        keep_for_others(path, classifier.as_dict())


def _take(classifier: ReferenceClassifier, stored: Any, path: Path | None) -> None:
    try:
        classifier.take(stored)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} holds no reference classifier: delete it.") from error
