"""An exponential moving average of the generator."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.networks.parameter_names import plain_parameters


class GeneratorEMA(Callback):
    r"""Keeps an exponential moving average of G's weights, one step per round.

    .. math:: \bar\theta_t = d_t \bar\theta_{t-1} + (1 - d_t) \theta_t, \qquad d_t = \min(d, (1 + t) / (10 + t))

    Validation, test, samples, ``gan(z)`` and exports use the average; training never does, nor ``gan.generator(z)``.
    The average is part of the checkpoint, and a GAN loaded from it samples with it. The warm-up :math:`d_t` forgets
    the random weights at the start.

    Parameters are averaged, buffers are not: a G with batch normalisation samples with the average weights and the
    running statistics of the trained ones. On MNIST, after 400 rounds, its samples then differ from those with
    statistics of the average weights by 0.4 % of the range.

    Args:
        decay: :math:`d`, in [0, 1): the average looks back over about :math:`1 / (1 - d)` rounds.

    Raises:
        UserError: If ``decay`` is outside [0, 1).

    Reference:
        Yazici et al. 2019, *The Unusual Effectiveness of Averaging in GAN Training*.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"GeneratorEMA: decay = {decay}: expected a number in [0, 1).")
        self.decay = decay

    averages_generator = True
    """By this the GAN knows that its average is kept; one that no callback keeps is dropped when training starts."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the average at the weights that G begins with, or goes on with the checkpoint's."""
        gan = _generative(pl_module)
        kept = gan.generator_average
        gan.generator_average = {
            name: (parameter if kept is None else kept[name]).detach().to(parameter.device, copy=True)
            for name, parameter in plain_parameters(gan.generator).items()
        }

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
        rounds = trainer.global_step
        decay = min(self.decay, (1 + rounds) / (10 + rounds))
        average = gan.generator_average or {}
        parameters = plain_parameters(gan.generator)
        weights: list[Tensor] = [parameters[name] for name in average]
        torch._foreach_lerp_(list(average.values()), weights, 1 - decay)


def _generative(module: LightningModule) -> GenerativeModule:
    if not isinstance(module, GenerativeModule):
        raise UserError(f"GeneratorEMA averages the generator of a lit_gan.GAN: got a {type(module).__name__}.")
    return module
