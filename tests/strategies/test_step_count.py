"""Rounds that count more than once are told, and the two lines of the warning mend them."""

from types import SimpleNamespace
from typing import Any

import pytest
from faulty_parts import Batches, FaultyData, FaultyDiscriminator, FaultyGenerator, OwnSteps, OwnStepsCountedOnce
from lightning.pytorch import LightningModule
from tiny_gan import sgd, trainer

from lit_gan.gan import GAN
from lit_gan.strategies.step_count import StepCount, StepCountWarning

pytestmark = pytest.mark.usefixtures("own_process_group")


def _gan(cls: type[GAN]) -> GAN:
    return cls(FaultyGenerator(), FaultyDiscriminator(), optimizer_g=sgd(), optimizer_d=sgd())


class Foreign(LightningModule):
    """Two players and no GAN of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = FaultyGenerator(), FaultyDiscriminator()
        self.batches = 0

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.batches += 1
        for optimizer, player, given in zip(
            self.optimizers(), (self.generator, self.discriminator), (batch[:, 0, 0, :4], batch), strict=True
        ):
            optimizer.zero_grad()
            self.manual_backward(player(given).mean())
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [sgd()(self.generator.parameters()), sgd()(self.discriminator.parameters())]


@pytest.mark.parametrize("strategy", ["auto", "ddp_gan"])
def test_a_subclass_whose_rounds_count_twice_is_told_once(strategy: str) -> None:
    message = (
        r"OwnSteps.training_step makes 2 optimiser steps a batch.* run 2 times too fast.*"
        r"`optimizer = self.optimizers\(\)\[1\].optimizer` and "
        r"`self.trainer.strategy.optimizer_step\(optimizer, lambda: None\)`"
    )
    with pytest.warns(StepCountWarning, match=message) as told:
        trainer(precision="32-true", max_steps=8, strategy=strategy).fit(_gan(OwnSteps), FaultyData())
    assert len([each for each in told if each.category is StepCountWarning]) == 1


def test_the_lines_of_the_warning_make_a_round_count_once() -> None:
    gan = _gan(OwnStepsCountedOnce)
    before = gan.discriminator.layer.weight.detach().clone()
    trainer(precision="32-true", max_epochs=1).fit(gan, FaultyData())
    assert gan.global_step == 4
    assert not gan.discriminator.layer.weight.equal(before)


def test_a_foreign_module_under_ddp_gan_is_told() -> None:
    with pytest.warns(StepCountWarning, match="Foreign.training_step makes 2 optimiser steps a batch"):
        trainer(precision="32-true", max_steps=8, strategy="ddp_gan").fit(Foreign(), Batches("", (1, 8, 8)))


def test_our_own_rounds_count_once() -> None:
    gan = _gan(GAN)
    trainer(precision="32-true", max_epochs=1, strategy="ddp_gan").fit(gan, FaultyData())
    assert gan.global_step == 4


@pytest.mark.parametrize("steps", [[0, 0, 0], [0, 1, 2], [7, 8, 8]])
def test_one_step_a_batch_and_none_are_no_fault(steps: list[int]) -> None:
    count: Any = StepCount()
    for step in steps:
        count.end_batch(SimpleNamespace(global_step=step))
        count.begin_batch(SimpleNamespace(global_step=step))
