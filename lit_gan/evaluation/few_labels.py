"""Classifiers of few labels: on the features of a trained network, from there on, and from nothing."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.data.base import InMemoryDataModule
from lit_gan.engine.evaluation_mode import evaluating
from lit_gan.errors import UserError
from lit_gan.extensions.few_labels import LabelledExamples, labelled_examples, labelled_places
from lit_gan.extensions.semi_supervised import SemiSupervisedGAN
from lit_gan.randomness import aside

_PER_FORWARD = 1000
_MOST_ROWS = 100  # of a minibatch
_STEPS, _RATE, _GENTLE_RATE = 1000, 1e-3, 1e-4  # of Adam: from nothing, and where there is something to be kept


class Features(nn.Module):
    """What a trained module sees in images: its discriminator's last hidden layer, or its encoder's latents.

    Args:
        module: A GAN whose discriminator has a method ``features``, or an ``InferenceNetwork``.

    Raises:
        UserError: If it has neither.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        network = getattr(module, "encoder", None) or getattr(module, "discriminator", None)
        self._call = "forward" if hasattr(module, "encoder") else "features"
        if not isinstance(network, nn.Module) or not hasattr(network, self._call):
            raise UserError(
                f"a classifier on features: {type(module).__name__} has neither an encoder nor a discriminator with a "
                "method features: expected a lit_gan.InferenceNetwork or a lit_gan.GAN with networks of the package."
            )
        self.network = copy.deepcopy(network).requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` in data space to features ``(N, F)``."""
        features: Tensor = getattr(self.network, self._call)(x)
        return features


def few_label_errors(module: nn.Module, data: InMemoryDataModule, num_labels: int, label_seed: int) -> dict[str, float]:
    """The test errors that few labels come to, with what a trained network sees and without it.

    The labelled examples are those that a ``SemiSupervisedGAN`` of the same ``num_labels`` and ``label_seed`` has; no
    other label of the training images is read, and nothing is chosen by the test images. All settings are fixed: the
    linear classifier is scikit-learn's logistic regression with its default C = 1 on standardised features; fine-tuning
    and training from nothing are 1,000 steps of Adam, at 1e-4 and at 1e-3.

    Args:
        module: A GAN or an inference network; its labels, if it was trained with any, are its own affair.
        data: What it was trained on.
        num_labels: How many training examples have a label.
        label_seed: Which these are.

    Returns:
        The share of test images that are put into a wrong class: ``linear_pixels`` on the pixels, ``supervised`` by
        the same network with new weights, ``linear_features`` on frozen features, ``fine_tuned`` from there on; and
        ``joint``, of a ``SemiSupervisedGAN`` itself.

    Raises:
        UserError: If the module has no features, or the data not enough labels.

    Reference:
        Goodfellow et al. 2014, section 7, extension 4.
    """
    labelled = labelled_examples(data, num_labels, data.num_classes, label_seed)
    test, truth = data.images("test"), data.dataset("test").labels
    assert truth is not None  # noqa: S101 -- the data have labels, or the line above would not have passed
    features = Features(module)
    device = next(features.parameters()).device
    labelled = LabelledExamples(labelled.images.to(device), labelled.labels.to(device))
    test = test.to(device)

    def error(classified: Tensor) -> float:
        return float((classified.cpu() != truth).double().mean())

    found = {"linear_pixels": error(_Linear(labelled.images.flatten(1), labelled.labels)(test.flatten(1)))}
    scratch, output = _drawn_anew(features, labelled, data.num_classes, label_seed)
    found["supervised"] = error(_classes(_trained(scratch, labelled, output, label_seed, _RATE), test))
    head = _Linear(_evaluated(features, labelled.images), labelled.labels)
    found["linear_features"] = error(head(_evaluated(features, test)))
    tuned = _trained(features, labelled, head.layer(data.num_classes), label_seed, _GENTLE_RATE)
    found["fine_tuned"] = error(_classes(tuned, test))
    if isinstance(module, SemiSupervisedGAN):
        found["joint"] = error(module.classify(test).argmax(1))
    return found


class _Linear:
    """Logistic regression on standardised columns."""

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 -- scikit-learn, for those that measure by it

        deviation, self.mean = torch.std_mean(features.cpu().double(), dim=0, correction=0)
        self.deviation = torch.where(deviation > 0, deviation, 1.0)  # one that says nothing gets no weight
        self._fitted = LogisticRegression(max_iter=10_000).fit(self._standard(features), labels.cpu().numpy())

    def _standard(self, features: Tensor) -> Any:
        return ((features.cpu().double() - self.mean) / self.deviation).numpy()

    def __call__(self, features: Tensor) -> Tensor:
        return torch.from_numpy(self._fitted.predict(self._standard(features)))

    def layer(self, num_classes: int) -> nn.Linear:
        """The same as a layer on the features as they are."""
        weight = torch.from_numpy(self._fitted.coef_) / self.deviation
        layer = nn.Linear(weight.shape[1], num_classes)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(torch.from_numpy(self._fitted.intercept_) - weight @ self.mean)
        return layer


def _drawn_anew(
    features: Features, labelled: LabelledExamples, num_classes: int, seed: int
) -> tuple[Features, nn.Linear]:
    """The same network with weights that have learned nothing, and a last layer."""
    drawn, device = copy.deepcopy(features), labelled.images.device
    with aside(seed, "weights from nothing", device):
        for module in drawn.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        begin_training = getattr(drawn.network, "begin_training", None)
        if begin_training is not None:
            begin_training(lambda num: labelled.images[:num])
        size = _evaluated(drawn, labelled.images[:1]).shape[1]
        return drawn, nn.Linear(size, num_classes).to(device)


def _trained(
    features: Features, labelled: LabelledExamples, output: nn.Linear, seed: int, rate: float
) -> nn.Sequential:
    """A classifier that has learned the labelled examples, with the noise or the dropout that its network has."""
    images, labels = labelled
    classifier = nn.Sequential(features, output.to(images)).train()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=rate)
    rows = min(len(labels), _MOST_ROWS)
    with aside(seed, "training on labels", images.device):
        for step in range(_STEPS):
            chosen = labelled_places(len(labels), step * rows, rows, seed).to(images.device)
            optimizer.zero_grad()
            F.cross_entropy(classifier(images[chosen]), labels[chosen]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return classifier


@torch.no_grad()
def _evaluated(network: nn.Module, x: Tensor) -> Tensor:
    with evaluating(x.device, network):
        return torch.cat([network(piece) for piece in torch.split(x, _PER_FORWARD)])


def _classes(classifier: nn.Module, x: Tensor) -> Tensor:
    return _evaluated(classifier, x).argmax(1)
