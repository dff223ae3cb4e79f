"""Algorithm 1 of *Generative Adversarial Nets* as a LightningModule."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Literal, Self

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import SGD

from lit_gan.coordination import Coordination, FixedSteps
from lit_gan.engine.batches import examples_of
from lit_gan.engine.contracts import Contracts
from lit_gan.engine.example_contract import pixel_means_of
from lit_gan.engine.held_out import HeldOut
from lit_gan.engine.lightning_seam import callbacks_of, round_is_logged
from lit_gan.engine.minibatches import Minibatch, cut_into_minibatches
from lit_gan.engine.rounds import RoundModule
from lit_gan.engine.unsupported import OF_A_GAN
from lit_gan.engine.value_ranges import check_declared_ranges, warn_of_last_layer
from lit_gan.engine.verdict import Verdict, at_least_float32, joined
from lit_gan.functional.theory import jsd_lower_bound
from lit_gan.functional.torch_seam import BatchNorm
from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent
from lit_gan.objectives import NonSaturating, Objective
from lit_gan.schedules import Schedule
from lit_gan.sharding import evaluation_loaders, share_of
from lit_gan.strategies.ddp_gan import unsent

PlayerName = Literal["generator", "discriminator"]


class GAN(GenerativeModule, RoundModule):
    r"""A generator and a discriminator, trained by Algorithm 1 of the paper.

    .. math:: \min_G \max_D V(D, G) = E_{x \sim p_{data}}[\log D(x)] + E_{z \sim p_z}[\log(1 - D(G(z)))]

    One training step is one *round* (see :class:`lit_gan.RoundModule`): k updates of D, each on a fresh minibatch of
    examples and fresh latents, then one update of G on fresh latents. ``trainer.global_step``, ``max_steps``,
    checkpoints, schedules and loggers count rounds. A loader's batch holds :attr:`minibatches_per_round` minibatches.

    A subclass overrides :meth:`generate`, :meth:`discriminate`, :meth:`split_batch` and, where a player has a further
    task, :meth:`auxiliary_loss`; never the algorithm.

    Args:
        generator: G, from latents ``(N, latent_size)`` to data ``(N, C, H, W)``.
        discriminator: D, from data ``(N, C, H, W)`` to logits ``(N, 1)``, ``(N,)``, or a map of them ``(N, 1, h, w)``,
            whose entries count alike: no probabilities. It sees examples and samples in one batch, unless it has batch
            normalisation or an attribute ``sees_whole_batch = True``.
        latent: :math:`p_z`; ``None`` is ``Uniform`` of the generator's ``latent_size``.
        objective: What each player minimises; ``None`` is ``NonSaturating``.
        coordination: How often D moves before G does; ``None`` is ``FixedSteps(1)``.
        optimizer_g: Builds G's optimiser from G's parameters.
        optimizer_d: Builds D's optimiser from D's parameters.
        schedule_g: What changes the rate and the momentum of G's optimiser.
        schedule_d: What changes the rate and the momentum of D's optimiser.
        clip_g: Largest L2 norm of G's gradient; ``None`` leaves it alone.
        clip_d: Largest L2 norm of D's gradient; ``None`` leaves it alone.

    Raises:
        UserError: If the latent's size is not the generator's, or a player cannot be trained as asked; in the first
            round, before anything has moved, if a batch, G's samples or D's logits are not what the others need.

    Example:
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> gan.sample(3).shape
        torch.Size([3, 1, 8, 8])

    Reference:
        Goodfellow et al. 2014, Algorithm 1.
    """

    __jit_unused_properties__ = [*GenerativeModule.__jit_unused_properties__, "minibatches_per_round"]  # noqa: RUF012
    _advice = OF_A_GAN

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent: Latent | None = None,
        objective: Objective | None = None,
        coordination: Coordination | None = None,
        optimizer_g: OptimizerCallable = lambda parameters: SGD(parameters, lr=0.1, momentum=0.5),
        optimizer_d: OptimizerCallable = lambda parameters: SGD(parameters, lr=0.1, momentum=0.5),
        schedule_g: Sequence[Schedule] = (),
        schedule_d: Sequence[Schedule] = (),
        clip_g: float | None = None,
        clip_d: float | None = None,
    ) -> None:
        super().__init__(generator, latent)
        self.discriminator = discriminator
        self._contracts = Contracts(generator, discriminator)
        self.objective = objective or NonSaturating()
        self.coordination = coordination or FixedSteps()
        self.add_player("generator", generator, optimizer_g, schedule_g, clip_g, short="g")
        self.add_player("discriminator", discriminator, optimizer_d, schedule_d, clip_d, short="d")
        self._passes: dict[tuple[str, int], HeldOut] = {}  # over the held-out loaders, by split and number
        # What looks across a batch must not mix examples with samples: such a D sees the two apart.
        whole_batch = any(isinstance(module, BatchNorm) for module in discriminator.modules())
        self._joint_forward = not (whole_batch or getattr(discriminator, "sees_whole_batch", False))

    # -- Algorithm 1 ------------------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One round: k updates of D, each on its own minibatch and latents, then one update of G on fresh latents.

        Args:
            batch: :attr:`minibatches_per_round` minibatches.
            batch_idx: Not used: the position is the number of rounds.

        Returns:
            Each player's last loss by the player's name, for the callbacks that watch them.
        """
        with self.round(), self._contracts.round(self.trainer.strategy):
            minibatches = cut_into_minibatches(self._taken_apart(batch), self.minibatches_per_round)
            k = self.coordination.discriminator_steps(self.global_step)
            for turn in range(k):
                verdict = self._update_discriminator(minibatches[turn], turn)
            loss_g = self._update_generator(minibatches[k - 1], turn=k)
        if round_is_logged(self.trainer, self.global_step):
            self._log_round(verdict, loss_g)
        return {"generator": loss_g, "discriminator": verdict.loss}

    def _update_discriminator(self, minibatch: Minibatch, turn: int) -> Verdict:
        """D ascends V(D, G) on a minibatch of examples and as many samples."""
        x, condition = minibatch
        z = self.draw_latents(len(x), "training", self.global_step, turn)
        verdicts = []
        with self.turn("discriminator"):
            for share, x_part, z_part, condition_part in self._micro_batches(x, z, condition):
                with torch.no_grad():
                    generated = self._contracts.generated(self.generate, z_part, condition_part, x_part)
                verdict = self._judge(x_part, generated, condition_part)
                self._backward("discriminator", share, verdict.loss, x_part, condition_part)
                verdicts.append((share, verdict))
        return joined(verdicts)

    def _update_generator(self, minibatch: Minibatch, turn: int) -> Tensor:
        """G descends its loss on fresh latents; a conditional G under the conditions of the last minibatch."""
        x, condition = minibatch
        z = self.draw_latents(len(x), "training", self.global_step, turn)
        total = torch.zeros((), device=self.device)
        with self.turn("generator"):
            for share, x_part, z_part, condition_part in self._micro_batches(x, z, condition):
                generated = self._contracts.generated(self.generate, z_part, condition_part, x_part)
                loss = self._contracts.loss(self.objective, "loss_g", self._logits(generated, condition_part))
                self._backward("generator", share, loss, generated, condition_part)
                total = total + share * loss.detach()
        return total

    # -- What a subclass overrides ----------------------------------------------------------------------------------

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """D's logits: the log-odds that ``x`` came from the data.

        Args:
            x: ``(N, C, H, W)`` in data space.
            condition: What the examples were observed under, or ``None``.

        Returns:
            A tensor of N rows: ``(N, 1)``, ``(N,)`` or a map ``(N, 1, h, w)``.
        """
        return self.discriminator(x) if condition is None else self.discriminator(x, condition)  # type: ignore[no-any-return]

    def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """Takes a batch apart into the examples and what they are conditioned on.

        Args:
            batch: What the loader gives: a tensor ``(N, C, H, W)``, a sequence that starts with one, or a mapping or an
                object with one of the usual names, such as ``image`` or ``pixel_values``.

        Returns:
            The examples and the condition; ``None`` for a GAN that is not conditional.

        Raises:
            UserError: If nothing, or more than one thing, in the batch could be the examples.
        """
        return examples_of(batch), None

    def auxiliary_loss(self, player: PlayerName, x: Tensor, condition: Tensor | None) -> Tensor | None:
        """A further task of a player, added to its loss.

        Args:
            player: Whose turn it is.
            x: The examples in D's turn, the generated samples in G's.
            condition: What they are conditioned on.

        Returns:
            A scalar, or ``None`` where there is no further task.
        """
        return None

    # -- Held-out batches -------------------------------------------------------------------------------------------

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """The losses, V(D, G) and the bound on held-out examples and as many samples, dropout off."""
        self._evaluate("val", batch, batch_idx, dataloader_idx)

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """As :meth:`validation_step`, on the test set."""
        self._evaluate("test", batch, batch_idx, dataloader_idx)

    def _evaluate(self, split: str, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        held_out = self._held_out(split, batch_idx, dataloader_idx)
        self._contracts.look_at("validation" if split == "val" else split)
        x, z, condition = held_out.take(*self._taken_apart(batch))
        if len(x):
            with torch.autocast(self.device.type, enabled=False):
                with self.averaged():
                    generated = self._contracts.generated(self.generate, z, condition, x)
                verdict = self._judge(x, generated, condition)
            held_out.update(verdict)
            self._contracts.passed()
        for name, mean in held_out.means.items():
            # Named, for Lightning takes no metric without: these are no part of the module.
            self.log(f"{split}/{name}", mean, metric_attribute=name)

    def _held_out(self, split: str, batch_idx: int, dataloader_idx: int) -> HeldOut:
        """What is kept of this pass over the loader; a first batch begins a new one."""
        key = split, dataloader_idx
        if batch_idx == 0 or key not in self._passes:
            loader = evaluation_loaders(self.trainer)[dataloader_idx]
            share = share_of(loader, self.global_rank, self.trainer.world_size)
            self._passes[key] = HeldOut(share, self.latent_table(*key), self.objective, self.device)
        return self._passes[key]

    # -- The run ----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """What the users' parts are held to begins anew.

        Raises:
            UserError: If the data say another range than G.
        """
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        self._contracts.begin(data)
        check_declared_ranges(self.generator, data)
        if stage == "fit":
            warn_of_last_layer(self.generator, data)

    def on_fit_start(self) -> None:
        """A new run sets what depends on its data; a resumed or a loaded GAN has it already."""
        super().on_fit_start()
        data = getattr(self.trainer, "datamodule", None)
        self.take_value_range(getattr(data, "value_range", None))
        self.class_names = tuple(str(name) for name in getattr(data, "class_names", None) or self.class_names)
        begin_training = getattr(self.generator, "begin_training", None)
        if begin_training is not None and not self.has_begun:
            begin_training(pixel_means_of(data))
        self.has_begun = True
        if not any(getattr(callback, "averages_generator", False) for callback in callbacks_of(self.trainer)):
            self.generator_average = None  # an earlier training's: these weights will leave it behind

    @property
    def minibatches_per_round(self) -> int:
        """How many minibatches a loader's batch holds: one for each update of D that a round may take."""
        return self.coordination.max_discriminator_steps

    def for_export(self) -> Self:
        """As a generative module's, without D: the copy generates, and nothing else."""
        exported = super().for_export()
        exported.discriminator = nn.Identity()
        return exported

    # -- Parts of a round -------------------------------------------------------------------------------------------

    def _taken_apart(self, batch: Any) -> Minibatch:
        classes = getattr(self, "num_classes", None)
        return self._contracts.taken_apart(self.split_batch, batch, type(self).__name__, self._float_dtype, classes)

    def _logits(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return at_least_float32(self._contracts.logits(self.discriminate, x, condition, self.objective))

    def _micro_batches(
        self, x: Tensor, z: Tensor, condition: Tensor | None
    ) -> Iterator[tuple[float, Tensor, Tensor, Tensor | None]]:
        """The minibatch in pieces, each with its share of the rows; gradients travel with the last one, summed."""
        pieces = min(self.coordination.micro_batches, len(x))
        conditions = [None] * pieces if condition is None else condition.tensor_split(pieces)
        parts = zip(x.tensor_split(pieces), z.tensor_split(pieces), conditions, strict=True)
        for index, (x_part, z_part, condition_part) in enumerate(parts, start=1):
            with unsent(self.trainer.strategy) if index < pieces else nullcontext():
                yield len(x_part) / len(x), x_part, z_part, condition_part

    def _judge(self, x: Tensor, generated: Tensor, condition: Tensor | None) -> Verdict:
        """D's logits on examples and samples, in one forward pass where D's rows do not see each other."""
        if self._joint_forward:
            both = None if condition is None else torch.cat([condition, condition])
            logits = self._logits(torch.cat([x, generated]), both)
            real_logits, fake_logits = logits[: len(x)], logits[len(x) :]
        else:
            real_logits, fake_logits = self._logits(x, condition), self._logits(generated, condition)
        loss = self._contracts.loss(self.objective, "loss_d", real_logits, fake_logits)
        return Verdict(loss, real_logits, fake_logits)

    def _backward(self, player: PlayerName, share: float, loss: Tensor, x: Tensor, condition: Tensor | None) -> None:
        auxiliary = self.auxiliary_loss(player, x, condition)
        total = loss if auxiliary is None else loss + auxiliary
        self._contracts.agree(self.trainer.strategy)
        self.manual_backward(total if share == 1 else total * share)

    @torch.no_grad()
    def _log_round(self, verdict: Verdict, loss_g: Tensor) -> None:
        _, real_logits, fake_logits = verdict
        self._contracts.probabilities.look_at_values(real_logits, fake_logits, self.objective, self.global_step)
        meant = self.objective.logits_are_log_odds
        numbers = {"loss_d": verdict.loss, "loss_g": loss_g, **(verdict.quantities() if meant else {})}
        # One reduction for all of them: what is logged is of the whole round, not of this rank's part of it.
        means = self.trainer.strategy.reduce(torch.stack(list(numbers.values())), reduce_op="mean")
        numbers = dict(zip(numbers, means, strict=True))
        if meant:
            numbers["jsd_bound"] = jsd_lower_bound(numbers["value"])
        for name, value in numbers.items():
            self.log(f"train/{name}", value, prog_bar=name.startswith("loss"), batch_size=len(real_logits))
