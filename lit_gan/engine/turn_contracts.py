"""What the parts of a turn have to give: objectives that pair, penalties, augmentations, steps, further tasks."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from lit_gan.coordination import Coordination
from lit_gan.engine.batches import described
from lit_gan.engine.extents import extent
from lit_gan.engine.value_ranges import name_of, warn
from lit_gan.errors import UserError
from lit_gan.objectives import Objective
from lit_gan.penalties import Penalty


def check_objective(objective: Objective) -> None:
    """Whether ``loss_g`` takes what its objective says that it needs."""
    compares = objective.pairs_examples or objective.matches_features
    given = ("fake_logits", "real_logits") if compares else ("fake_logits",)
    try:
        inspect.signature(objective.loss_g).bind(*given)
    except TypeError as error:
        way = "" if compares else "; one that needs the examples' logits says pairs_examples = True"
        raise UserError(
            f"the objective's loss_g ({name_of(objective)}) does not take ({', '.join(given)}): {error}; expected "
            f"loss_g(self, fake_logits, real_logits=None){way}."
        ) from error


def warn_of_unbounded_slope(objective: Objective, penalties: Sequence[Penalty], discriminator: nn.Module) -> None:
    """Warns of a critic that nothing keeps from growing ever steeper."""
    if not objective.needs_bounded_slope or any(penalty.of_slopes for penalty in penalties):
        return
    if any(_bounds_its_weight(module) for module in discriminator.modules()):
        return
    warn(
        f"under {name_of(objective)} the discriminator ({name_of(discriminator)}) may grow ever steeper, and its loss "
        "says nothing then: give --model.init_args.penalties+=GradientPenalty (in Python "
        "penalties=[GradientPenalty()]), or a network with spectral normalisation or a max norm."
    )


def _bounds_its_weight(module: nn.Module) -> bool:
    """Whether it is reparametrised (spectral normalisation, the old kind by hooks, too) or put back after each step."""
    constrains = hasattr(module, "constrain_") and getattr(module, "max_norm", module) is not None
    return constrains or is_parametrized(module) or hasattr(module, "weight_orig")


def check_steps(steps: Any, coordination: Coordination) -> int:
    """How often D moves in a round."""
    most = coordination.max_discriminator_steps
    if not isinstance(steps, int) or not 0 <= steps <= most:
        raise UserError(
            f"the coordination ({name_of(coordination)}) gives discriminator_steps = {steps!r}: expected a whole "
            f"number from 0 to its max_discriminator_steps = {most}."
        )
    return steps


def check_augmented(augmented: Any, images: Tensor, whose: str, *, closely: bool) -> None:
    """What an augmentation must make of images."""
    if not isinstance(augmented, Tensor) or augmented.shape != images.shape or augmented.dtype != images.dtype:
        raise UserError(
            f"{whose} makes {described(augmented)} of {described(images)}: expected images of the same shape and type."
        )
    if not closely:
        return
    if images.requires_grad and torch.is_grad_enabled() and not augmented.requires_grad:
        raise UserError(
            f"{whose} lets no gradient through, and G could not learn: look for no_grad, detach, rounding or numpy in "
            "it."
        )
    if extent(augmented) is None and extent(images) is not None:
        raise UserError(f"{whose} makes images that are not finite (NaN or inf) of finite ones.")


def check_penalty(term: Any, whose: str, *, closely: bool) -> None:
    """What a penalty must give."""
    if not isinstance(term, Tensor) or term.numel() != 1 or not term.is_floating_point():
        raise UserError(f"{whose} gives {described(term)}: expected a scalar, as by .mean().")
    if not closely:
        return
    if not term.requires_grad:
        raise UserError(
            f"{whose} gives a number that does not depend on D's weights: expected one that gradients flow through; "
            "torch.autograd.grad needs create_graph=True, and look for no_grad, detach or .item() in it."
        )
    if extent(term.detach().reshape(1)) is None:
        raise UserError(f"{whose} gives {term.item()} before anything is trained: expected a finite number.")


def takes_turn(auxiliary_loss: Callable[..., Tensor | None]) -> bool:
    """Whether a module's further task is written for a turn, and not for ``(player, x, condition)``, as it was once."""
    try:
        inspect.signature(auxiliary_loss).bind("turn")
    except TypeError:
        name = getattr(auxiliary_loss, "__qualname__", "auxiliary_loss")
        warn(
            f"{name}(player, x, condition) is called as before: expected auxiliary_loss(turn), which has turn.player, "
            "turn.x, turn.generated, turn.condition and D's logits."
        )
        return False
    return True
