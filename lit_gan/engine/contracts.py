"""What users' parts are held to: a batch, what G makes, what D says; told in one line before anything has moved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning.pytorch.strategies import Strategy
from torch import Tensor, nn

from lit_gan.engine.batches import described
from lit_gan.engine.example_contract import ExampleContract
from lit_gan.engine.look import Look
from lit_gan.engine.minibatches import Minibatch
from lit_gan.engine.network_contract import FeatureContract, LogitContract, check_loss
from lit_gan.engine.probabilities import ProbabilityWatch
from lit_gan.engine.raised import one_line_errors
from lit_gan.engine.sample_contract import SampleContract
from lit_gan.engine.turn import Turn
from lit_gan.engine.turn_contracts import check_augmented, check_penalty
from lit_gan.engine.value_ranges import name_of, output_range
from lit_gan.errors import UserError
from lit_gan.objectives import Objective
from lit_gan.penalties import Penalty

# What a function of tensors raises by the form of what it is given.
_BY_FORM = (AttributeError, IndexError, RuntimeError, TypeError, ValueError)


class Contracts:
    """Calls the parts of a game, and holds them to what they have to be.

    Forms (types, shapes, numbers of rows) are looked at always: that is free. Values are read from the device, which is
    a wait, so only in the first round of each training and on the first batch of each held-out split. Nothing is
    computed for it that the round does not compute anyway: no network is called a further time.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module | None = None) -> None:
        self._generator = generator
        self._look = Look(output_range=output_range(generator))
        self._passed: set[str] = set()
        self._samples = SampleContract(generator, self._look)
        self._examples = ExampleContract(self._samples.name, self._look)
        self._logits = LogitContract(discriminator, self._look)
        self._features = FeatureContract(discriminator, self._look)
        #: Warns of a D that gives probabilities.
        self.probabilities = ProbabilityWatch(discriminator)

    # -- When -------------------------------------------------------------------------------------------------------

    def begin(self, data: Any) -> None:
        """A training or an evaluation begins: everything is looked at anew."""
        self._look.data = data
        self._look.output_range = output_range(self._generator)
        self._passed = set()

    def look_at(self, split: str) -> None:
        """What comes is of this split."""
        self._look.split = split
        self._look.closely = split not in self._passed

    def passed(self) -> None:
        """All is well with the first batch of the split."""
        self._passed.add(self._look.split)
        self._look.closely = False

    @contextmanager
    def round(self, strategy: Strategy) -> Iterator[None]:
        """A round of training; what is wrong on one rank in the first one is told on all."""
        self.look_at("training")
        try:
            yield
        except UserError as fault:
            self._agree(strategy, fault)
            raise
        self.passed()

    def agree(self, strategy: Strategy) -> None:
        """Before gradients travel: where another rank has left the first round by a fault, nobody waits for it."""
        self._agree(strategy, None)

    def _agree(self, strategy: Strategy, fault: UserError | None) -> None:
        if self._look.closely and not strategy.reduce_boolean_decision(fault is None):
            self._look.closely = False  # agreed, once
            first = _first_message(fault)
            if fault is None or str(fault) != first:
                raise UserError(first)

    # -- The parts --------------------------------------------------------------------------------------------------

    def taken_apart(
        self,
        split_batch: Callable[[Any], Any],
        batch: Any,
        whose: str,
        dtype: torch.dtype,
        num_classes: int | None,
    ) -> Minibatch:
        """The examples of a batch, and what they are conditioned on."""
        with one_line_errors(f"{whose}.split_batch", lambda: described(batch), closely=self._look.closely):
            parts = split_batch(batch)
        x, condition = self._examples.check_parts(parts, whose)
        self._examples.check(x, dtype)
        self._examples.check_classes(condition, num_classes)
        return x, condition

    def generated(
        self,
        generate: Callable[[Tensor, Tensor | None], Tensor],
        z: Tensor,
        condition: Tensor | None,
        x: Tensor | None = None,
    ) -> Tensor:
        """Samples that D can see beside examples."""
        contract, closely = self._samples, self._look.closely or x is None
        with one_line_errors(contract.name, lambda: f"latents {tuple(z.shape)}", hint=contract.hint, closely=closely):
            generated = generate(z, condition)
        contract.check(generated, z.shape[0], x)
        return generated

    def logits(
        self,
        discriminate: Callable[[Tensor, Tensor | None], Tensor],
        x: Tensor,
        condition: Tensor | None,
        objective: Objective,
        *,
        further: bool = False,
    ) -> Tensor:
        """What D says of examples and samples; or of further images, which in G's turn may be examples alone."""
        contract, closely = self._logits, self._look.closely
        with one_line_errors(contract.name, lambda: f"images {tuple(x.shape)}", hint=contract.hint, closely=closely):
            logits = discriminate(x, condition)
        contract.check(logits, x.shape[0], gradient=x.requires_grad or not further)
        if closely:
            self.probabilities.look_at_graph(logits, objective)
        return logits

    def features(self, features: Callable[..., Tensor], x: Tensor, condition: Tensor | None) -> Tensor:
        """What D sees in examples and samples."""
        contract, closely = self._features, self._look.closely
        with one_line_errors(contract.name, lambda: f"images {tuple(x.shape)}", hint=contract.hint, closely=closely):
            seen = features(x) if condition is None else features(x, condition)
        contract.check(seen, x.shape[0])
        return seen

    def augmented(
        self, augment: Callable[[Tensor, torch.Generator], Tensor], rng: torch.Generator, x: Tensor
    ) -> Tensor:
        """Images as D sees them."""
        whose = f"the augmentation ({name_of(augment)})"
        with one_line_errors(whose, lambda: f"images {tuple(x.shape)}", closely=self._look.closely):
            augmented = augment(x, rng)
        check_augmented(augmented, x, whose, closely=self._look.closely)
        return augmented

    def penalty(self, penalty: Penalty, turn: Turn) -> Tensor:
        """A term of D's loss."""
        whose = f"the penalty ({name_of(penalty)})"
        with one_line_errors(whose, lambda: f"images {tuple(turn.x.shape)}", closely=self._look.closely):
            term = penalty(turn)
        check_penalty(term, whose, closely=self._look.closely)
        return term.reshape(())

    @contextmanager
    def differentiated_twice(self) -> Iterator[None]:
        """A backward pass through D's gradients; torch knows the second derivative of most operations, not of all."""
        whose, closely = "a penalty: the backward pass", self._look.closely
        with one_line_errors(whose, lambda: "the gradients of D", RuntimeError, hint=_no_second, closely=closely):
            yield

    def loss(self, objective: Objective, name: Literal["loss_d", "loss_g"], *logits: Tensor) -> Tensor:
        """A player's loss."""
        whose = f"the objective's {name} ({name_of(objective)})"
        shapes = (str(tuple(x.shape)) for x in logits)
        with one_line_errors(whose, lambda: f"logits {', '.join(shapes)}", _BY_FORM, closely=self._look.closely):
            loss: Tensor = getattr(objective, name)(*logits)
        check_loss(loss, whose)
        return loss


def _no_second(_: Exception) -> str:
    return "; expected operations in the discriminator that torch can differentiate twice"


def _first_message(fault: UserError | None) -> str:
    """What the first rank that has a fault says of it; all ranks call this together."""
    if not torch.distributed.is_initialized():
        return str(fault)
    texts: list[str | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(texts, None if fault is None else str(fault))
    return next(text for text in texts if text is not None)
