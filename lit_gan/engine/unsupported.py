"""What of Lightning's Trainer cannot serve players who are optimised by hand, and what does instead."""

from typing import NamedTuple

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    GradientAccumulationScheduler,
    LearningRateFinder,
    StochasticWeightAveraging,
)
from lightning.pytorch.trainer.states import TrainerFn

from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.errors import UserError

_CLIP = "each player's gradient is clipped by itself, by its norm: "


class Advice(NamedTuple):
    """What does it in place of the Trainer, where ``{value}`` is what was asked of that."""

    module: str
    clip: str
    accumulate: str
    find_rate: str
    average: str


OF_A_GAN = Advice(
    module="a GAN",
    clip="give the GAN clip_g and clip_d (--model.init_args.clip_g {value} --model.init_args.clip_d {value}).",
    accumulate=(
        "give the GAN a coordination with micro_batches (--model.init_args.coordination lit_gan.coordination.FixedSteps"
        " --model.init_args.coordination.init_args.micro_batches {value})."
    ),
    find_rate="there are two learning rates, and no one loss to choose them by: `lit-gan sweep` tries them.",
    average="use lit_gan.callbacks.GeneratorEMA, which averages the generator's weights.",
)
OF_ROUNDS = Advice(
    module="players that move in rounds",
    clip="give each player its own, self.add_player(..., clip={value}).",
    accumulate="call self.manual_backward {value} times within a player's turn, each time with its share of the loss.",
    find_rate="each player has a learning rate, and no one loss chooses them: `lit-gan sweep` tries them.",
    average="average the weights of the player that stays after training in a callback of your own.",
)


def check_trainer(trainer: Trainer, advice: Advice) -> None:
    """Refuses, before anything is set up, what needs one loss or one optimiser, which Lightning does in other words."""
    if trainer.state.fn != TrainerFn.FITTING:
        return
    clip, pieces, algorithm = (
        trainer.gradient_clip_val,
        trainer.accumulate_grad_batches,
        trainer.gradient_clip_algorithm,
    )
    if clip is not None and clip > 0:
        raise UserError(f"trainer.gradient_clip_val = {clip}: {_CLIP}{advice.clip.format(value=clip)}")
    if algorithm is not None and algorithm != "norm":
        raise UserError(
            f"trainer.gradient_clip_algorithm = {algorithm.value}: {_CLIP}{advice.clip.format(value='MOST')}"
        )
    if pieces != 1:
        raise UserError(f"trainer.accumulate_grad_batches = {pieces}: {advice.accumulate.format(value=pieces)}")
    instead_of: dict[type[Callback], str] = {
        GradientAccumulationScheduler: advice.accumulate.format(value="N"),
        LearningRateFinder: advice.find_rate,
        StochasticWeightAveraging: advice.average,
    }
    for callback in callbacks_of(trainer):
        for kind, instead in instead_of.items():
            if isinstance(callback, kind):
                raise UserError(f"the callback {kind.__name__} cannot serve {advice.module}: {instead}")
