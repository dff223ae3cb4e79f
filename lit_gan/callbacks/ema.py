"""An exponential moving average of the generator."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lit_gan.callbacks.moving_average import MovingAverage
from lit_gan.engine.batch_norm import batch_norms
from lit_gan.errors import UserError
from lit_gan.functional.torch_seam import BatchNorm, move_towards
from lit_gan.generative import GenerativeModule
from lit_gan.networks.parameter_names import plain_parameters
from lit_gan.schedules import Scalar


class GeneratorEMA(MovingAverage):
    r"""Keeps an exponential moving average of G's weights, one step per round.

    .. math:: \bar\theta_t = d_t \bar\theta_{t-1} + (1 - d_t) \theta_t

    after round :math:`t`; :math:`\bar\theta_0` are the weights at the start. One of three arguments tells :math:`d_t`.

    ``decay`` d looks back over about :math:`1 / (1 - d)` rounds, and after h images of ``half_life`` a weight counts
    half as much:

    .. math:: d_t = \min(d, (1 + t) / (10 + t)) \qquad d_t = \min(2^{-n / h}, (1 + t) / (10 + t))

    where the bound forgets the random weights at the start, and :math:`n` are the images that G learns from in round t:
    the rows of one minibatch times the number of ranks. Batch size and ranks enter there and nowhere else.

    ``horizon`` f looks back over about the fraction f of the rounds so far, however many these are:

    .. math:: d_t = 1 - 1 / (1 + f t)

    so that the weights of round s count as :math:`s^{1/f - 1}`.

    Validation, test, samples, ``gan(z)`` and exports use the average; training never does, nor ``gan.generator(z)``.
    The average is part of the checkpoint, and a GAN loaded from it samples with it.

    Parameters are averaged, buffers are those of the trained weights, except the statistics of batch normalisation:
    these are taken anew, under the average, whenever it is used and rounds have passed since (10,000 latents by a
    hundred, 1,000 where all normalised layers are convolutions; with dropout off, as in samples). The latents are a
    function of the seed, the conditions those of ``statistics_condition``: the statistics are the same on all ranks and
    after a resume, and training notices nothing. Not taken anew are those of a batch norm that is kept in evaluation
    mode while training, and all where a condition comes from the data alone (``statistics_condition`` gives none).

    Args:
        decay: :math:`d`, in [0, 1); 0.999 where nothing is given.
        half_life: :math:`h`, in images, above 0; or a schedule of it, which may start at 0.
        horizon: :math:`f`, in (0, 1].

    Raises:
        UserError: If more than one of them is given, or one is outside its range; when training starts, if there is
            another ``GeneratorEMA``, or what is trained is no GAN.

    Example:
        >>> callbacks = [GeneratorEMA(horizon=0.3)]  # over the last third of the rounds so far

    Reference:
        Yazici et al. 2019, *The Unusual Effectiveness of Averaging in GAN Training*; ``half_life`` as in StyleGAN2 and
        R3GAN; ``horizon`` is the power function of Karras et al. 2024, *Analyzing and Improving the Training Dynamics
        of Diffusion Models*, with :math:`\gamma = 1 / f - 1`.
    """

    def __init__(
        self, decay: float | None = None, half_life: Scalar | None = None, horizon: float | None = None
    ) -> None:
        super().__init__(decay, half_life, horizon)
        self._norms: dict[str, BatchNorm] | None = None  # found in the first round, as are the weights
        self._weights: list[Tensor] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuses another one."""
        self._check_alone(trainer, GeneratorEMA)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells the module that its average, if it was loaded with one, is gone on with."""
        _generative(pl_module).keeps_average = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the average at the weights that G begins with, or goes on with the checkpoint's."""
        gan = _generative(pl_module)
        gan.check_average()
        kept = gan.generator_average
        gan.generator_average = {
            name: (parameter if kept is None else kept[name]).detach().to(parameter.device, copy=True)
            for name, parameter in plain_parameters(gan.generator).items()
        }
        if kept is None:
            gan.average_statistics, gan.statistics_due = {}, ()
        self._norms = None

    @torch.no_grad()
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Moves the average towards the weights after this round."""
        gan = _generative(pl_module)
        average = gan.generator_average or {}
        if self._norms is None:
            parameters = plain_parameters(gan.generator)
            self._weights = [parameters[name] for name in average]
        move_towards(list(average.values()), self._weights, 1 - self.decay_at(trainer, batch))
        if self._norms is None:
            self._norms = batch_norms(gan.generator) if _conditions_can_be_drawn(gan, batch) else {}
        gan.average_statistics = {}
        gan.statistics_due = tuple(name for name, norm in self._norms.items() if norm.training)


def _conditions_can_be_drawn(gan: GenerativeModule, batch: object) -> bool:
    split = getattr(gan, "split_batch", None)
    return split is None or split(batch)[1] is None or gan.statistics_condition(1) is not None


def _generative(module: LightningModule) -> GenerativeModule:
    if not isinstance(module, GenerativeModule):
        raise UserError(f"GeneratorEMA averages the generator of a lit_gan.GAN: got a {type(module).__name__}.")
    return module
