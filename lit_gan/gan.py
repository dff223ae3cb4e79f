"""Algorithm 1 of *Generative Adversarial Nets* as a LightningModule."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Self

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import SGD

from lit_gan.adaptive import Adaptive, adapt_again, adapted
from lit_gan.augmentation import Augmentation
from lit_gan.coordination import Coordination, FixedSteps
from lit_gan.engine.batches import examples_of
from lit_gan.engine.contracts import Contracts
from lit_gan.engine.example_contract import pixel_means_of, training_images_of
from lit_gan.engine.held_out import HeldOut
from lit_gan.engine.jsonargparse_seam import default_instance
from lit_gan.engine.lightning_seam import log_number, round_is_logged
from lit_gan.engine.minibatches import Minibatch, Piece, cut_into_minibatches, cut_into_pieces
from lit_gan.engine.recorded_settings import images_of_a_round
from lit_gan.engine.rounds import RoundModule, is_fitted
from lit_gan.engine.turn import Outcome, PlayerName, Turn, accuracies, at_least_float32, lead, quantities
from lit_gan.engine.turn_contracts import check_objective, check_steps, takes_turn, warn_of_unbounded_slope
from lit_gan.engine.unsupported import OF_A_GAN
from lit_gan.engine.value_ranges import check_declared_ranges, warn_of_last_layer
from lit_gan.engine.weight_casts import cast_once
from lit_gan.errors import UserError
from lit_gan.functional.theory import jsd_lower_bound
from lit_gan.functional.torch_seam import BatchNorm
from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent, Uniform
from lit_gan.objectives import NonSaturating, Objective
from lit_gan.penalties import Penalty, by_name, due_in, twice_differentiable
from lit_gan.randomness import aside, stream
from lit_gan.schedules import Schedule, ends_of, scalar_at, schedules_in
from lit_gan.sharding import evaluation_loaders, share_of
from lit_gan.strategies.ddp_gan import without_gradient_sync

# Defaults that the command line knows the arguments of; each GAN has its own instance.
_UNIFORM: Latent = default_instance(Uniform)
_NON_SATURATING: Objective = default_instance(NonSaturating)
_FIXED_STEPS: Coordination = default_instance(FixedSteps)


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
        latent: :math:`p_z`; by default, and where it is ``None``, ``Uniform`` of the generator's ``latent_size``.
        objective: What each player minimises; by default, and where it is ``None``, ``NonSaturating``.
        coordination: How often D moves before G does; by default, and where it is ``None``, ``FixedSteps(1)``.
        optimizer_g: Builds G's optimiser from G's parameters.
        optimizer_d: Builds D's optimiser from D's parameters.
        schedule_g: What changes the rate and the momentum of G's optimiser.
        schedule_d: What changes the rate and the momentum of D's optimiser.
        clip_g: Largest L2 norm of G's gradient; ``None`` leaves it alone.
        clip_d: Largest L2 norm of D's gradient; ``None`` leaves it alone.
        penalties: What D pays beside its loss, say ``[R1(10.0, every=16)]``.
        augment: How images are changed before D sees them, in training alone.

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

    __jit_unused_properties__ = [  # noqa: RUF012
        *GenerativeModule.__jit_unused_properties__,
        *("minibatches_per_round", "_own_minibatches", "_adaptive", "_counts_images"),
    ]
    _advice = OF_A_GAN

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent: Latent | None = _UNIFORM,
        objective: Objective | None = _NON_SATURATING,
        coordination: Coordination | None = _FIXED_STEPS,
        optimizer_g: OptimizerCallable = lambda parameters: SGD(parameters, lr=0.1, momentum=0.5),
        optimizer_d: OptimizerCallable = lambda parameters: SGD(parameters, lr=0.1, momentum=0.5),
        schedule_g: Sequence[Schedule] = (),
        schedule_d: Sequence[Schedule] = (),
        clip_g: float | None = None,
        clip_d: float | None = None,
        penalties: Sequence[Penalty] = (),
        augment: Augmentation | None = None,
    ) -> None:
        super().__init__(generator, None if latent is _UNIFORM else latent)
        self.discriminator = discriminator
        self._contracts = Contracts(generator, discriminator)
        self.objective = objective if objective and objective is not _NON_SATURATING else NonSaturating()
        check_objective(self.objective)
        self.coordination = coordination if coordination and coordination is not _FIXED_STEPS else FixedSteps()
        self.penalties = (penalties,) if isinstance(penalties, Penalty) else tuple(penalties)
        self.augment = augment
        self._paid: dict[str, Tensor] = {}  # the penalties by name, each as it was when it was due last
        self._auxiliary_takes_turn = True
        #: How many images a round of the training has, over all ranks; ``None`` before there was one.
        self.images_per_round: int | None = None
        self._images_told = 0  # to those who count them
        self.add_player("generator", generator, optimizer_g, schedule_g, clip_g, short="g")
        self.add_player("discriminator", discriminator, optimizer_d, schedule_d, clip_d, short="d")
        # What makes log-odds of D's logits, slope and offset, by the last validation: for samples that D has a say in.
        self.calibration: tuple[float, float] | None = None
        self._passes: dict[tuple[str, int], HeldOut] = {}  # over the held-out loaders, by split and number
        self._passing: HeldOut | None = None  # the one whose batch is being taken apart
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
        with self.round(), self._contracts.round(self.trainer.strategy), cast_once(self.generator, self.device.type):
            batch = self._taken_apart(batch)
            minibatches = cut_into_minibatches(batch, self.minibatches_per_round, self._own_minibatches)
            k, outcome = self._begin_round(minibatches[0][0].shape[0]), None
            for turn in range(k):
                outcome = self._update_discriminator(minibatches[turn], turn)
            loss_g = self._update_generator(minibatches[k - 1 + self._own_minibatches], turn=k)
        self._end_round(k, outcome, loss_g)
        return {"generator": loss_g} if outcome is None else {"generator": loss_g, "discriminator": outcome.loss}

    def _update_discriminator(self, minibatch: Minibatch, turn: int) -> Outcome:
        """D ascends V(D, G) on a minibatch of examples and as many samples, and pays the penalties that are due."""
        x, condition = minibatch
        z = self.draw_latents(x.shape[0], "training", self.global_step, turn)
        due = due_in(self.global_step, self.penalties)
        of_slopes = {name: penalty for name, penalty in due.items() if penalty.of_slopes}
        outcomes = []
        with self.turn("discriminator"):
            for piece in self._micro_batches(x, z, condition, turn):
                with torch.no_grad():
                    generated = self._contracts.generated(self.generate, piece.z, piece.condition, piece.x)
                with twice_differentiable(self.device) if of_slopes else nullcontext():
                    seen = self._discriminators_turn(piece, generated, of_slopes)
                    outcome = self._outcome(seen, due)
                self._backward(piece.share, outcome.loss_with(due, self.global_step), seen, twice=bool(of_slopes))
                outcomes.append((piece.share, outcome))
        return Outcome.of_pieces(outcomes)

    def _update_generator(self, minibatch: Minibatch, turn: int) -> Tensor:
        """G descends its loss on fresh latents; a conditional G under the conditions of the minibatch."""
        x, condition = minibatch
        z = self.draw_latents(x.shape[0], "training", self.global_step, turn)
        losses: list[Tensor] = []
        # A small difference of means is lost in 16 bits.
        exact = torch.autocast(self.device.type, enabled=False) if self.objective.matches_features else nullcontext()
        with self.turn("generator"), exact:
            for piece in self._micro_batches(x, z, condition, turn):
                generated = self._contracts.generated(self.generate, piece.z, piece.condition, piece.x)
                seen = self._generators_turn(piece, generated)
                loss = self._contracts.loss(self.objective, "loss_g", *seen.logits_of_generator)
                self._backward(piece.share, loss, seen)
                losses.append(loss.detach() if piece.share == 1 else piece.share * loss.detach())
        return sum(losses[1:], losses[0])

    # -- What a subclass overrides ----------------------------------------------------------------------------------

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """D's logits: the log-odds that ``x`` came from the data.

        Args:
            x: ``(N, C, H, W)`` in data space.
            condition: What the examples were observed under, ``(N, ...)``, or ``None``.

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

    def auxiliary_loss(self, turn: Turn) -> Tensor | None:
        """A further task of a player, added to its loss.

        Args:
            turn: What the player sees: ``turn.player``, the examples ``turn.x``, the samples ``turn.generated``, D's
                logits on them, ``turn.condition``; ``turn.discriminate`` gives D's logits on further images.

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
        with self._of_held_out(held_out):
            x, z, condition = held_out.take(*self._taken_apart(batch))
        if len(x):
            with torch.autocast(self.device.type, enabled=False):
                with self.averaged():
                    generated = self._contracts.generated(self.generate, z, condition, x)
                logits = self._judge(x, generated, condition)
            held_out.update(*logits)
            self._contracts.passed()
        for name, mean in held_out.means.items():
            # Named, for Lightning takes no metric without: these are no part of the module.
            log_number(self, f"{split}/{name}", mean, metric_attribute=name)

    def on_validation_epoch_end(self) -> None:
        """Calibrates D on what it has just said of held-out examples and as many samples."""
        held_out = self._passes.get(("val", 0))
        if held_out is not None and not self.trainer.sanity_checking:
            self.calibration = held_out.calibration(self._summed_over_ranks)

    def _summed_over_ranks(self, part: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return part
        summed = self.trainer.strategy.reduce(part.to(self.device), reduce_op="sum")
        return torch.as_tensor(summed).to(part)

    def _held_out(self, split: str, batch_idx: int, dataloader_idx: int) -> HeldOut:
        """What is kept of this pass over the loader; a first batch begins a new one."""
        key = split, dataloader_idx
        if batch_idx == 0 or key not in self._passes:
            loader = evaluation_loaders(self.trainer)[dataloader_idx]
            share = share_of(loader, self.global_rank, self.trainer.world_size)
            self._passes[key] = HeldOut(share, self.latent_table(*key), self.objective, self.device)
        return self._passes[key]

    @contextmanager
    def _of_held_out(self, held_out: HeldOut) -> Iterator[None]:
        """Within this context a batch is taken apart that comes from this pass."""
        self._passing = held_out
        try:
            yield
        finally:
            self._passing = None

    # -- The run ----------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what has adapted to how the game goes."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["lit_gan"] |= {"adapted": adapted(self._adaptive), "penalties": self._paid}
        checkpoint["lit_gan"] |= {"calibration": self.calibration, "images_per_round": self.images_per_round}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A training goes on with what has adapted."""
        super().on_load_checkpoint(checkpoint)
        calibration = checkpoint.get("lit_gan", {}).get("calibration")
        self.calibration = None if calibration is None else (float(calibration[0]), float(calibration[1]))
        if is_fitted(self):
            saved = checkpoint.get("lit_gan", {})
            adapt_again(self._adaptive, saved.get("adapted", {}))
            paid, own = saved.get("penalties", {}), by_name(self.penalties)
            self._paid = {name: paid[name] for name in own if name in paid}
            self.images_per_round = images_of_a_round(checkpoint)

    def setup(self, stage: str) -> None:
        """What the users' parts are held to begins anew.

        Raises:
            UserError: If the data say another range than G.
        """
        super().setup(stage)
        self._images_told = 0
        if stage == "fit":  # what is gone on with is loaded after this
            self.images_per_round, self._paid = None, {}
        data = getattr(self.trainer, "datamodule", None)
        self._contracts.begin(data)
        check_declared_ranges(self.generator, data)
        if stage == "fit":
            warn_of_last_layer(self.generator, data)
            warn_of_unbounded_slope(self.objective, self.penalties, self.discriminator)
            self._auxiliary_takes_turn = takes_turn(self.auxiliary_loss)

    def on_fit_start(self) -> None:
        """A new run sets what depends on its data; a resumed or a loaded GAN has it already."""
        super().on_fit_start()
        data = getattr(self.trainer, "datamodule", None)
        self.take_value_range(getattr(data, "value_range", None))
        if self.augment is not None and self.value_range is not None:
            self.augment.begin_training(self.value_range)
        self.class_names = tuple(str(name) for name in getattr(data, "class_names", None) or self.class_names)
        if not self.has_begun:
            self._begin_training(data)
        self.has_begun = True
        if not self.keeps_average:
            self.generator_average = None  # an earlier training's: these weights will leave it behind
        self.keeps_average = False

    def _begin_training(self, data: Any) -> None:
        """What networks take from the data before the first round, all ranks the same: G the mean image, D images."""
        begin_generator = getattr(self.generator, "begin_training", None)
        if begin_generator is not None:
            begin_generator(pixel_means_of(data))
        begin_discriminator = getattr(self.discriminator, "begin_training", None)
        if begin_discriminator is not None:
            with aside(self.seed, "beginning of the discriminator", self.device):
                begin_discriminator(self._training_images)

    def _training_images(self, num: int) -> Tensor:
        data = getattr(self.trainer, "datamodule", None)
        return training_images_of(data, num).to(self.device, self._float_dtype)

    @property
    def minibatches_per_round(self) -> int:
        """How many minibatches a loader's batch holds: one for each update of D that a round may take.

        Where the objective compares samples with examples, there is one more, for G's update.
        """
        return self.coordination.max_discriminator_steps + self._own_minibatches

    def for_export(self) -> Self:
        """As a generative module's, without D: the copy generates, and nothing else."""
        exported = super().for_export()
        exported.discriminator = nn.Identity()
        return exported

    # -- Parts of a round -------------------------------------------------------------------------------------------

    def _taken_apart(self, batch: Any) -> Minibatch:
        classes = getattr(self, "num_classes", None)
        return self._contracts.taken_apart(self.split_batch, batch, type(self).__name__, self._float_dtype, classes)

    def _logits(self, x: Tensor, condition: Tensor | None, *, further: bool = False) -> Tensor:
        contract = self._contracts.logits
        return at_least_float32(contract(self.discriminate, x, condition, self.objective, further=further))

    def _features(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """What D sees in images, where the objective matches features: by D's own method."""
        features: Any = getattr(self.discriminator, "features", None)
        if features is None:
            raise UserError(
                f"the objective matches features, and the discriminator ({type(self.discriminator).__name__}) has no "
                "method features: expected features(x) -> (N, F) beside its logits, as the package's networks have it."
            )
        return at_least_float32(self._contracts.features(features, x, condition))

    def _micro_batches(self, x: Tensor, z: Tensor, condition: Tensor | None, turn: int) -> Iterator[Piece]:
        """The minibatch in pieces, each with its share of the rows; gradients travel with the last one, summed."""
        pieces = min(self.coordination.micro_batches, x.shape[0])
        for index, piece in enumerate(cut_into_pieces(x, z, condition, pieces, turn), start=1):
            with without_gradient_sync(self.trainer.strategy) if index < pieces else nullcontext():
                yield piece

    def _judge(self, x: Tensor, generated: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """D's logits on examples and samples, in one forward pass where D's rows do not see each other."""
        if not self._joint_forward:
            return self._logits(x, condition), self._logits(generated, condition)
        both = None if condition is None else torch.cat([condition, condition])
        logits = self._logits(torch.cat([x, generated]), both)
        return logits[: x.shape[0]], logits[x.shape[0] :]

    def _discriminators_turn(self, piece: Piece, generated: Tensor, of_slopes: Mapping[str, Penalty]) -> Turn:
        """D on examples and samples, whose gradients are followed where a penalty is due that needs them."""
        x = piece.x
        if of_slopes:  # then D is outside autocast, whose samples may have 16 bits
            needed = {name for penalty in of_slopes.values() for name in penalty.differentiates}
            x = x.detach().requires_grad_("x" in needed)
            generated = generated.to(x.dtype).requires_grad_("generated" in needed)
        augmented = self._augmented(x, "x", piece), self._augmented(generated, "generated", piece)
        return self._turn_of("discriminator", piece, (x, generated), self._judge(*augmented, piece.condition))

    def _generators_turn(self, piece: Piece, generated: Tensor) -> Turn:
        """D on samples; and on G's own minibatch of examples, where the objective compares the two."""
        seen = self._features if self.objective.matches_features else self._logits
        fake_logits = seen(self._augmented(generated, "generated", piece), piece.condition)
        real_logits: Any = None
        if self._own_minibatches:
            with torch.no_grad():  # neither D nor the examples move
                real_logits = seen(self._augmented(piece.x, "x", piece), piece.condition)
        return self._turn_of("generator", piece, (piece.x, generated), (real_logits, fake_logits))

    def _turn_of(
        self, player: PlayerName, piece: Piece, images: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor]
    ) -> Turn:
        def discriminate(further: Tensor, condition: Tensor | None = None) -> Tensor:
            condition = piece.condition if condition is None else condition
            return self._logits(self._augmented(further, "further images", piece), condition, further=True)

        draws = partial(self._stream, "turn", piece)
        rows = piece.rows, piece.rows_in_all
        return Turn(player, *images, *logits, piece.condition, discriminate, draws, *rows, piece.turn)

    def _augmented(self, images: Tensor, whose: str, piece: Piece) -> Tensor:
        """Images as D sees them in training, by draws that are a function of (seed, round, turn, rank) and the row."""
        if self.augment is None:
            return images
        change = partial(self._contracts.augmented, self.augment, self._stream(f"augmentation of {whose}", piece))
        return self._changed(images, change, piece.changed)

    def _changed(self, images: Tensor, change: Callable[[Tensor], Tensor], changed: Callable[..., Tensor]) -> Tensor:
        """In 32 bits, whatever the networks have: in 16 a small shift is lost, and rare draws come more often."""
        with torch.autocast(self.device.type, enabled=False):
            return changed(at_least_float32(images), change).to(images.dtype)

    def _stream(self, purpose: str, piece: Piece) -> torch.Generator:
        return stream(self.seed, purpose, self.global_step, piece.turn, self.global_rank, device=self.device)

    def _outcome(self, turn: Turn, due: Mapping[str, Penalty]) -> Outcome:
        loss = self._contracts.loss(self.objective, "loss_d", turn.real_logits, turn.fake_logits)
        penalties = {name: self._contracts.penalty(penalty, turn) for name, penalty in due.items()}
        return Outcome(loss, turn.real_logits, turn.fake_logits, penalties)

    def _backward(self, share: float, loss: Tensor, turn: Turn, *, twice: bool = False) -> None:
        old_form = turn.player, turn.x if turn.player == "discriminator" else turn.generated, turn.condition
        auxiliary = self.auxiliary_loss(*((turn,) if self._auxiliary_takes_turn else old_form))
        total = loss if auxiliary is None else loss + auxiliary
        self._contracts.agree(self.trainer.strategy)
        with self._contracts.differentiated_twice() if twice else nullcontext():
            self.manual_backward(total if share == 1 else total * share)

    @property
    def _own_minibatches(self) -> int:
        """How many minibatches of examples are for G's turn alone."""
        return int(self.objective.pairs_examples or self.objective.matches_features)

    @property
    def _adaptive(self) -> dict[str, Adaptive]:
        """The parts that may adapt to how the game goes."""
        augment = {} if self.augment is None else {"augment": self.augment}
        return {"coordination": self.coordination, **augment, **by_name(self.penalties)}

    def _moving(self) -> dict[str, float]:
        """What schedules have made of the weights in the round that has ended, and what of the augmentation moves."""
        scheduled = {name: each for name, each in by_name(self.penalties).items() if len(ends_of(each.weight)) > 1}
        weights = {f"weight_{name}": scalar_at(each.weight, self.global_step - 1) for name, each in scheduled.items()}
        return weights | (self.augment.moving() if self.augment is not None else {})

    @property
    def _counts_images(self) -> Iterator[Any]:
        """What goes by the number of images, and is to be told how many a round has."""
        schedulers = (scheduler for player in self.players.values() for scheduler in player.schedulers)
        yield from schedules_in([*self.penalties, self.augment, *schedulers])
        if hasattr(self.augment, "images_per_round"):
            yield self.augment

    def _begin_round(self, rows: int) -> int:
        """How often D moves in it."""
        if not (self.trainer.is_last_batch and self.images_per_round):  # what is left of an epoch may be less
            self.images_per_round = rows * self.trainer.world_size
        images = self.images_per_round or 0
        if images != self._images_told:
            self._images_told = images
            for counting in self._counts_images:
                counting.images_per_round = images
        if self.augment is not None:
            self.augment.begin_round(self.global_step)
        return check_steps(self.coordination.discriminator_steps(self.global_step), self.coordination)

    def _end_round(self, k: int, outcome: Outcome | None, loss_g: Tensor) -> None:
        """What adapts sees the round's numbers, and where it is logged, they are logged: both are means over ranks."""
        self._paid |= {} if outcome is None else outcome.penalties
        watching = [part for part in self._adaptive.values() if part.observes()]
        logged = round_is_logged(self.trainer, self.global_step)
        if not (logged or watching):
            return
        numbers = self._round_means(outcome, loss_g)
        for part in watching:
            part.observe(numbers)
        if logged:
            self._log_round(k, outcome, numbers, watched=bool(watching))

    @torch.no_grad()
    def _round_means(self, outcome: Outcome | None, loss_g: Tensor) -> dict[str, Tensor]:
        """The round's numbers over all ranks, not of this rank's part of it; of D's none where it rested."""
        numbers = {"loss_g": loss_g}
        if outcome is not None:
            logits = outcome.real_logits, outcome.fake_logits
            numbers = {"loss_d": outcome.loss, **numbers}
            numbers |= quantities(*logits) if self.objective.logits_are_log_odds else {}
            numbers |= accuracies(*logits, self.objective)
            numbers |= {"logit_real": logits[0].mean(), "logit_fake": logits[1].mean()}
            numbers |= {f"penalty_{name}": paid.to(loss_g) for name, paid in self._paid.items()}
        means = self.trainer.strategy.reduce(torch.stack(list(numbers.values())), reduce_op="mean")
        numbers = dict(zip(numbers, means, strict=True))
        if "value" in numbers:
            numbers["jsd_bound"] = jsd_lower_bound(numbers["value"])
        if "accuracy" in numbers and self.objective.decision_boundary is not None:
            numbers["d_lead"] = lead(numbers["accuracy"])
        return numbers

    @torch.no_grad()
    def _log_round(self, k: int, outcome: Outcome | None, numbers: dict[str, Tensor], *, watched: bool) -> None:
        if outcome is not None:
            logits = outcome.real_logits, outcome.fake_logits
            self._contracts.probabilities.look_at_values(*logits, self.objective, self.global_step)
        left_out = ("accuracy_", "logit_") if watched else ("accuracy", "logit_")
        shown = {name: value for name, value in numbers.items() if not name.startswith(left_out)}
        if self.coordination.observes():
            shown["discriminator_steps"] = torch.tensor(float(k))
        shown |= {name: torch.tensor(value) for name, value in self._moving().items()}
        for name, value in shown.items():
            log_number(self, f"train/{name}", value, prog_bar=name.startswith("loss"))
