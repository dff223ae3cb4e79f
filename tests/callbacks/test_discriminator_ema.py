"""The average of a discriminator that classifies: its formula, where it is used, what it refuses."""

from collections.abc import Callable

import pytest
import torch
from semi_supervised_cases import Blots, small
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor

from lit_gan.callbacks import DiscriminatorEMA, GeneratorEMA
from lit_gan.errors import UserError
from lit_gan.extensions.semi_supervised import SemiSupervisedGAN


class Path(SemiSupervisedGAN):
    """Keeps D's weights after each round."""

    def on_train_batch_end(self, *arguments: object) -> None:
        super().on_train_batch_end(*arguments)  # type: ignore[arg-type]
        self.biases.append(self.discriminator.output.bias.detach().clone())


@pytest.mark.parametrize(
    ("arguments", "decay"),
    [
        ({"decay": 0.3}, lambda t: min(0.3, (1 + t) / (10 + t))),
        ({"horizon": 0.5}, lambda t: 1 - 1 / (1 + 0.5 * t)),
        ({"half_life": 30}, lambda t: min(2 ** (-6 / 30), (1 + t) / (10 + t))),
    ],
)
def test_the_average_is_its_formula(arguments: dict[str, float], decay: Callable[[int], float]) -> None:
    gan = small(Path)
    gan.biases = []
    trainer(max_steps=5, callbacks=[DiscriminatorEMA(**arguments)]).fit(gan, datamodule=Blots())
    average = _begun()
    for rounds, bias in enumerate(gan.biases, start=1):
        average = decay(rounds) * average + (1 - decay(rounds)) * bias
    assert gan.discriminator_average is not None
    torch.testing.assert_close(gan.discriminator_average["output.bias"], average)


def _begun() -> Tensor:
    """The weights before the first round, which begin from images."""
    gan = small()
    trainer(max_steps=0).fit(gan, datamodule=Blots())
    return gan.discriminator.output.bias.detach()


def test_training_does_not_notice() -> None:
    weights = []
    for callbacks in ([], [DiscriminatorEMA()]):
        gan = small()
        trainer(max_steps=4, callbacks=callbacks).fit(gan, datamodule=Blots())
        weights.append(gan.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 1.0}, r"^DiscriminatorEMA: decay = 1.0: expected a number in \[0, 1\)"),
        ({"horizon": 0.0}, r"^DiscriminatorEMA: horizon = 0.0: expected a fraction of the rounds so far"),
        ({"half_life": -1.0}, r"^DiscriminatorEMA: half_life = -1.0: expected a number of images above 0"),
        ({"decay": 0.9, "horizon": 0.1}, r"^DiscriminatorEMA: decay = 0.9 and horizon = 0.1: expected one of them"),
    ],
)
def test_what_cannot_be_is_told(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DiscriminatorEMA(**arguments)


class _Own(DiscriminatorEMA):
    """One of the reader's own."""


@pytest.mark.parametrize("kinds", [(DiscriminatorEMA, DiscriminatorEMA), (_Own, DiscriminatorEMA)])
def test_two_averages_of_one_discriminator_are_an_error(kinds: tuple[type[DiscriminatorEMA], ...]) -> None:
    fit = trainer(max_steps=1, callbacks=[kind() for kind in kinds])
    with pytest.raises(
        UserError, match=r"^2 callbacks DiscriminatorEMA: a GAN keeps one average: expected one; the one that is there "
    ):
        fit.fit(small(), datamodule=Blots())


def test_each_player_may_have_an_average() -> None:
    gan = small()
    trainer(max_steps=1, callbacks=[DiscriminatorEMA(), GeneratorEMA()]).fit(gan, datamodule=Blots())
    assert gan.discriminator_average
    assert gan.generator_average


def test_another_module_is_told() -> None:
    with pytest.raises(UserError, match=r"^DiscriminatorEMA averages a lit_gan.SemiSupervisedGAN's D: got a GAN"):
        trainer(max_steps=1, callbacks=[DiscriminatorEMA()]).fit(linear_gan(), loader(examples(6), batch_size=6))
