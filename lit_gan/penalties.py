r"""What D pays beside its loss, for a steep slope or for logits that run away.

D minimises half the sum of its two parts and of its penalties:

.. math:: \tfrac12 \Big( L_{real} + L_{generated} + \sum_i w_i P_i \Big)

So a weight is typed as it is published for a loss that is the plain sum of its two parts: the :math:`\gamma` of R1 in
StyleGAN2 and of R1 and R2 in R3GAN, the :math:`\lambda` of WGAN-GP. The objectives of :mod:`lit_gan.objectives` are
halved, and the penalties with them: their ratio is the published one.

A new penalty is one subclass of :class:`Penalty`; YAML names it by its ``class_path`` at once.
"""

import math
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_gan.adaptive import Adaptive
from lit_gan.errors import UserError
from lit_gan.schedules import Scalar, ends_of, scalar_at

if TYPE_CHECKING:
    from lit_gan.engine.turn import Turn


class Penalty(Adaptive, ABC):
    """A term of D's loss that may depend on the gradients of D at its inputs.

    A round in which a penalty is due passes D in 32 bits (outside autocast) and uncompiled, for its gradient is
    differentiated once more. The images are those before augmentation, the gradients go through it.

    Args:
        weight: What the term counts, as published for a loss that is the plain sum of its two halves; or a
            :class:`~lit_gan.schedules.ScalarSchedule` of it.
        every: Lazy regularisation: the term counts in the rounds 0, ``every``, 2 ``every``, ... alone, with ``every``
            times its weight.

    Raises:
        UserError: If the weight is negative or not finite, or ``every`` below 1.

    Example:
        >>> class Offset(Penalty):  # keeps D's logits near 0
        ...     differentiates = ()
        ...     def __call__(self, turn):
        ...         return turn.real_logits.square().mean() + turn.fake_logits.square().mean()
        >>> Offset(weight=0.001).name
        'offset'
    """

    differentiates: tuple[str, ...] = ("x", "generated")
    """Of which of the turn's images the gradient of D is needed: ``turn.x``, ``turn.generated``, both or none. They
    require a gradient then, and :meth:`Turn.gradient` gives D's from the forward pass that is made anyway."""

    of_slopes = True
    """Whether the term depends on a gradient of D, which is differentiated once more. Where no penalty that is due
    says so, D passes as in any other round: in the precision of the training, compiled where it is."""

    weight: Scalar = 1.0
    every = 1

    def __init__(self, weight: Scalar, every: int = 1) -> None:
        if not all(0 <= end < math.inf for end in ends_of(weight)):
            raise UserError(
                f"{type(self).__name__} weight = {' to '.join(map(str, ends_of(weight)))}: expected a number that is "
                "not negative."
            )
        if every < 1:
            raise UserError(f"{type(self).__name__} every = {every}: expected at least 1, which is each round.")
        self.weight = weight
        self.every = every

    @abstractmethod
    def __call__(self, turn: "Turn") -> Tensor:
        """The term, before its weight; logged as ``train/penalty_<name>``.

        Args:
            turn: D's turn: examples, samples, and D's logits on both.

        Returns:
            A scalar, the mean over the rows.
        """

    def factor(self, round_index: int) -> float:
        """What it counts in a round in which it is due, beside half the sum of D's two parts.

        Args:
            round_index: Rounds completed so far.
        """
        return 0.5 * self.every * scalar_at(self.weight, round_index)

    @property
    def name(self) -> str:
        """What it is logged by: the class's name in small letters, ``gradient_penalty`` for ``GradientPenalty``."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", type(self).__name__).lower()


class R1(Penalty):
    r"""The squared slope of D at the examples.

    .. math:: R_1 = \tfrac12 E_{x \sim p_{data}} \lVert \nabla_x D(x) \rVert^2

    with the weight :math:`\gamma`. The norm is over all pixels of an example; of a map of logits, D is its sum.
    Published: 10 at 1024 x 1024, 1 at 256 x 256 and 0.01 on CIFAR-10 (StyleGAN2, ``every=16``); 0.05 on CIFAR-10 and 2
    on 64 x 64 faces with R2 (R3GAN, in each round).

    Args:
        weight: :math:`\gamma`.
        every: See :class:`Penalty`.

    Example:
        >>> from lit_gan.engine.turn import Turn
        >>> x, generated = torch.ones(4, 1, 2, 2, requires_grad=True), torch.zeros(4, 1, 2, 2)
        >>> turn = Turn("discriminator", x, generated, real_logits=3 * x.sum((1, 2, 3)), fake_logits=torch.zeros(4))
        >>> R1(weight=1.0)(turn).item()  # half of 4 pixels with a slope of 3 each
        18.0

    Reference:
        Mescheder et al. 2018, *Which Training Methods for GANs do actually Converge?*, eq. 9.
    """

    differentiates = ("x",)

    def __init__(self, weight: Scalar = 1.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, turn: "Turn") -> Tensor:
        """Half the mean squared norm of D's gradient at the examples; see :meth:`Penalty.__call__`."""
        return 0.5 * _squared_norms(turn.gradient("x")).mean()


class R2(Penalty):
    r"""The squared slope of D at the samples.

    .. math:: R_2 = \tfrac12 E_{z \sim p_z} \lVert \nabla_x D(x) \rVert^2_{x = G(z)}

    As :class:`R1`; beside it, both come from one differentiation of the pass over examples and samples.

    Args:
        weight: :math:`\gamma`.
        every: See :class:`Penalty`.

    Example:
        >>> from lit_gan.engine.turn import Turn
        >>> x, generated = torch.zeros(4, 1, 2, 2), torch.ones(4, 1, 2, 2, requires_grad=True)
        >>> turn = Turn("discriminator", x, generated, torch.zeros(4), fake_logits=3 * generated.sum((1, 2, 3)))
        >>> R2(weight=1.0)(turn).item()  # half of 4 pixels with a slope of 3 each
        18.0

    Reference:
        Mescheder et al. 2018, *Which Training Methods for GANs do actually Converge?*, eq. 10.
    """

    differentiates = ("generated",)

    def __init__(self, weight: Scalar = 1.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, turn: "Turn") -> Tensor:
        """Half the mean squared norm of D's gradient at the samples; see :meth:`Penalty.__call__`."""
        return 0.5 * _squared_norms(turn.gradient("generated")).mean()


class GradientPenalty(Penalty):
    r"""The penalty of WGAN-GP: slopes of 1 between examples and samples.

    .. math::
        P = E \big( \lVert \nabla_{\hat x} D(\hat x) \rVert - 1 \big)^2, \qquad
        \hat x = \epsilon x + (1 - \epsilon) G(z), \quad \epsilon \sim U(0, 1)

    with the weight :math:`\lambda`. It costs a further forward pass of D. :math:`\epsilon` is one number per row, a
    function of (seed, round, turn, rank). D should have no batch normalisation: no slope would be an example's own.

    Args:
        weight: :math:`\lambda`.
        every: See :class:`Penalty`.

    Example:
        >>> from lit_gan.engine.turn import Turn
        >>> x, generated = torch.ones(4, 1, 2, 2), torch.zeros(4, 1, 2, 2)
        >>> of_slope_two = {"discriminate": lambda images, condition: images.sum((1, 2, 3))}  # 1 at each of 4 pixels
        >>> turn = Turn("discriminator", x, generated, torch.ones(4), torch.zeros(4), **of_slope_two)
        >>> GradientPenalty()(turn).item()
        1.0

    Reference:
        Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*, eq. 3.
    """

    differentiates = ()

    def __init__(self, weight: Scalar = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, turn: "Turn") -> Tensor:
        """The mean squared distance of D's slope from 1 between the two; see :meth:`Penalty.__call__`."""
        share = turn.uniform()
        between = (share * turn.x + (1 - share) * turn.generated).detach().requires_grad_()
        logits = turn.discriminate(between, turn.condition)
        [gradient] = torch.autograd.grad(logits.sum(), between, create_graph=True)
        slopes: Tensor = torch.linalg.vector_norm(_as_rows(gradient), dim=1)
        return (slopes - 1).square().mean()


class LeCam(Penalty):
    r"""D's logits near what it has said so far of the other side, so that it does not run away where examples are few.

    .. math::
        P = E_{x \sim p_{data}} \big[ \mathrm{relu}(D(x) - \alpha_g)^2 \big]
          + E_{z \sim p_z} \big[ \mathrm{relu}(\alpha_x - D(G(z)))^2 \big]

    with the weight :math:`\lambda`. :math:`\alpha_x` and :math:`\alpha_g` are moving averages of D's mean logit on
    examples and on samples, over all ranks: of the last minibatch of each round in which D moved. They are part of the
    checkpoint. Made for :class:`~lit_gan.objectives.Hinge`; where only differences of logits mean anything
    (``RelativisticPairing``, ``Wasserstein``) it holds what should float.

    Args:
        weight: :math:`\lambda`.
        every: See :class:`Penalty`.
        decay: Of the moving averages, per round, in [0, 1).
        start: Rounds in which D moves before it counts; until then the averages are the last round's means.

    Raises:
        UserError: If the decay is outside its range, or ``start`` below 1.

    Example:
        >>> from lit_gan.engine.turn import Turn
        >>> penalty = LeCam(start=1)
        >>> penalty.observe({"logit_real": torch.tensor(1.0), "logit_fake": torch.tensor(-1.0)})
        >>> x, generated = torch.ones(4, 1, 2, 2), torch.zeros(4, 1, 2, 2)
        >>> turn = Turn("discriminator", x, generated, real_logits=torch.ones(4), fake_logits=-torch.ones(4))
        >>> penalty(turn).item()  # both 2 beyond what was said of the other side
        8.0

    Reference:
        Tseng et al. 2021, *Regularizing Generative Adversarial Networks under Limited Data*, eq. 5; one-sided, and with
        the defaults, as in the authors' code.
    """

    differentiates = ()
    of_slopes = False

    def __init__(self, weight: Scalar = 0.3, every: int = 1, decay: float = 0.99, start: int = 1000) -> None:
        super().__init__(weight, every)
        if not 0 <= decay < 1:
            raise UserError(f"LeCam decay = {decay}: expected a number in [0, 1).")
        if start < 1:
            raise UserError(f"LeCam start = {start}: expected at least 1: the averages need a round to begin with.")
        self.decay = decay
        self.start = start
        self._seen = 0
        self._means: dict[str, Tensor] = {}

    def __call__(self, turn: "Turn") -> Tensor:
        """How far D's logits are beyond the averages of the other side; 0 at first. See :meth:`Penalty.__call__`."""
        real, fake = turn.real_logits, turn.fake_logits
        if self._seen < self.start:
            return 0.0 * (real.mean() + fake.mean())
        of_x, of_g = (self._means[name].to(real) for name in _MEAN_LOGITS)
        return F.relu(real - of_g).square().mean() + F.relu(of_x - fake).square().mean()

    def observe(self, quantities: Mapping[str, Tensor]) -> None:
        """Moves the averages towards a round's means."""
        if not all(name in quantities for name in _MEAN_LOGITS):  # D rested
            return
        stays = self.decay if self._seen >= self.start else 0.0
        for name in _MEAN_LOGITS:
            now = quantities[name].detach()
            self._means[name] = stays * self._means.get(name, now) + (1 - stays) * now
        self._seen += 1

    def state_dict(self) -> dict[str, Any]:
        """The averages, and over how many rounds."""
        return {"seen": self._seen, "means": dict(self._means)} if self._seen else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where that one stopped."""
        self._seen, self._means = int(state["seen"]), dict(state["means"])


_MEAN_LOGITS = ("logit_real", "logit_fake")


def _as_rows(gradient: Tensor) -> Tensor:
    """A gradient per row, in at least 32 bits: squares of 16 bits are soon 0."""
    return gradient.flatten(1).to(torch.promote_types(gradient.dtype, torch.float32))


def _squared_norms(gradient: Tensor) -> Tensor:
    return _as_rows(gradient).square().sum(1)


def by_name(penalties: Sequence[Penalty]) -> dict[str, Penalty]:
    """The penalties by the names that they are logged by; a namesake is numbered.

    Example:
        >>> list(by_name([R1(), R2(), R1(0.1, every=4)]))
        ['r1', 'r2', 'r1_2']
    """
    names = [penalty.name for penalty in penalties]
    numbers = [names[:index].count(name) + 1 for index, name in enumerate(names)]
    return {
        name if number == 1 else f"{name}_{number}": penalty
        for name, number, penalty in zip(names, numbers, penalties, strict=True)
    }


def due_in(round_index: int, penalties: Sequence[Penalty]) -> dict[str, Penalty]:
    """Those that count in a round, by name.

    Example:
        >>> list(due_in(0, [R1(every=4), R2()])), list(due_in(2, [R1(every=4), R2()]))
        (['r1', 'r2'], ['r2'])
    """
    return {name: penalty for name, penalty in by_name(penalties).items() if round_index % penalty.every == 0}


@contextmanager
def twice_differentiable(device: torch.device) -> Iterator[None]:
    """D is passed in 32 bits and uncompiled here: torch compiles no graph that is differentiated twice."""
    # Nothing is compiled where dynamo was never imported, and importing it takes seconds.
    dynamo = sys.modules.get("torch._dynamo")
    stance = torch.compiler.set_stance("force_eager") if dynamo else nullcontext()
    with torch.autocast(device.type, enabled=False), stance:
        yield
