"""Whether a generator repeats its training data, as a torchmetrics metric."""

from typing import Any

from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.features.pixels import Pixels
from lit_gan.functional.memorization import memorization
from lit_gan.metrics.feature_sets import FeatureSets


class Memorization(FeatureSets):
    r"""The share of samples that look like copies of training images, and what held-out images would score.

    A sample counts where it lies at least as close to its nearest training image as any other training image does: it
    is no *authentic* one. A generator that repeats its training images scores 1. ``memorization_real`` is to be read
    beside it: what new images of the same kind would score, about 1/2 and less where the data are uneven. A generator
    that generalises scores that or less, for samples that are blurred or wrong lie far from every image.

    The training images have to be the reference, all of them: ``--evaluation.reference train``, as by default. See
    :func:`~lit_gan.functional.memorization.memorization` for the definition. The result has the same bits for every
    batch size, order and number of processes, wherever the features have. It costs the square of the number of
    training images once and that number for each sample: two minutes of one core for the 50,000 of MNIST.

    - ``memorization``, ``memorization_real``: the two shares.
    - ``memorization_num``: the training images that were compared with.

    Args:
        features: What images are compared in: a module from ``(N, C, H, W)`` in [0, 1] to ``(N, F)``, in evaluation
            mode; the pixels by default.
        reset_real_features: Whether ``reset()`` forgets the real images too.
        **kwargs: Those of ``torchmetrics.Metric``.

    Raises:
        UserError: In :meth:`compute`, if there are fewer than two real images or no generated one.

    Example:
        >>> import torch
        >>> metric = Memorization()
        >>> train = torch.tensor([0.0, 0.1, 1.0])[:, None, None, None]
        >>> metric.update(train, real=True)
        >>> metric.update(train[1:] + 0.01, real=False)
        >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
        {'memorization': 1.0, 'memorization_real': 0.667, 'memorization_num': 3.0}

    Reference:
        Alaa et al. 2022, *How Faithful is your Synthetic Data?* (authenticity); Stein et al. 2023, *Exposing flaws of
        generative model evaluation metrics* (AuthPct).
    """

    higher_is_better = False
    whole_reference = True

    def __init__(self, features: nn.Module | None = None, reset_real_features: bool = True, **kwargs: Any) -> None:
        super().__init__(Pixels() if features is None else features, reset_real_features, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """The numbers by name, float64 scalars, the same on every process.

        Raises:
            UserError: If there are fewer than two real images or no generated one.
        """
        real, generated = self._rows("real"), self._rows("generated")
        if len(real) < 2 or len(generated) < 1:
            raise UserError(
                f"Memorization: got {len(real)} real and {len(generated)} generated images: expected at least 2 and 1."
            )
        found = memorization(real, generated)
        return self._found({**found, "memorization_num": found["memorization"].new_tensor(float(len(real)))})
