"""The precision that is faster here: chosen once, kept for good, and nothing else changes by the measurement."""

from datetime import timedelta
from typing import Any

import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks import AutoPrecision
from lit_gan.callbacks.auto_precision import seconds_of_a_pass
from lit_gan.callbacks.graceful_stop import StopBetweenRounds
from lit_gan.errors import RunStopped, UserError
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator

DATA = loader(examples().float(), 4)


def _auto(**seconds: float) -> AutoPrecision:
    """One on a machine where a pass takes so long."""
    auto = AutoPrecision()
    auto._seconds = lambda gan, rows, lowered: seconds["bf16" if lowered else "single"]
    return auto


class Watched(GAN):
    """Notes what the rounds run in."""

    lowered = False

    def discriminate(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        self.lowered = torch.is_autocast_enabled(x.device.type)
        return super().discriminate(x, condition)


def _fit(auto: AutoPrecision, **kwargs: Any) -> Any:
    run = trainer(callbacks=[auto], precision="32-true", **{"max_steps": 2, **kwargs})
    gan = linear_gan(Watched)
    run.fit(gan, DATA)
    assert type(run.precision_plugin) is Precision  # the Trainer's own again
    return gan


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"single": 2.0, "bf16": 1.0}, "bf16-mixed"),
        ({"single": 1.0, "bf16": 0.95}, "32-true"),
        ({"single": 1.0, "bf16": 7.0}, "32-true"),
    ],
)
def test_the_faster_one_is_chosen(seconds: dict[str, float], chosen: str, capsys: pytest.CaptureFixture[str]) -> None:
    auto = _auto(**seconds)
    gan = _fit(auto)
    assert (auto.chosen, gan.lowered) == (chosen, chosen == "bf16-mixed")
    took = f"a pass of both networks takes {1e3 * seconds['single']:.3g} ms in float32 and"
    assert f"lit-gan: trains in {chosen}: {took}" in capsys.readouterr().out


def test_kernels_that_are_made_in_the_first_pass_do_not_count() -> None:
    auto = AutoPrecision()
    took = iter([1.0, 9.0, 1.0, 0.5, *[1.0, 0.5] * 20])  # float32 and bf16 by turns
    auto._seconds = lambda gan, rows, lowered: next(took)
    _fit(auto)
    assert auto.chosen == "bf16-mixed"


def test_what_was_chosen_stays() -> None:
    first, second = _auto(single=2.0, bf16=1.0), _auto(single=1.0, bf16=2.0)
    _fit(first)
    second.load_state_dict(first.state_dict())
    assert _fit(second).lowered


def test_another_training_is_measured_anew() -> None:
    auto = _auto(single=2.0, bf16=1.0)
    assert _fit(auto).lowered
    auto._seconds = _auto(single=1.0, bf16=2.0)._seconds
    assert not _fit(auto).lowered


def test_a_trainer_whose_training_was_stopped_has_its_own_precision_and_trains_on() -> None:
    callbacks = [_auto(single=2.0, bf16=1.0), StopBetweenRounds(max_time=timedelta(0))]
    run, gan = trainer(callbacks=callbacks, precision="32-true", max_steps=3), linear_gan(Watched)
    for rounds in (1, 2):
        with pytest.raises(RunStopped, match="max_time"):
            run.fit(gan, DATA)
        assert (run.global_step, gan.lowered, type(run.precision_plugin)) == (rounds, True, Precision)


def test_the_measurement_changes_nothing() -> None:
    """The same weights as without it, dropout included."""

    def measured(gan: GAN, rows: int, lowered: bool) -> float:
        seconds_of_a_pass(gan, rows, lowered)
        return 2.0 if lowered else 1.0  # on a machine that is at work, bf16 is the faster now and then

    auto, found = AutoPrecision(), []
    auto._seconds = measured
    for callbacks in ([], [auto]):
        torch.manual_seed(0)
        networks = MLPGenerator((1, 2, 2), latent_size=2, hidden=(4,)), MaxoutDiscriminator((1, 2, 2), hidden=(4,))
        gan = GAN(*networks)
        gan._seed = 1
        torch.manual_seed(5)
        run = trainer(callbacks=callbacks, precision="32-true", max_steps=2)
        run.fit(gan, loader(torch.linspace(0, 1, 32).view(8, 1, 2, 2), 4))
        found.append((torch.cat([each.detach().flatten() for each in gan.parameters()]), torch.rand(1)))
        assert seconds_of_a_pass(gan, 4, lowered=True) > 0
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_what_it_cannot_choose_for_is_told() -> None:
    with pytest.raises(UserError, match=r"^AutoPrecision measures the networks of a lit_gan.GAN: got a BoringModel.$"):
        trainer(callbacks=[AutoPrecision()], precision="32-true", max_steps=1).fit(BoringModel())
    with pytest.raises(UserError, match=r"^AutoPrecision and precision 'bf16-mixed': expected one: leave"):
        trainer(callbacks=[AutoPrecision()], precision="bf16-mixed", max_steps=1).fit(linear_gan(), DATA)
    assert MixedPrecision("bf16-mixed", "cpu").precision == "bf16-mixed"  # what the message names
