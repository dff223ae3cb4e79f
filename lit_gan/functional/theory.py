"""The value function and what it says about the two distributions (section 4 of the paper), on logits."""

import math

import torch.nn.functional as F
from torch import Tensor

from lit_gan.functional.arrays import Values, as_tensor


def value_function(real_logits: Values, fake_logits: Values) -> Tensor:
    r"""The value function :math:`V(D, G)` (eq. 1), estimated on a minibatch.

    .. math:: V(D, G) = E_{x \sim p_{data}}[\log D(x)] + E_{z \sim p_z}[\log(1 - D(G(z)))]

    with :math:`D = \mathrm{sigmoid}(logit)`, so that :math:`1 - D` is the sigmoid of the negated logit and neither
    logarithm ever overflows.

    Args:
        real_logits: D's logits on examples, any shape; a tensor, or anything that NumPy takes for an array.
        fake_logits: D's logits on generated samples, any shape.

    Returns:
        A scalar in nats, at most 0; :math:`-\log 4` where D cannot tell the two apart.

    Example:
        >>> import torch
        >>> value_function(torch.zeros(5), torch.zeros(5))
        tensor(-1.3863)

    Reference:
        Goodfellow et al. 2014, eq. 1.
    """
    real, fake = as_tensor("real_logits", real_logits), as_tensor("fake_logits", fake_logits)
    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()


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
