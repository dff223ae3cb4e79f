"""What of Lightning's Trainer cannot serve a GAN, whose players are optimised by hand, and what does instead."""

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    GradientAccumulationScheduler,
    LearningRateFinder,
    StochasticWeightAveraging,
)
from lightning.pytorch.trainer.states import TrainerFn

from lit_gan.errors import UserError

_CLIP = (
    "each player's gradient is clipped by itself, by its norm: give the GAN clip_g and clip_d "
    "(--model.init_args.clip_g {value} --model.init_args.clip_d {value})."
)
_MICRO_BATCHES = (
    "give the GAN a coordination with micro_batches (--model.init_args.coordination lit_gan.coordination.FixedSteps "
    "--model.init_args.coordination.init_args.micro_batches {value})."
)
_CALLBACKS: dict[type[Callback], str] = {
    GradientAccumulationScheduler: _MICRO_BATCHES.format(value="N"),
    LearningRateFinder: "there are two learning rates, and no one loss to choose them by: `lit-gan sweep` tries them.",
    StochasticWeightAveraging: "use lit_gan.callbacks.GeneratorEMA, which averages the generator's weights.",
}


def check_trainer(trainer: Trainer) -> None:
    """Refuses, before anything is set up, what Lightning would refuse with advice that no GAN can follow.

    Args:
        trainer: Its settings and callbacks are looked at.

    Raises:
        UserError: For ``gradient_clip_val``, ``accumulate_grad_batches`` and callbacks that need one loss or one
            optimiser; the error names what does it for a GAN.
    """
    if trainer.state.fn != TrainerFn.FITTING:
        return
    clip, pieces, algorithm = (
        trainer.gradient_clip_val,
        trainer.accumulate_grad_batches,
        trainer.gradient_clip_algorithm,
    )
    if clip is not None and clip > 0:
        raise UserError(f"trainer.gradient_clip_val = {clip}: {_CLIP.format(value=clip)}")
    if algorithm is not None and algorithm != "norm":
        raise UserError(f"trainer.gradient_clip_algorithm = {algorithm.value}: {_CLIP.format(value='MOST')}")
    if pieces != 1:
        raise UserError(f"trainer.accumulate_grad_batches = {pieces}: {_MICRO_BATCHES.format(value=pieces)}")
    callbacks: list[Callback] = getattr(trainer, "callbacks", [])  # set where a type checker does not see it
    for callback in callbacks:
        for kind, instead in _CALLBACKS.items():
            if isinstance(callback, kind):
                raise UserError(f"the callback {kind.__name__} cannot serve a GAN: {instead}")
