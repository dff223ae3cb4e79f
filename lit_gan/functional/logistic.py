"""The logistic fit that turns scores into log-odds."""

from collections.abc import Callable

import torch
from torch import Tensor

_STEPS = 100
_SMALL = 1e-12
_ROUNDING = 1e-14  # of the loss: at the bottom one step is as good as another


def fit_logistic(
    positive: Tensor, negative: Tensor, total: Callable[[Tensor], Tensor] = lambda part: part
) -> tuple[float, float]:
    r"""Fits :math:`\sigma(a s + b)` to scores of two kinds, both kinds counting alike however many there are of each.

    By Newton's method in float64, on the targets of Platt: :math:`(n_+ + 1) / (n_+ + 2)` and :math:`1 / (n_- + 2)`
    in place of 1 and 0, so that scores that never overlap have a finite fit.

    Args:
        positive: Scores of what should have high ones, ``(N,)``.
        negative: Scores of the others, ``(M,)``.
        total: Sums a tensor over all processes that have a part of the scores.

    Returns:
        :math:`a` and :math:`b`; 0 and 0 where one kind has no scores, or they are not finite.

    Example:
        >>> a, b = fit_logistic(torch.tensor([0.0, 2.0, 4.0]), torch.tensor([0.0, -2.0, -4.0]))
        >>> 0 < a < 2 and abs(b) < 1e-9
        True

    Reference:
        Platt 1999, *Probabilistic Outputs for Support Vector Machines*.
    """
    kinds = [scores.detach().to("cpu", torch.float64) for scores in (positive, negative)]
    sums = torch.stack([torch.tensor([len(s), s.sum(), s.square().sum()], dtype=torch.float64) for s in kinds])
    sums = total(sums)
    counts = sums[:, 0]
    if not bool(sums.isfinite().all()) or bool((counts == 0).any()):
        return 0.0, 0.0
    # In standard units, where one step length and one tolerance suit all scores.
    mean = (sums[:, 1] / counts).mean()
    scale = ((sums[:, 2] / counts).mean() - mean**2).clamp_min(_SMALL).sqrt()
    targets = (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2)
    rows = [torch.stack([(s - mean) / scale, torch.ones_like(s)], dim=1) for s in kinds]
    fit = torch.zeros(2, dtype=torch.float64)
    found = _derivatives(fit, rows, targets, counts, total)
    for _ in range(_STEPS):
        gradient, curvature, loss = found
        step = torch.linalg.solve(curvature + _SMALL * torch.eye(2, dtype=torch.float64), gradient)
        found = _derivatives(fit - step, rows, targets, counts, total)
        while found[2] > loss * (1 + _ROUNDING) and float(step.abs().max()) > _SMALL:
            step = step / 2
            found = _derivatives(fit - step, rows, targets, counts, total)
        fit = fit - step
        if float(step.abs().max()) < 1e-10:
            break
    slope = float(fit[0] / scale)
    return slope, float(fit[1]) - slope * float(mean)


def _derivatives(
    fit: Tensor, rows: list[Tensor], targets: tuple[Tensor, Tensor], counts: Tensor, total: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, float]:
    """Gradient, curvature and value of the mean cross-entropy."""
    packed = torch.zeros(7, dtype=torch.float64)
    for row, target, count in zip(rows, targets, counts, strict=True):
        logit = row @ fit
        chance = logit.sigmoid()
        gradient = row.T @ (chance - target) / count
        curvature = (row * (chance * (1 - chance))[:, None]).T @ row / count
        loss = (torch.nn.functional.softplus(logit) - target * logit).sum() / count
        packed += torch.cat([gradient, curvature.flatten(), loss[None]])
    packed = total(packed)
    return packed[:2], packed[2:6].reshape(2, 2), float(packed[6])
