"""An exponential moving average of a discriminator that is a classifier."""

import torch
from lightning.pytorch import LightningModule, Trainer

from lit_gan.callbacks.moving_average import MovingAverage
from lit_gan.errors import UserError
from lit_gan.extensions.semi_supervised import SemiSupervisedGAN
from lit_gan.functional.torch_seam import move_towards
from lit_gan.networks.parameter_names import plain_parameters


class DiscriminatorEMA(MovingAverage):
    """Keeps an exponential moving average of D's weights, for what a :class:`lit_gan.SemiSupervisedGAN` classifies.

    As :class:`GeneratorEMA`, of the other player: one step per round, one of three arguments tells how it forgets.
    ``gan.classify``, ``val/error`` and ``test/error`` use the average; training, V(D, G) and D's other numbers do not.
    It is part of the checkpoint. Parameters are averaged, buffers are those of the trained weights.

    Args:
        decay: In [0, 1); 0.999 where nothing is given.
        half_life: In images, above 0.
        horizon: A fraction of the rounds so far, in (0, 1].

    Raises:
        UserError: If more than one of them is given, or one is outside its range; when training starts, if there is
            another ``DiscriminatorEMA``, or what is trained is no ``SemiSupervisedGAN``.

    Example:
        >>> callbacks = [DiscriminatorEMA(horizon=0.1)]

    Reference:
        Salimans et al. 2016, *Improved Techniques for Training GANs*: their classifier is an average, too.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuses another one."""
        self._check_alone(trainer, DiscriminatorEMA)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the average at the weights that D begins with, or goes on with the checkpoint's."""
        gan = _classifier(pl_module)
        kept = gan.discriminator_average or {}
        gan.discriminator_average = {
            name: kept.get(name, parameter).detach().to(parameter.device, copy=True)
            for name, parameter in plain_parameters(gan.discriminator).items()
        }

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Moves the average towards the weights after this round."""
        gan = _classifier(pl_module)
        average = gan.discriminator_average or {}
        parameters = plain_parameters(gan.discriminator)
        weights = [parameters[name].detach() for name in average]
        move_towards(list(average.values()), weights, 1 - self.decay_at(trainer, batch))


def _classifier(module: LightningModule) -> SemiSupervisedGAN:
    if not isinstance(module, SemiSupervisedGAN):
        raise UserError(f"DiscriminatorEMA averages a lit_gan.SemiSupervisedGAN's D: got a {type(module).__name__}.")
    return module
