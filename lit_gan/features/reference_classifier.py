"""The classifier that samples are read with: small, trained once on the labelled training images of a data set."""

import hashlib
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.features.classifier_training import labels_of_split, share_correct, train_classifier
from lit_gan.randomness import aside

#: What a classifier that is kept was made by: another one where anything of it changes.
RECIPE = 1
_NUM_FEATURES = 128
_WIDTH, _WIDEST = 16, 64  # channels of the first and of any convolution
_LARGEST_SIDE, _LAST_SIDE = 32, 4  # pixels: what images are shrunk to, what the convolutions end at
_PLAIN = ("image_shape", "class_names", "class_shares", "test_accuracy", "num_test")


class ReferenceClassifier(nn.Module):
    r"""A small convolutional network that says which class an image is of, trained on real images alone.

    It reads what a GAN has drawn: whether samples of a condition are of that class, how evenly the classes come, how
    sure a classifier is; and its features stand in for those of an Inception network, which means nothing to digits.
    Every number that rests on it is to be read beside its own :attr:`test_accuracy`.

    It is trained by :meth:`fit` in about a minute of one core on MNIST and in seconds on the embedded digits, a
    function of the data and of ``seed`` alone. ``lit-gan baselines`` trains it and keeps it in ``runs/baselines`` by
    the fingerprint of the data; named in a configuration, it is the one that is kept for the run's data, trained at
    its first use where there is none. Always in evaluation mode.

    Args:
        seed: Of its first weights and of the order of the training images.

    Example:
        >>> from lit_gan.data import DigitsDataModule
        >>> classifier = ReferenceClassifier().fit(DigitsDataModule())
        >>> classifier.test_accuracy > 0.95
        True
        >>> images = torch.zeros(2, 1, 8, 8)
        >>> classifier(images).shape, classifier.probabilities(images).shape
        (torch.Size([2, 128]), torch.Size([2, 10]))
    """

    num_features = _NUM_FEATURES  # under the name that torchmetrics asks for

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.image_shape: tuple[int, ...] = ()  # of the images that it was trained on; none before that
        self.class_names: tuple[str, ...] = ()
        #: The share of each class in the training images, by the number of the class.
        self.class_shares: tuple[float, ...] = ()
        #: The share of the data set's test images that it reads rightly, and how many these are.
        self.test_accuracy = float("nan")
        self.num_test = 0

    def fit(self, data: InMemoryDataModule, device: torch.device | str = "cpu") -> Self:
        """Trains it on the training images of a data set, and measures it on the test images.

        Args:
            data: With labels of at least two classes.
            device: Where it is trained, and is afterwards.

        Returns:
            Itself.

        Raises:
            UserError: If the data have no labels of at least two classes.
        """
        self.build_for(data)
        # Within a validation there are no gradients, and what is made there takes none later.
        with torch.inference_mode(False), torch.enable_grad(), aside(self.seed, "classifier", torch.device(device)):
            network = nn.Sequential(self.body, self.head).to(device)
            train_classifier(network, data, self.seed)
            self.eval().requires_grad_(False)
            self.test_accuracy, self.num_test = share_correct(network, data)
        return self

    def build_for(self, data: InMemoryDataModule) -> Self:
        """Becomes a network for these data, with its first weights: it is not trained.

        Args:
            data: With labels of at least two classes.
        """
        num_classes = check_labelled(data)
        self.image_shape, self.class_names = tuple(data.image_shape), tuple(data.class_names)
        counts = labels_of_split(data, "train").bincount(minlength=num_classes).double()
        self.class_shares = tuple((counts / counts.sum()).tolist())
        with torch.inference_mode(False), aside(self.seed, "classifier", torch.device("cpu")):
            self._build()
        return self

    @property
    def is_trained(self) -> bool:
        """Whether what it reads has a meaning."""
        return self.num_test > 0

    @property
    def num_classes(self) -> int:
        """How many classes it tells apart; 0 before it is trained."""
        return len(self.class_shares)

    def forward(self, images: Tensor) -> Tensor:
        """Features.

        Args:
            images: ``(N, C, H, W)`` in [0, 1], or bytes.

        Returns:
            A tensor ``(N, 128)``.

        Raises:
            UserError: If it is not trained, or on images of another shape.
        """
        images = self._checked(images)
        features: Tensor = self.body(images)
        return features

    def logits(self, images: Tensor) -> Tensor:
        """A number for each class, ``(N, num_classes)``: what :meth:`probabilities` is the softmax of.

        Args:
            images: ``(N, C, H, W)`` in [0, 1].
        """
        features = self(images)
        logits: Tensor = self.head(features)
        return logits

    def probabilities(self, images: Tensor) -> Tensor:
        """The probability of each class, ``(N, num_classes)``.

        Args:
            images: ``(N, C, H, W)`` in [0, 1].
        """
        return self.logits(images).softmax(1)

    def train(self, mode: bool = True) -> Self:
        """Nothing: it stays in evaluation mode."""
        return super().train(False)

    def fingerprint(self) -> str:
        """A short name of its weights."""
        digest = hashlib.blake2b(digest_size=8)
        for value in self.state_dict().values():
            digest.update(value.cpu().numpy().tobytes())
        return digest.hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Plain data and tensors, that ``torch.load(weights_only=True)`` takes."""
        weights = {name: value.cpu() for name, value in self.state_dict().items()}
        return {name: getattr(self, name) for name in _PLAIN} | {"recipe": RECIPE, "weights": weights}

    def take(self, stored: Mapping[str, Any]) -> Self:
        """Becomes what :meth:`as_dict` gave.

        Args:
            stored: As a file has it.
        """
        with torch.inference_mode(False):
            for name in _PLAIN:
                setattr(self, name, stored[name])
            self._build()
            self.load_state_dict(stored["weights"])
        self.eval().requires_grad_(False)
        return self

    def _build(self) -> None:
        channels, height, width = self.image_shape
        layers: list[nn.Module] = []
        if max(height, width) > _LARGEST_SIDE:
            scale = _LARGEST_SIDE / max(height, width)
            height, width = (max(round(side * scale), 1) for side in (height, width))
            layers.append(nn.AdaptiveAvgPool2d((height, width)))
        out = _WIDTH
        while True:
            # The first one sees more of an image that is large enough: its few input channels cost little.
            kernel = 5 if not layers and max(height, width) > 2 * _LAST_SIDE else 3
            stride = 2 if max(height, width) > _LAST_SIDE else 1
            layers += [
                nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
            ]
            height, width, channels, out = -(-height // stride), -(-width // stride), out, min(2 * out, _WIDEST)
            if max(height, width) <= _LAST_SIDE:
                break
        layers += [nn.Flatten(), nn.Linear(channels * height * width, _NUM_FEATURES), nn.ReLU()]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(_NUM_FEATURES, self.num_classes)

    def _checked(self, images: Tensor) -> Tensor:
        if not self.image_shape:
            raise UserError(
                "ReferenceClassifier is not trained: expected ReferenceClassifier().fit(data) before it reads an image."
            )
        if images.ndim != 4 or tuple(images.shape[1:]) != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise UserError(
                f"ReferenceClassifier got images of shape {tuple(images.shape)}: expected (N, {expected}), as those "
                "that it was trained on."
            )
        images = images if images.is_floating_point() else images / 255
        return images.to(self.head.weight.dtype)


def check_labelled(data: InMemoryDataModule) -> int:
    """How many classes the labels of a data set name; at least two."""
    if data.num_classes < 2:
        raise UserError(
            f"ReferenceClassifier: {type(data).__name__} has num_classes = {data.num_classes}: expected data with "
            "labels of at least 2 classes; leave out what reads samples with it."
        )
    return data.num_classes
