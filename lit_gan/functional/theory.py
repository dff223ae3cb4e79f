"""The theory of section 4 of the paper: the value function, the best D, the criterion of G, and how it is lowered.

Two distributions are given by their values at the same points: probabilities that add up to 1, or, with ``weights``,
densities at the nodes of a quadrature rule with these weights.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.functional.arrays import Values, as_tensor

_MASS_TOLERANCE = 1e-4


def value_function(
    real_logits: Values,
    fake_logits: Values,
    real_mass: Values | None = None,
    fake_mass: Values | None = None,
) -> Tensor:
    r"""The value function :math:`V(D, G)` (eq. 1), estimated on a minibatch, or exact on known distributions.

    .. math:: V(D, G) = E_{x \sim p_{data}}[\log D(x)] + E_{z \sim p_z}[\log(1 - D(G(z)))]

    with :math:`D = \mathrm{sigmoid}(logit)`, so that :math:`1 - D` is the sigmoid of the negated logit and neither
    logarithm ever overflows.

    Args:
        real_logits: D's logits on examples, any shape; a tensor, or anything that NumPy takes for an array.
        fake_logits: D's logits on generated samples, any shape.
        real_mass: How much of the data's distribution each of ``real_logits`` stands for, of their shape: a
            probability, or a density times the weight of its node; where it is 0 the logit may be anything. Without
            it each counts alike.
        fake_mass: The same of the generator's distribution, for ``fake_logits``.

    Returns:
        A scalar in nats, at most 0; :math:`-\log 4` where D cannot tell the two apart.

    Raises:
        UserError: If masses are not of their logits' shape.

    Example:
        >>> import torch
        >>> value_function(torch.zeros(5), torch.zeros(5))
        tensor(-1.3863)

    Reference:
        Goodfellow et al. 2014, eq. 1.
    """
    real, fake = as_tensor("real_logits", real_logits), as_tensor("fake_logits", fake_logits)
    return _expectation(F.logsigmoid(real), "real_mass", real_mass) + _expectation(
        F.logsigmoid(-fake), "fake_mass", fake_mass
    )


def jsd_lower_bound(value: Values) -> Tensor:
    r"""The lower bound on the Jensen-Shannon divergence that a value :math:`V(D, G)` implies.

    Since :math:`\max_D V(D, G) = -\log 4 + 2 \, JSD(p_{data} \| p_g)` (eq. 6), any discriminator gives

    .. math:: JSD(p_{data} \| p_g) \ge (V(D, G) + \log 4) / 2

    Args:
        value: :math:`V(D, G)` in nats; an expectation (on a single minibatch the bound holds up to sampling noise).

    Returns:
        The bound in nats, of the shape of ``value``: at most :math:`\log 2`, negative for a D worse than a coin.

    Example:
        >>> import torch
        >>> jsd_lower_bound(torch.tensor(0.0))  # D is always right: the distributions do not overlap
        tensor(0.6931)

    Reference:
        Goodfellow et al. 2014, eq. 4-6.
    """
    return (as_tensor("value", value) + math.log(4.0)) / 2.0


def optimal_discriminator(p_data: Values, p_g: Values) -> Tensor:
    r"""The best D against a fixed G (proposition 1).

    .. math:: D^*(x) = \frac{p_{data}(x)}{p_{data}(x) + p_g(x)}

    Args:
        p_data: The data's probabilities or densities at some points, any shape.
        p_g: The generator's, at the same points.

    Returns:
        :math:`D^*` at these points, in [0, 1], float64; not a number where neither distribution has any mass, for
        there D is asked nothing.

    Raises:
        UserError: If the two are not finite numbers from 0 on, of one shape.

    Example:
        >>> optimal_discriminator([0.5, 0.5, 0.0], [0.0, 0.5, 0.5]).tolist()
        [1.0, 0.5, 0.0]

    Reference:
        Goodfellow et al. 2014, eq. 2.
    """
    data, generated = _values("p_data", p_data), _values("p_g", p_g)
    _check_shapes("p_data", data, "p_g", generated)
    return data / (data + generated)


def kullback_leibler_divergence(p: Values, q: Values, weights: Values | None = None) -> Tensor:
    r"""The Kullback-Leibler divergence of two known distributions.

    .. math:: KL(p \| q) = \sum_x p(x) \log \frac{p(x)}{q(x)}

    Args:
        p: Probabilities that add up to 1, any shape; with ``weights``, densities at the nodes of a quadrature rule.
        q: Those of the other distribution, at the same points.
        weights: The rule's weights, of the same shape.

    Returns:
        A scalar in nats, float64, from 0 on; infinite where q has no mass at a point at which p has some.

    Raises:
        UserError: If p or q is no distribution, or their shapes differ.

    Example:
        >>> kullback_leibler_divergence([0.5, 0.5], [0.25, 0.75])
        tensor(0.1438, dtype=torch.float64)

    Reference:
        Kullback and Leibler 1951; Goodfellow et al. 2014, eq. 5.
    """
    left, right, each = _distributions(("p", p), ("q", q), weights)
    return _divergence(left, right, each)


def jensen_shannon_divergence(p: Values, q: Values, weights: Values | None = None) -> Tensor:
    r"""The Jensen-Shannon divergence of two known distributions.

    .. math:: JSD(p \| q) = \tfrac12 KL(p \| \tfrac{p + q}{2}) + \tfrac12 KL(q \| \tfrac{p + q}{2})

    Args:
        p: Probabilities that add up to 1, any shape; with ``weights``, densities at the nodes of a quadrature rule.
        q: Those of the other distribution, at the same points.
        weights: The rule's weights, of the same shape.

    Returns:
        A scalar in nats, float64: 0 where the two are one, :math:`\log 2` where they do not overlap.

    Raises:
        UserError: If p or q is no distribution, or their shapes differ.

    Example:
        >>> jensen_shannon_divergence([1.0, 0.0], [0.0, 1.0])
        tensor(0.6931, dtype=torch.float64)

    Reference:
        Lin 1991; Goodfellow et al. 2014, eq. 6.
    """
    left, right, each = _distributions(("p", p), ("q", q), weights)
    middle = (left + right) / 2
    return (_divergence(left, middle, each) + _divergence(right, middle, each)) / 2


def generator_criterion(p_data: Values, p_g: Values, weights: Values | None = None) -> Tensor:
    r"""What G has to minimise once D is the best one: the virtual training criterion (theorem 1).

    .. math:: C(G) = \max_D V(D, G) = E_{p_{data}}[\log D^*] + E_{p_g}[\log(1 - D^*)]
        = -\log 4 + 2 \, JSD(p_{data} \| p_g)

    Args:
        p_data: Probabilities that add up to 1, any shape; with ``weights``, densities at the nodes of a quadrature
            rule.
        p_g: Those of the generator, at the same points.
        weights: The rule's weights, of the same shape.

    Returns:
        A scalar in nats, float64, from :math:`-\log 4`, where :math:`p_g = p_{data}` and nowhere else, to 0. It can be
        differentiated: its gradient in :math:`p_g` is :math:`\log(1 - D^*)`.

    Raises:
        UserError: If one of the two is no distribution, or their shapes differ.

    Example:
        >>> generator_criterion([0.5, 0.5], [0.5, 0.5])
        tensor(-1.3863, dtype=torch.float64)

    Reference:
        Goodfellow et al. 2014, eq. 4.
    """
    data, generated, each = _distributions(("p_data", p_data), ("p_g", p_g), weights)
    both = data + generated
    return _divergence(data, both, each) + _divergence(generated, both, each)


def lower_criterion(p_data: Values, p_g: Values, num_steps: int, step_size: float = 1.0) -> tuple[Tensor, Tensor]:
    r"""The algorithm of proposition 2 on distributions that can be written down: D at its optimum, then G's step.

    The criterion is convex in :math:`p_g`, and its gradient there is :math:`\log(1 - D^*)`, D being at its optimum.
    Each step follows that gradient on the simplex of distributions (mirror descent with the entropy),

    .. math:: p_g \leftarrow \tfrac1Z \, p_g \, (1 - D^*)^{-\eta}

    Since :math:`C` bends less than the negative entropy does (:math:`\tfrac1{p_g} - \tfrac1{p_g + p_{data}} \le
    \tfrac1{p_g}`), any step size up to 1 lowers it until :math:`p_g = p_{data}`. At 1 the step is :math:`p_g \leftarrow
    (p_g + p_{data}) / 2`: it halves the distance.

    This is a statement on :math:`p_g` itself. A generator moves the parameters of a network, in which the criterion is
    not convex, and is given a D that is not at its optimum: that a GAN converges does not follow.

    Args:
        p_data: Probabilities that add up to 1, any shape.
        p_g: Those with which the generator begins. With a step size below 1 what has no mass never gets any.
        num_steps: How many steps.
        step_size: :math:`\eta`, above 0 and at most 1.

    Returns:
        The distributions ``(num_steps + 1, *shape)``, the first that of the beginning, and the criterion of each,
        ``(num_steps + 1,)``, float64.

    Raises:
        UserError: If one of the two is no distribution, their shapes differ, or a number is out of its range.

    Example:
        >>> distributions, criterion = lower_criterion([0.75, 0.25], [0.25, 0.75], num_steps=2)
        >>> distributions[:, 0].tolist()
        [0.25, 0.5, 0.625]
        >>> bool((criterion.diff() < 0).all())
        True

    Reference:
        Goodfellow et al. 2014, proposition 2; Lu, Freund and Nesterov 2018 (relative smoothness).
    """
    if num_steps < 0 or not 0 < step_size <= 1:
        raise UserError(
            f"num_steps = {num_steps}, step_size = {step_size}: expected a number of steps from 0 on, and a step above "
            "0 and at most 1, which lowers the criterion."
        )
    data, generated, _ = _distributions(("p_data", p_data), ("p_g", p_g), None)
    distributions = [generated]
    for _ in range(num_steps):
        # p (1 - D*)^-eta, without a quotient of two zeros.
        moved = distributions[-1] ** (1 - step_size) * (distributions[-1] + data) ** step_size
        distributions.append(moved / moved.sum())
    criterion = [generator_criterion(data, each) for each in distributions]
    return torch.stack(distributions), torch.stack(criterion)


def _expectation(values: Tensor, name: str, mass: Values | None) -> Tensor:
    if mass is None:
        return values.mean()
    masses = _values(name, mass)
    _check_shapes(name, masses, "the logits", values)
    return (masses * torch.where(masses > 0, values, 0.0)).sum()


def _divergence(p: Tensor, q: Tensor, each: Tensor) -> Tensor:
    """The integral of p log(p / q), to which points without any p contribute nothing, to its gradient neither."""
    some = p > 0
    ratio = torch.where(some, p, 1.0).log() - torch.where(some, q, 1.0).log()
    return (each * p * ratio).sum()


def _distributions(
    one: tuple[str, Values], other: tuple[str, Values], weights: Values | None
) -> tuple[Tensor, Tensor, Tensor]:
    (name, _), (other_name, _) = one, other
    p, q = _values(*one), _values(*other)
    _check_shapes(name, p, other_name, q)
    each = torch.ones_like(p) if weights is None else _values("weights", weights)
    _check_shapes(name, p, "weights", each)
    for whose, values in ((name, p), (other_name, q)):
        mass = float((each * values).detach().sum())
        if abs(mass - 1) > _MASS_TOLERANCE:
            way = "probabilities that add up to 1" if weights is None else "densities with a mass of 1"
            more = "" if weights is None else ": more nodes, or a wider range"
            raise UserError(f"{whose} has a mass of {mass:.6g} in all: expected {way}{more}.")
    return p, q, each


def _values(name: str, values: Values) -> Tensor:
    found = as_tensor(name, values)
    found = found.to("cpu" if found.device.type == "mps" else found.device, torch.float64)
    if not bool((found.isfinite() & (found >= 0)).all()):
        raise UserError(f"{name} has values below 0, or that are not finite: expected probabilities or densities.")
    return found


def _check_shapes(name: str, values: Tensor, other_name: str, others: Tensor) -> None:
    if values.shape != others.shape:
        raise UserError(
            f"{name} has shape {tuple(values.shape)}, {other_name} {tuple(others.shape)}: expected values at the same "
            "points."
        )
