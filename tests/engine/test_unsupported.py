"""Settings of the Trainer that cannot serve a GAN are refused in words that help, before anything is set up."""

from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import (
    GradientAccumulationScheduler,
    LearningRateFinder,
    StochasticWeightAveraging,
)
from tiny_gan import examples, linear_gan, loader

from lit_gan.errors import UserError

_QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"gradient_clip_val": 0.5},
            r"^trainer.gradient_clip_val = 0.5: each .*--model.init_args.clip_g 0.5 --model.init_args.clip_d 0.5",
        ),
        ({"gradient_clip_algorithm": "value"}, "^trainer.gradient_clip_algorithm = value: .*clip_g"),
        ({"gradient_clip_val": 1, "gradient_clip_algorithm": "value"}, "^trainer.gradient_clip_val = 1: .*clip_g"),
        (
            {"accumulate_grad_batches": 4},
            r"^trainer.accumulate_grad_batches = 4: .*FixedSteps --model.*.coordination.init_args.micro_batches 4",
        ),
        (
            {"callbacks": [GradientAccumulationScheduler({0: 2})]},
            "^the callback GradientAccumulationScheduler cannot serve a GAN: .*micro_batches N",
        ),
        ({"callbacks": [LearningRateFinder()]}, "^the callback LearningRateFinder .*two learning rates"),
        ({"callbacks": [StochasticWeightAveraging(0.1)]}, "^the callback StochasticWeightAveraging .*GeneratorEMA"),
    ],
)
def test_a_trainer_that_cannot_serve_a_gan_is_refused_with_what_can(settings: dict[str, Any], message: str) -> None:
    trainer = Trainer(max_steps=1, **_QUIET, **settings)
    with pytest.raises(UserError, match=message):
        trainer.fit(linear_gan(), loader(examples().float(), 6))


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate_grad_batches": 1, "gradient_clip_val": None},
        {"gradient_clip_val": 0, "gradient_clip_algorithm": "norm"},
    ],
)
def test_what_changes_nothing_is_let_be(settings: dict[str, Any]) -> None:
    gan = linear_gan()
    trainer = Trainer(max_steps=1, **_QUIET, **settings)
    trainer.fit(gan, loader(examples().float(), 6))
    assert trainer.global_step == 1


def test_what_counts_for_training_alone_is_let_be_in_an_evaluation() -> None:
    assert Trainer(gradient_clip_val=1, **_QUIET).validate(linear_gan(), loader(examples().float(), 6), verbose=False)
