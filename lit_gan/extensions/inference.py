"""The second extension of the paper: a network that infers z from x, trained after G has been."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Adam

from lit_gan.engine.batches import num_rows
from lit_gan.engine.lightning_seam import log_number, round_is_logged
from lit_gan.engine.value_ranges import check_declared_ranges
from lit_gan.errors import UserError
from lit_gan.extensions.finished_generator import finished_generator, no_generator
from lit_gan.extensions.held_out_pairs import HeldOutPairs
from lit_gan.extensions.pairs import PairGame
from lit_gan.functional.display import to_display_range
from lit_gan.latents import Latent
from lit_gan.schedules import Schedule
from lit_gan.sharding import evaluation_loaders, share_of


class InferenceNetwork(PairGame):
    r"""An encoder E that infers the latent of an image: learned approximate inference on a finished, frozen generator.

    Like the inference network of the wake-sleep algorithm it learns from dreams, pairs (z, G(z)) that are drawn
    endlessly; but after G has finished, so that what it has to invert stands still:

    .. math:: L_E = \mu\, E_{z \sim p_z} \tfrac1d \|z - E(G(z))\|^2
              + \lambda\, E_{x \sim p_{data}} \tfrac1D \|x - G(E(x))\|^2

    d and D being the numbers of a latent and of an image. The second term, off by default, closes the gap between G's
    samples and real images; its gradient passes through G. With a discriminator of pairs there is a third, of the
    joint, bidirectional game (:class:`lit_gan.extensions.pairs.PairGame`), in which G may learn on, too. E's output
    lies in the range of :math:`p_z` (:meth:`lit_gan.latents.Latent.onto_support`: a sigmoid for ``Uniform``).

    G, frozen, is part of the checkpoint, which needs no other file: ``sample`` draws from G, :meth:`encode` and
    :meth:`reconstruct` are for images.

    Args:
        encoder: E before its output is brought into the latent's range: from data ``(N, C, H, W)`` to
            ``(N, latent_size)``.
        generator: G, finished; ``None`` takes it from ``generator_checkpoint``.
        latent: :math:`p_z` of that G; ``None``: the checkpoint's, else ``Uniform`` of the generator's ``latent_size``.
        generator_checkpoint: The checkpoint or the run folder of the GAN whose G it is, or a folder of run folders, of
            which the newest counts. Read when the module is built, where ``generator`` is ``None``; G comes as it is
            shown, with its average weights where there are any.
        image_weight: :math:`\lambda`, at least 0.
        optimizer_e: Builds E's optimiser from E's parameters.
        schedule_e: What changes the rate and the momentum of it.
        clip_e: Largest L2 norm of E's gradient; ``None`` leaves it alone.
        latent_weight: :math:`\mu`, at least 0; 0 leaves E to the pairs alone, as published.
        discriminator: Tells pairs (x, E(x)) from (G(z), z), which E undoes: ``discriminator(x, z) -> (N, 1)``; one of
            the package's with ``condition_size`` the size of a latent. ``None`` for no such game.
        optimizer_d: Builds D's optimiser; Adam with a rate of 2e-4 and betas of 0.5 and 0.999 if ``None``.
        optimizer_g: Builds G's optimiser; ``None`` for a G that stands still, as the paper has it.

    Raises:
        UserError: If there is no generator, the checkpoint holds none whose samples are G(z) alone, the latent has no
            inverse, or sizes do not fit.

    Example:
        >>> from lit_gan.networks import MLPEncoder, MLPGenerator
        >>> generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,))
        >>> inference = InferenceNetwork(MLPEncoder((1, 8, 8), latent_size=4, hidden=(16,)), generator)
        >>> inference.encode(inference.sample_data(3)).shape
        torch.Size([3, 4])

    Reference:
        Goodfellow et al. 2014, section 7, extension 2; "latent regressor" in Donahue et al. 2017, *Adversarial Feature
        Learning*, whose BiGAN is the joint game, as is Dumoulin et al. 2017, *Adversarially Learned Inference*; the
        image term as in Zhu et al. 2016, *Generative Visual Manipulation on the Natural Image Manifold*.
    """

    def __init__(
        self,
        encoder: nn.Module,
        generator: nn.Module | None = None,
        latent: Latent | None = None,
        generator_checkpoint: str | None = None,
        image_weight: float = 0.0,
        optimizer_e: OptimizerCallable = lambda parameters: Adam(parameters, lr=1e-3),
        schedule_e: Sequence[Schedule] = (),
        clip_e: float | None = None,
        latent_weight: float = 1.0,
        discriminator: nn.Module | None = None,
        optimizer_d: OptimizerCallable | None = None,
        optimizer_g: OptimizerCallable | None = None,
    ) -> None:
        finished = None
        if generator is None:
            if generator_checkpoint is None:
                raise no_generator()
            finished = finished_generator(generator_checkpoint)
            generator, latent = finished.network, finished.latent
        super().__init__(generator, encoder, latent, discriminator, optimizer_d, optimizer_g)
        if finished is not None:
            self.take_value_range(finished.value_range)
            if self.hparams:  # the checkpoint builds G by itself, wherever that file may be by then
                self.hparams.update({**finished.construction, "generator_checkpoint": None})
        for name, weight in {"image_weight": image_weight, "latent_weight": latent_weight}.items():
            if not 0 <= weight < float("inf"):
                raise UserError(f"{name} = {weight}: expected 0 (no {name.partition('_')[0]} term) or more.")
        self.image_weight, self.latent_weight = image_weight, latent_weight
        self.add_player("encoder", encoder, optimizer_e, schedule_e, clip_e, short="e")
        self._passes: dict[tuple[str, int], HeldOutPairs] = {}

    # -- Training ---------------------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One round: E descends its loss on as many fresh pairs (z, G(z)) as the batch has rows; before it, any others.

        Args:
            batch: Images, or as many rows of nothing.
            batch_idx: Not used: the position is the number of rounds.

        Returns:
            E's loss by the player's name, for the callbacks that watch it.
        """
        with self.round(), self._contracts.round(self.trainer.strategy):
            x, rows = self._images(batch), num_rows(batch)
            losses = self._others_move(x, rows)
            z = self.draw_latents(rows, "training", self.global_step, 0)
            with self.turn("encoder"):
                errors = self._errors(z, x)
                weights = {"latent_error": self.latent_weight, "image_error": self.image_weight}
                loss = torch.stack([weights.get(name, 1.0) * error for name, error in errors.items()]).sum()
                self._contracts.agree(self.trainer.strategy)
                self.manual_backward(loss)
        self._log_round({"loss_e": loss, **losses, **(errors if len(errors) > 1 else {})})
        return {"encoder": loss.detach()}

    def _errors(self, z: Tensor, x: Tensor | None) -> dict[str, Tensor]:
        """The terms of E's loss; those of images where they are asked for and there are any."""
        with torch.no_grad():
            generated = self._made(z, x)
        errors = {"latent_error": F.mse_loss(self._inferred(generated), z)}
        if self.image_weight and x is None:
            raise UserError(
                f"image_weight = {self.image_weight} needs real images, and the data have none: give a data set, or "
                "--model.init_args.image_weight 0."
            )
        if x is not None and (self.image_weight or self.discriminator is not None):
            inferred = self._inferred(x)
            if self.image_weight:
                errors["image_error"] = F.mse_loss(self.generate(inferred, None).to(x.dtype), x)
            if self.discriminator is not None:
                errors["pair_error"] = self._pair_error(x, inferred)
        return errors

    @torch.no_grad()
    def _log_round(self, errors: dict[str, Tensor]) -> None:
        if round_is_logged(self.trainer, self.global_step):
            means = self.trainer.strategy.reduce(torch.stack([*errors.values()]), reduce_op="mean")
            for name, value in zip(errors, means, strict=True):
                log_number(self, f"train/{name}", value, prog_bar=name == "loss_e")

    # -- Held-out examples ------------------------------------------------------------------------------------------

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """R² of held-out latents, and the error of reconstructed held-out images."""
        self._evaluate("val", batch, batch_idx, dataloader_idx)

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """As :meth:`validation_step`, on the test set."""
        self._evaluate("test", batch, batch_idx, dataloader_idx)

    def _evaluate(self, split: str, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        key = split, dataloader_idx
        if batch_idx == 0 or key not in self._passes:
            loader = evaluation_loaders(self.trainer)[dataloader_idx]
            share = share_of(loader, self.global_rank, self.trainer.world_size)
            self._passes[key] = HeldOutPairs(share, self.latent_table(*key), self.latent_table("variance"), self.device)
        self._contracts.look_at("validation" if split == "val" else split)
        held_out, x = self._passes[key], self._images(batch)
        z = held_out.take(num_rows(batch)).to(self.device)
        with torch.autocast(self.device.type, enabled=False):
            held_out.update_latents(z, self._inferred(self._contracts.generated(self.generate, z, None, x)))
            if x is not None and len(z):
                again = self.generate(self._inferred(x[: len(z)]), None)
                held_out.update_images(*(to_display_range(each, self.value_range) for each in (x[: len(z)], again)))
        self._contracts.passed()
        for name, mean in held_out.means(images=x is not None).items():
            log_number(self, f"{split}/{name}", mean, metric_attribute=name)

    def setup(self, stage: str) -> None:
        """What the data are held to begins anew.

        Raises:
            UserError: If the data say another range than G.
        """
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        self._contracts.begin(data)
        check_declared_ranges(self.generator, data)
