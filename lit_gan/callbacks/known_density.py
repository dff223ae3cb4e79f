"""A game on a known density beside what theory says of it."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_gan.data.mixtures import GaussianMixture
from lit_gan.errors import UserError
from lit_gan.evaluation.images import Split
from lit_gan.evaluation.known_game import check_known, known_game
from lit_gan.gan import GAN


class KnownDensityEvaluation(Callback):
    r"""Logs how far both players are from what section 4 of the paper says of them, on data of one dimension.

    The data are a :class:`lit_gan.data.ToyDataModule`'s, whose density is known, and the generator's follows from its
    weights, so that nothing here is estimated: the same numbers come from the same weights, without noise.

    - ``quadrature_value``: :math:`V(D, G)`;
    - ``generator_criterion``: :math:`C(G) = \max_D V(D, G)`, which is :math:`-\log 4 + 2 \, JSD(p_{data} \| p_g)`:
      V reaches it where D is the best one, and never passes it;
    - ``jsd``: that divergence, in nats, from 0 to :math:`\log 2`;
    - ``d_error``: :math:`E|D(x) - D^*(x)|` under :math:`(p_{data} + p_g) / 2`, from 0 to 1.

    Beside them ``val/value`` and ``val/jsd_bound`` are the usual estimates on held-out points. A module that is no GAN
    is left alone.

    Raises:
        UserError: When training or evaluation begins, if the data have no density that is known, or more dimensions
            than one; or if D says no probabilities.

    Example:
        >>> callbacks = [KnownDensityEvaluation()]  # as in lit-gan fit --config toy

    Reference:
        Goodfellow et al. 2014, proposition 1 and theorem 1.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuses data of which nothing is known."""
        if isinstance(pl_module, GAN):
            check_known(pl_module, mixture_of(trainer))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates, but not in the trainer's check before training."""
        if not trainer.sanity_checking:
            self._evaluate(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates."""
        self._evaluate(trainer, pl_module, "test")

    def _evaluate(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        if not isinstance(module, GAN):
            return
        game = known_game(module, mixture_of(trainer))
        found = {
            "quadrature_value": game.value,
            "generator_criterion": game.criterion,
            "jsd": game.jsd,
            "d_error": game.d_error,
        }
        numbers = {f"{split}/{name}": torch.tensor(value, device=module.device) for name, value in found.items()}
        # Every rank has computed the same from the same weights.
        module.log_dict(numbers, reduce_fx="max", sync_dist=True)


def mixture_of(trainer: Trainer) -> GaussianMixture:
    """The density of the data that a Trainer has.

    Raises:
        UserError: If nobody knows it.
    """
    data = getattr(trainer, "datamodule", None)
    mixture = getattr(data, "mixture", None)
    if not isinstance(mixture, GaussianMixture):
        what = "bare loaders" if data is None else type(data).__name__
        raise UserError(
            f"KnownDensityEvaluation: got data without a known density ({what}): expected a "
            "lit_gan.data.ToyDataModule; take the callback out for any others."
        )
    return mixture
