"""How many samples lie closer to a training image than training images lie to each other: copies."""

import torch
from torch import Tensor

from lit_gan.functional.points import Points


def memorization(real: Tensor, generated: Tensor) -> dict[str, Tensor]:
    r"""The share of samples that look like copies of training data, and what held-out data would score.

    A sample :math:`y` counts where it lies at least as close to its nearest training point :math:`x^*` as any other
    training point does: :math:`\|y - x^*\| \le \min_{x \neq x^*} \|x - x^*\|`. A generator that repeats its training
    data scores 1, one that is far from all of them 0.

    Held-out data of the same kind score neither: in one dimension 2/3, in many about 1/2, and less where the density
    varies much. That value, ``real``, is found without any, by leaving out each training point in its turn and asking
    the same of it. It comes down to the share of the training points that are the nearest of their nearest.

    Decided by differences in float64, ties included: the same bits whatever the order of the rows.

    Args:
        real: The training data, ``(N, F)``, at least two rows.
        generated: ``(M, F)``, at least one.

    Returns:
        ``memorization`` and ``memorization_real``, scalars in float64.

    Example:
        >>> train = torch.tensor([[0.0], [1.0], [10.0]])
        >>> found = memorization(train, torch.tensor([[0.1], [5.0], [30.0], [10.0]]))
        >>> {name: round(float(value), 3) for name, value in found.items()}
        {'memorization': 0.5, 'memorization_real': 0.667}

    Reference:
        Alaa et al. 2022, *How Faithful is your Synthetic Data?*: the complement of a sample's authenticity.
    """
    x, y = Points.of(real), Points.of(generated)
    radii, pairs = x.nearest_to(x)
    shares = {
        "memorization": _share_within(radii, *x.nearest_to(y)),
        "memorization_real": _share_within(radii, radii, pairs),
    }
    return {name: torch.tensor(share, dtype=torch.float64) for name, share in shares.items()}


def _share_within(radii: Tensor, nearest: Tensor, pairs: Tensor) -> float:
    """Of the points that lie within the radius of the nearest one, or of one that is as near."""
    point, place = pairs.unbind(1)
    within = torch.zeros(len(nearest), dtype=torch.int64, device=nearest.device)
    within.index_add_(0, point, (nearest[point] <= radii[place]).long())
    return int((within > 0).sum()) / len(nearest)
