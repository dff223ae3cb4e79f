"""Which classes generated images are of, as the reference classifier reads them."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lit_gan.features.reference_classifier import ReferenceClassifier
from lit_gan.functional.arrays import widest_float
from lit_gan.functional.matmul import exact_matmul

_SURE = 0.9
_COVERED = 0.1  # of its share among real images: a classifier that errs in one of a hundred cannot make up for a class
_READ, _ASKED, _RIGHT = range(3)  # rows of the counts, whose columns are classes


class SampleClasses(Metric):
    r"""What a :class:`~lit_gan.features.ReferenceClassifier` reads generated images as.

    - ``class_accuracy``: share of the samples that are read as the class that they were to be of (GAN-test); only of a
      GAN that is conditioned on classes.
    - ``class_accuracy_NAME``: the same for each class, by its name where the data have names, else by its number.
    - ``class_entropy``: :math:`-\sum_c q_c \log q_c` in nats of the shares :math:`q` that samples are read as: the
      logarithm of the number of classes where they come evenly, 0 where only one comes.
    - ``class_kl``: :math:`\sum_c q_c \log(q_c / p_c)` in nats to the shares :math:`p` in the training images: 0 where
      every class has its share.
    - ``classes_covered``: share of the classes that have at least a tenth of their share among real images.
    - ``confident_share``: share of the samples of which one class has a probability above 0.9.
    - ``classifier_accuracy``: of the classifier itself on the test images: no other number can be trusted beyond it.

    It looks at samples alone. Under several ranks the counts are summed, so the numbers are those of one process.

    Args:
        classifier: It; by default the one that is kept for the data of the run, see :class:`GenerativeEvaluation`.
        by_class: Whether the accuracy is given for each class, too.
        **kwargs: Those of ``torchmetrics.Metric``.

    Raises:
        UserError: At the first image, if the classifier is not trained.

    Example:
        >>> from lit_gan.data import DigitsDataModule
        >>> data = DigitsDataModule()
        >>> metric = SampleClasses(ReferenceClassifier().fit(data), by_class=False)
        >>> metric.update(data.images("test"), condition=data.dataset("test").labels)
        >>> result = metric.compute()
        >>> bool(result["class_accuracy"] == result["classifier_accuracy"]), bool(result["class_kl"] < 0.05)
        (True, True)

    Reference:
        Shmelkov et al. 2018, *How good is my GAN?* (GAN-test).
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    name = ""  # its keys are the names
    normalize, used_custom_model = True, True  # images in [0, 1], with their own number of channels

    counts: Tensor
    sure: Tensor

    def __init__(self, classifier: ReferenceClassifier | None = None, by_class: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classifier = ReferenceClassifier() if classifier is None else classifier
        self.by_class = by_class
        self.add_state("counts", torch.zeros(3, self.classifier.num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("sure", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor, condition: Tensor | None = None) -> None:
        """Takes in a batch.

        Args:
            images: Generated, ``(N, C, H, W)`` in [0, 1].
            condition: The class that each was to be of, ``(N,)``; anything else than classes is left aside.
        """
        with exact_matmul(images.device):
            most, found = self.classifier.probabilities(images).max(1)
        num = self.classifier.num_classes
        counts = torch.zeros(3, num, dtype=torch.int64, device=found.device)
        counts[_READ] = found.bincount(minlength=num)
        if condition is not None and condition.ndim == 1 and not condition.is_floating_point():
            asked = condition.to(found.device)
            counts[_ASKED] = asked.bincount(minlength=num)
            counts[_RIGHT] = asked[asked == found].bincount(minlength=num)
        self.counts = self.counts + counts
        self.sure = self.sure + (most > _SURE).sum()

    def compute(self) -> dict[str, Tensor]:
        """The numbers by name, float64 scalars (float32 on MPS); not numbers where there are no images."""
        read, asked, right = self.counts.to(widest_float(self.device))
        shares, real = read / read.sum(), read.new_tensor(self.classifier.class_shares)
        found = {
            "class_entropy": -torch.special.xlogy(shares, shares).sum(),
            "class_kl": (torch.special.xlogy(shares, shares) - torch.special.xlogy(shares, real)).sum(),
            "classes_covered": _share_covered(shares, real),
            "confident_share": self.sure / read.sum(),
            "classifier_accuracy": read.new_tensor(self.classifier.test_accuracy),
        }
        if asked.sum() == 0:
            return found
        by_class = {f"class_accuracy_{self._class_name(place)}": value for place, value in enumerate(right / asked)}
        return {"class_accuracy": right.sum() / asked.sum(), **(by_class if self.by_class else {}), **found}

    def reset(self) -> None:
        """Forgets the images; a classifier that has been trained meanwhile is known from now on."""
        super().reset()
        self.counts = torch.zeros(3, self.classifier.num_classes, dtype=torch.int64, device=self.device)

    def _class_name(self, place: int) -> str:
        names = self.classifier.class_names
        return names[place].replace(" ", "_") if names else str(place)


def _share_covered(shares: Tensor, real: Tensor) -> Tensor:
    """Of the classes that there are; not a number where there are no shares."""
    covered = (shares >= _COVERED * real)[real > 0].to(shares).mean()
    return torch.where(shares.isfinite().all(), covered, torch.nan)
