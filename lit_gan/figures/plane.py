"""A game in the plane: where samples lie, and where the data do."""

from matplotlib.figure import Figure
from torch import Tensor

from lit_gan.data.mixtures import GaussianMixture
from lit_gan.metrics.modes_covered import ModesCovered

_DATA, _G = "#111827", "#15803d"
_MARGIN = 0.06


def plane_figure(samples: Tensor, examples: Tensor, mixture: GaussianMixture) -> Figure:
    """Examples and samples of a mixture in the plane side by side, with how many of its modes the samples reach.

    Args:
        samples: ``(N, 2)``, in the mixture's own coordinates.
        examples: ``(M, 2)``.
        mixture: Where the examples come from.

    Returns:
        The figure.
    """
    low, high = mixture.box
    metric = ModesCovered(mixture)
    metric.update(((samples - low) / (high - low))[:, None, None, :])
    found = metric.compute()
    num, margin = len(mixture.means), _MARGIN * (high - low)
    figure = Figure(figsize=(5.2, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    reached = round(float(found["modes_covered"]) * num)
    of_samples = f"samples: {reached} of {num} modes, {float(found['at_modes']):.0%} at one"
    for axes, points, colour, title in ((left, examples, _DATA, "examples"), (right, samples, _G, of_samples)):
        axes.scatter(*points.double().T.numpy(), s=3, linewidths=0, alpha=0.5, color=colour, rasterized=True)
        axes.set(
            xlim=(low - margin, high + margin),
            ylim=(low - margin, high + margin),
            xlabel="$x_1$",
            aspect="equal",
            title=title,
        )
        axes.spines[["top", "right"]].set_visible(False)
    centres = mixture.means.T.numpy()
    right.scatter(*centres, marker="o", facecolors="none", edgecolors="#6b7280", s=60, linewidths=0.7)
    left.set_ylabel("$x_2$")
    return figure
