"""What distribution a function makes of the line: the density of a generator with a single latent."""

import torch
from torch import Tensor

_PAIRS = 2**22  # of a cell and an edge, at most, at a time


def pushforward(values: Tensor, masses: Tensor, edges: Tensor) -> Tensor:
    r"""How much mass a function puts into each bin, by change of variables on a grid.

    The function is taken to be linear between two neighbouring nodes, and the mass between them to be spread evenly, so
    that a cell :math:`[z_i, z_{i+1}]` becomes a uniform density on :math:`[g(z_i), g(z_{i+1})]`,

    .. math:: P(a \le g(z) < b) = \sum_i m_i \,
        \frac{|[a, b) \cap [g(z_i), g(z_{i+1})]|}{|g(z_{i+1}) - g(z_i)|}

    Of a function that is linear between the nodes, and a latent that is uniform there, this is exact; else the error
    falls with the square of the nodes' distance. No draw is made, so it has no noise.

    Args:
        values: The function at the nodes, ``(N + 1,)``.
        masses: The latent's mass between a node and the next one, ``(N,)``.
        edges: The bins' ends, ascending, ``(B + 1,)``.

    Returns:
        The mass in each bin, ``(B,)``, float64; less than all of it in sum where some falls outside.

    Example:
        >>> nodes = torch.linspace(0, 1, 11)
        >>> pushforward(nodes**2, torch.full((10,), 0.1), torch.tensor([0.0, 0.25, 1.0]))
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    values, masses, edges = values.double(), masses.double(), edges.double()
    low, high = torch.minimum(values[:-1], values[1:]), torch.maximum(values[:-1], values[1:])
    points = low == high
    spread = _cumulative(low[~points], high[~points], masses[~points], edges).diff().clamp(min=0)  # of rounding
    return spread + point_masses(low[points], masses[points], edges)


def point_masses(values: Tensor, masses: Tensor, edges: Tensor) -> Tensor:
    """How much mass single points put into each bin, ``(B,)``; the last bin has both of its ends.

    Example:
        >>> point_masses(torch.tensor([0.5, 2.0, 9.0]), torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.0, 1.0, 2.0]))
        tensor([0.2000, 0.3000], dtype=torch.float64)
    """
    values, edges, num = values.double(), edges.double(), len(edges) - 1
    place = torch.bucketize(values, edges, right=True) - 1
    place[values == edges[-1]] = num - 1
    inside = (place >= 0) & (place < num)
    return torch.zeros(num, dtype=torch.float64).index_add_(0, place[inside], masses.double()[inside])


def _cumulative(low: Tensor, high: Tensor, masses: Tensor, edges: Tensor) -> Tensor:
    """The mass below each edge: of the cells that end there or before, and the share of those that it cuts."""
    ends, order = high.sort()
    total = torch.cat([masses.new_zeros(1), masses[order].cumsum(0)])
    below = total[torch.bucketize(edges, ends, right=True)]
    for cells in torch.split(torch.arange(len(low)), max(1, _PAIRS // len(edges))):
        first = torch.bucketize(low[cells], edges, right=True)
        cuts = (torch.bucketize(high[cells], edges) - first).clamp(min=0)
        cell = cells.repeat_interleave(cuts)
        edge = torch.arange(len(cell)) - (cuts.cumsum(0) - cuts - first).repeat_interleave(cuts)
        share = (edges[edge] - low[cell]) / (high[cell] - low[cell])
        below.index_add_(0, edge, masses[cell] * share)
    return below
