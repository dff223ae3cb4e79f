"""Precision, recall, density and coverage of two sets of points, by their nearest neighbours: exact, at any size."""

import torch
from torch import Tensor

from lit_gan.functional.points import Points


def precision_recall(real: Tensor, generated: Tensor, k: int = 5) -> dict[str, Tensor]:
    r"""How many samples lie among the data and how much of the data lies among the samples.

    A ball is around each point of a set, as large as the distance to its k-th nearest *other* point, its edge included.

    - precision: the part of the samples that are in a ball of the data,
    - recall: the part of the data that are in a ball of the samples,
    - density: how many balls of the data a sample is in, on average, over k,
    - coverage: the part of the balls of the data that hold a sample.

    Which point is in which ball is decided by differences in float64, whatever the fast product says within its own
    rounding: so the numbers have the same bits whatever the order of the rows.

    Args:
        real: ``(N, F)``, more than k rows.
        generated: ``(M, F)``, more than k rows.
        k: Which neighbour; at least 1.

    Returns:
        The four by name, scalars in float64.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> {name: float(value) for name, value in precision_recall(points, points + 10, k=1).items()}
        {'precision': 0.0, 'recall': 0.0, 'density': 0.0, 'coverage': 0.0}

    Reference:
        Kynkäänniemi et al. 2019, *Improved Precision and Recall Metric for Assessing Generative Models*; Naeem et al.
        2020, *Reliable Fidelity and Diversity Metrics for Generative Models*. Balls include their edges here, so that
        sets that are the same have a coverage of 1.
    """
    x, y = Points.of(real), Points.of(generated)
    x_radii, y_radii = x.radii(k), y.radii(k)
    in_real = torch.zeros(len(y.rows), dtype=torch.int64, device=x.rows.device)
    covered, recalled = 0, 0
    for rows in x.parts():
        apart, slack = x.products(rows, y)
        x_near, y_near = x_radii[rows, None], y_radii[None]
        doubtful = ((apart - x_near).abs() <= slack) | ((apart - y_near).abs() <= slack)
        x.put_differences(apart, doubtful, rows, y)
        within = apart <= x_near
        in_real += within.sum(0)
        covered += int(within.any(1).sum())
        recalled += int((apart <= y_near).any(1).sum())
    n, m = len(x.rows), len(y.rows)
    shares = {
        "precision": int((in_real > 0).sum()) / m,
        "recall": recalled / n,
        "density": int(in_real.sum()) / (k * m),
        "coverage": covered / n,
    }
    return {name: torch.tensor(share, dtype=torch.float64) for name, share in shares.items()}
