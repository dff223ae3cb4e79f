"""The joint variant of an inference network: a discriminator of pairs (x, z), as in BiGAN and ALI."""

import warnings
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Adam

from lit_gan.engine.contracts import Contracts
from lit_gan.engine.rounds import RoundModule
from lit_gan.engine.turn import at_least_float32
from lit_gan.errors import UserError
from lit_gan.extensions.encoding import EncodingModule
from lit_gan.latents import Latent
from lit_gan.objectives import NonSaturating


def _published(parameters: object) -> Adam:
    return Adam(parameters, lr=2e-4, betas=(0.5, 0.999))  # type: ignore[arg-type]  # of Donahue et al. 2017


class PairGame(EncodingModule, RoundModule):
    r"""Who plays beside E: a discriminator that tells (x, E(x)) from (G(z), z), and G, where it learns on.

    .. math:: V(D, E, G) = E_{x \sim p_{data}}[\log D(x, E(x))] + E_{z \sim p_z}[\log(1 - D(G(z), z))]

    D ascends it; E and G descend it in the non-saturating form, each with the label of the other.

    Args:
        generator: G.
        encoder: E.
        latent: :math:`p_z`.
        discriminator: D, ``discriminator(x, z) -> (N, 1)``; ``None`` for no such game.
        optimizer_d: Builds D's optimiser; Adam with a rate of 2e-4 and betas of 0.5 and 0.999 if ``None``.
        optimizer_g: Builds G's optimiser; ``None`` for a G that stands still.
    """

    def __init__(
        self,
        generator: nn.Module,
        encoder: nn.Module,
        latent: Latent | None,
        discriminator: nn.Module | None,
        optimizer_d: OptimizerCallable | None,
        optimizer_g: OptimizerCallable | None,
    ) -> None:
        super().__init__(generator, encoder, latent, frozen=optimizer_g is None)
        self.discriminator = discriminator
        if discriminator is None:
            if optimizer_g is not None:
                raise UserError("optimizer_g without a discriminator: expected one of pairs (x, z), that G learns by.")
            return
        size = getattr(discriminator, "condition_size", self.latent.size)
        if size != self.latent.size:
            raise UserError(
                f"the discriminator's condition_size = {size} but the generator's latent_size = {self.latent.size}: "
                "expected the same number, as by --model.init_args.discriminator.init_args.condition_size "
                f"{self.latent.size}."
            )
        self._contracts = Contracts(generator, discriminator)
        self.objective = NonSaturating()
        self.add_player("discriminator", discriminator, optimizer_d or _published, short="d")
        if optimizer_g is not None:
            self.add_player("generator", generator, optimizer_g, short="g")

    def _others_move(self, x: Tensor | None, rows: int) -> dict[str, Tensor]:
        """The turns before E's: their losses by name, cut off from the graph."""
        if self.discriminator is None:
            return {}
        if x is None:
            raise UserError(
                "the discriminator needs real images, and the data have none: give a data set, or "
                "--model.init_args.discriminator null."
            )
        losses = {"loss_d": self._discriminator_moves(x, self.draw_latents(rows, "training", self.global_step, 1))}
        if "generator" in self.players:
            losses["loss_g"] = self._generator_moves(x, self.draw_latents(rows, "training", self.global_step, 2))
        return losses

    def _discriminator_moves(self, x: Tensor, z: Tensor) -> Tensor:
        with torch.no_grad():
            pairs = torch.cat([x, self._made(z, x)]), torch.cat([self._inferred(x), z])
        with self.turn("discriminator"):
            odds = self.log_odds(*pairs)
            loss = self._contracts.loss(self.objective, "loss_d", odds[: len(x)], odds[len(x) :])
            self._contracts.agree(self.trainer.strategy)
            self.manual_backward(loss)
        return loss.detach()

    def _generator_moves(self, x: Tensor, z: Tensor) -> Tensor:
        with self.turn("generator"):
            loss = self._contracts.loss(self.objective, "loss_g", self.log_odds(self._made(z, x), z))
            self.manual_backward(loss)
        return loss.detach()

    def _pair_error(self, x: Tensor, inferred: Tensor) -> Tensor:
        """E's part in the game: G's loss with the labels exchanged."""
        return self._contracts.loss(self.objective, "loss_g", -self.log_odds(x, inferred))

    def _made(self, z: Tensor, x: Tensor | None) -> Tensor:
        return self._contracts.generated(self.generate, z, None, x).to(z.dtype)

    def log_odds(self, x: Tensor, z: Tensor) -> Tensor:
        """D's log-odds that a latent was inferred from its image, and not the image made of it, ``(N, 1)``."""
        assert self.discriminator is not None  # noqa: S101 -- only where there is a game
        return at_least_float32(self._contracts.logits(self.discriminator, x, z, self.objective))

    def _images(self, batch: Any) -> Tensor | None:
        """The real images of a batch, or ``None`` where the data are as many rows of nothing (`NoData`)."""
        if isinstance(batch, Tensor) and batch.ndim > 1 and batch.shape[1] == 0:
            return None
        name = type(self).__name__
        return self._contracts.taken_apart(self.split_batch, batch, name, self._float_dtype, None)[0]

    def on_fit_start(self) -> None:
        """Lightning warns of modules in evaluation mode, as G's are on purpose."""
        super().on_fit_start()
        num = len(list(self.generator.modules())) if self.frozen else 0
        warnings.filterwarnings("ignore", message=rf"Found {num} module\(s\) in eval mode at the start of training")
