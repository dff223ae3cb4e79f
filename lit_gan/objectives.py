r"""What each player minimises, on logits.

Every objective is two pure functions: ``loss_d(real_logits, fake_logits)`` and ``loss_g(fake_logits)``, or
``loss_g(fake_logits, real_logits)`` where it pairs samples with examples. As in the authors' code, D's loss is half the
sum of its real and its generated part. With :math:`D = \mathrm{sigmoid}(logit)`,
:math:`\log D` is ``logsigmoid(logit)`` and :math:`\log(1 - D)` is ``logsigmoid(-logit)``: exact at any logit, with a
gradient that never vanishes by rounding.

A new objective is one subclass of :class:`Objective`; YAML names it by its ``class_path`` at once.
"""

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor

from lit_gan.functional.over_ranks import mean_over_ranks


class Objective(ABC):
    """The pair of losses of a game; stateless.

    Example:
        >>> import torch
        >>> class Linear(Objective):
        ...     def loss_d(self, real_logits, fake_logits):
        ...         return 0.5 * (fake_logits.mean() - real_logits.mean())
        ...     def loss_g(self, fake_logits):
        ...         return -fake_logits.mean()
        >>> Linear().loss_g(torch.ones(4))
        tensor(-1.)
    """

    logits_are_log_odds = True
    """Whether the sigmoid of a logit is D's probability that it was shown data. Where D is a critic or a regression,
    V(D, G), the bound on the divergence and the means of D say nothing, and are not logged."""

    pairs_examples = False
    """Whether ``loss_g`` compares samples with examples. Its turn then has a fresh minibatch of examples of its own: a
    round takes k + 1 minibatches, and ``loss_g`` is given D's logits on it."""

    matches_features = False
    """Whether ``loss_g`` compares what D sees in samples and in examples, not what it says of them. It is then given
    features of D's, ``(N, F)``, in place of logits, and a round takes k + 1 minibatches, as where examples are paired;
    on held-out examples, where there are logits alone, there is no ``loss_g``."""

    decision_boundary: float | None = 0.0
    """The logit above which D takes what it is shown for an example; ``None`` where only differences of logits mean
    anything: D is right there where an example's logit is above that of the sample in the same row. D's accuracy, which
    a coordination may watch, is counted by it."""

    needs_bounded_slope = False
    """Whether D has to be kept from growing ever steeper, by a penalty or by its network, for the loss to say anything:
    where neither is there, a training warns of it."""

    @abstractmethod
    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """The discriminator's loss.

        Args:
            real_logits: D's logits on examples, ``(N, 1)``.
            fake_logits: D's logits on generated samples, ``(M, 1)``.

        Returns:
            A scalar: 0.5 x (mean over the examples + mean over the samples).
        """

    @abstractmethod
    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """The generator's loss; where :attr:`pairs_examples` is false, ``loss_g(self, fake_logits)`` is enough.

        Args:
            fake_logits: D's logits on generated samples, ``(M, 1)``.
            real_logits: D's logits on as many fresh examples, ``(M, 1)``, where :attr:`pairs_examples` is true; else
                ``None``.

        Returns:
            A scalar, the mean over the samples.
        """


class _CrossEntropyDiscriminator(Objective):
    """D as the classifier of the paper: it ascends V(D, G), halved."""

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """``-0.5 (mean log D(x) + mean log(1 - D(G(z))))``; see :meth:`Objective.loss_d`."""
        return -0.5 * (F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean())


class Minimax(_CrossEntropyDiscriminator):
    r"""The minimax game itself: G descends what D ascends.

    .. math::
        L_D = -\tfrac12 \left( E[\log D(x)] + E[\log(1 - D(G(z)))] \right), \qquad L_G = E[\log(1 - D(G(z)))]

    Example:
        >>> import torch
        >>> Minimax().loss_g(torch.zeros(3, 1))
        tensor(-0.6931)

    Reference:
        Goodfellow et al. 2014, eq. 1 and Algorithm 1.
    """

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``mean log(1 - D(G(z)))``; see :meth:`Objective.loss_g`."""
        return F.logsigmoid(-fake_logits).mean()


class NonSaturating(_CrossEntropyDiscriminator):
    r"""What the paper trains in practice: G ascends :math:`\log D(G(z))`.

    .. math:: L_G = -E[\log D(G(z))]

    The fixed point is that of :class:`Minimax`, the gradients early in learning are much stronger.

    Example:
        >>> import torch
        >>> NonSaturating().loss_g(torch.full((3, 1), -100.0))
        tensor(100.)

    Reference:
        Goodfellow et al. 2014, section 3.
    """

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``-mean log D(G(z))``; see :meth:`Objective.loss_g`."""
        return -F.logsigmoid(fake_logits).mean()


class LeastSquares(Objective):
    r"""Least squares with the targets 1 for examples and 0 for samples.

    .. math:: L_D = \tfrac12 E[(D(x) - 1)^2] + \tfrac12 E[D(G(z))^2], \qquad L_G = \tfrac12 E[(D(G(z)) - 1)^2]

    where D is the logit itself.

    Example:
        >>> import torch
        >>> LeastSquares().loss_d(torch.ones(2, 1), torch.ones(2, 1))
        tensor(0.5000)

    Reference:
        Mao et al. 2017, *Least Squares Generative Adversarial Networks*, eq. 9 (a = 0, b = c = 1).
    """

    logits_are_log_odds = False
    decision_boundary = 0.5

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """``0.5 (mean (D(x) - 1)^2 + mean D(G(z))^2)``; see :meth:`Objective.loss_d`."""
        return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``0.5 mean (D(G(z)) - 1)^2``; see :meth:`Objective.loss_g`."""
        return 0.5 * (fake_logits - 1).square().mean()


class Hinge(Objective):
    r"""The hinge loss for D, a linear one for G.

    .. math:: L_D = \tfrac12 \left( E[\max(0, 1 - D(x))] + E[\max(0, 1 + D(G(z)))] \right), \qquad L_G = -E[D(G(z))]

    Example:
        >>> import torch
        >>> Hinge().loss_d(torch.full((2, 1), 3.0), torch.zeros(2, 1))
        tensor(0.5000)

    Reference:
        Lim and Ye 2017, *Geometric GAN*; halved as every objective here.
    """

    logits_are_log_odds = False

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """``0.5 (mean relu(1 - D(x)) + mean relu(1 + D(G(z))))``; see :meth:`Objective.loss_d`."""
        return 0.5 * (F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean())

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``-mean D(G(z))``; see :meth:`Objective.loss_g`."""
        return -fake_logits.mean()


class Wasserstein(Objective):
    r"""The dual form of the Wasserstein distance.

    D has to be kept Lipschitz: by :class:`lit_gan.penalties.GradientPenalty`, or by the network (spectral
    normalisation, a max norm).

    .. math:: L_D = \tfrac12 \left( E[D(G(z))] - E[D(x)] \right), \qquad L_G = -E[D(G(z))]

    Example:
        >>> import torch
        >>> Wasserstein().loss_d(torch.ones(2, 1), torch.zeros(2, 1))
        tensor(-0.5000)

    Reference:
        Arjovsky et al. 2017, *Wasserstein GAN*; halved as every objective here.
    """

    logits_are_log_odds = False
    decision_boundary = None
    needs_bounded_slope = True

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """``0.5 (mean D(G(z)) - mean D(x))``; see :meth:`Objective.loss_d`."""
        return 0.5 * (fake_logits.mean() - real_logits.mean())

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``-mean D(G(z))``; see :meth:`Objective.loss_g`."""
        return -fake_logits.mean()


class RelativisticPairing(Objective):
    r"""Each sample against an example: D ranks the example above it, G the other way round.

    .. math::
        L_D = \tfrac12 E[\mathrm{softplus}(D(G(z)) - D(x))], \qquad L_G = E[\mathrm{softplus}(D(x') - D(G(z)))]

    :math:`x'` is a fresh minibatch of G's own. Halved as every objective here, so that with
    ``penalties=[R1(gamma), R2(gamma)]`` the two stand to each other as published.

    Example:
        >>> import torch
        >>> objective = RelativisticPairing()
        >>> objective.loss_g(torch.full((3, 1), -50.0), torch.full((3, 1), 50.0))
        tensor(100.)

    Reference:
        Jolicoeur-Martineau 2019, *The relativistic discriminator*, section 4.1; Huang et al. 2024, *The GAN is dead;
        long live the GAN! A Modern GAN Baseline* (R3GAN), eq. 2.
    """

    logits_are_log_odds = False
    pairs_examples = True
    decision_boundary = None

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """``0.5 mean softplus(D(G(z)) - D(x))``, row by row; see :meth:`Objective.loss_d`."""
        return 0.5 * F.softplus(fake_logits - real_logits).mean()

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``mean softplus(D(x') - D(G(z)))``, row by row; see :meth:`Objective.loss_g`."""
        assert real_logits is not None  # noqa: S101 -- pairs_examples says so
        return F.softplus(real_logits - fake_logits).mean()


class FeatureMatching(_CrossEntropyDiscriminator):
    r"""G makes the mean of D's features over its samples that over the examples; D is the classifier of the paper.

    .. math:: L_G = \tfrac1F \| E[h(G(z))] - E[h(x')] \|^2

    :math:`h`, of F columns, is D's method ``features``, and :math:`x'` a fresh minibatch of G's own. The means are
    those over all ranks, so that N ranks do what one process does on the same global batch; over micro-batches they are
    not: with ``micro_batches`` above 1 each is matched by itself. G's turn is outside autocast, for the loss is a small
    difference of means: in 16 bits G learns nothing.

    Example:
        >>> import torch
        >>> FeatureMatching().loss_g(torch.ones(4, 2), torch.zeros(3, 2))
        tensor(1.)

    Reference:
        Salimans et al. 2016, *Improved Techniques for Training GANs*, section 3.1; there the sum over the columns.
    """

    matches_features = True
    pairs_examples = True

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """``mean over columns of (mean h(G(z)) - mean h(x'))^2``, of features ``(N, F)`` and ``(M, F)``."""
        assert real_logits is not None  # noqa: S101 -- pairs_examples says so
        return mean_over_ranks(fake_logits.mean(0) - real_logits.mean(0)).square().mean()
