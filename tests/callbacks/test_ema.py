"""The moving average of the generator."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, trainer

from lit_gan.callbacks.ema import GeneratorEMA
from lit_gan.coordination import FixedSteps
from lit_gan.errors import UserError
from lit_gan.gan import GAN


class Weights(Callback):
    """G's weight after every round."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self.seen.append(float(pl_module.generator.a.detach()))


@pytest.mark.parametrize("k", [1, 2])
def test_average_is_the_recursion_over_rounds(k: int) -> None:
    gan, weights = linear_gan(coordination=FixedSteps(k)), Weights()
    start = float(gan.generator.a.detach())
    trainer(max_steps=5, callbacks=[weights, GeneratorEMA(decay=0.4)]).fit(gan, loader(examples(8), batch_size=4 * k))
    average = start
    for index, weight in enumerate(weights.seen, start=1):
        decay = min(0.4, (1 + index) / (10 + index))
        average = decay * average + (1 - decay) * weight
    assert float(gan.generator_average["a"]) == pytest.approx(average, rel=1e-12)
    assert float(gan.generator.a.detach()) == weights.seen[-1]


def _averaged(callback: GeneratorEMA, k: int = 1, rounds: int = 6) -> tuple[list[float], float]:
    """The weight before training and after each round, and the average of them."""
    gan, weights = linear_gan(coordination=FixedSteps(k)), Weights()
    start = float(gan.generator.a.detach())
    trainer(max_steps=rounds, callbacks=[weights, callback]).fit(gan, loader(examples(24), batch_size=4 * k))
    return [start, *weights.seen], float(gan.generator_average["a"])


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("half_life", [3.0, 1000.0])
def test_a_half_life_is_in_images_that_g_learns_from(k: int, half_life: float) -> None:
    weights, average = _averaged(GeneratorEMA(half_life=half_life), k)
    expected = weights[0]
    for index, weight in enumerate(weights[1:], start=1):
        decay = min(0.5 ** (4 / half_life), (1 + index) / (10 + index))  # 4 rows in one minibatch, whatever k is
        expected = decay * expected + (1 - decay) * weight
    assert average == pytest.approx(expected, rel=1e-12)


def test_after_its_half_life_a_weight_counts_half() -> None:
    callback, gan = GeneratorEMA(half_life=24), linear_gan(coordination=FixedSteps(2))
    two_ranks_late_in_training: Any = SimpleNamespace(global_step=10**6, world_size=2, lightning_module=gan)
    kept = [callback.decay_at(two_ranks_late_in_training, torch.zeros(8, 1)) for _ in range(3)]
    assert math.prod(kept) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("horizon", [1.0, 0.5, 0.3])
def test_a_horizon_is_a_fraction_of_the_rounds_so_far(horizon: float) -> None:
    weights, average = _averaged(GeneratorEMA(horizon=horizon))
    expected = weights[0]
    for index, weight in enumerate(weights[1:], start=1):
        decay = 1 - 1 / (1 + horizon * index)
        expected = decay * expected + (1 - decay) * weight
    assert average == pytest.approx(expected, rel=1e-12)
    closed = {1.0: [1] * 7, 0.5: range(1, 8)}  # weights of round s, which go as s ** (1 / horizon - 1)
    if horizon in closed:
        shares = closed[horizon]
        assert average == pytest.approx(
            sum(share * weight for share, weight in zip(shares, weights, strict=True)) / sum(shares), rel=1e-12
        )


def test_training_is_the_same_with_and_without() -> None:
    with_average, without = linear_gan(), linear_gan()
    trainer(max_epochs=2, callbacks=[GeneratorEMA()]).fit(
        with_average, loader(examples(8), batch_size=4), loader(examples(4), batch_size=4)
    )
    trainer(max_epochs=2).fit(without, loader(examples(8), batch_size=4))
    assert all(
        torch.equal(one, other) for one, other in zip(with_average.parameters(), without.parameters(), strict=True)
    )


@pytest.mark.parametrize("arguments", [{"decay": 0.5}, {"half_life": 30.0}, {"horizon": 0.3}])
def test_average_goes_on_after_a_resume(tmp_path: Any, arguments: dict[str, float]) -> None:
    def run(epochs: int, **kwargs: Any) -> tuple[Any, Any]:
        gan, fit = linear_gan(), trainer(max_epochs=epochs, callbacks=[GeneratorEMA(**arguments)])
        fit.fit(gan, loader(examples(8), batch_size=4), **kwargs)
        return gan, fit

    whole, _ = run(4)
    _, half = run(2)
    half.save_checkpoint(tmp_path / "half.ckpt")
    resumed, _ = run(4, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert torch.equal(whole.generator_average["a"], resumed.generator_average["a"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": -0.1}, r"decay = -0\.1: expected a number in \[0, 1\)"),
        ({"decay": 1.0}, r"decay = 1\.0: expected a number in \[0, 1\)"),
        ({"half_life": 0.0}, r"half_life = 0\.0: expected a number of images above 0"),
        ({"half_life": float("inf")}, "half_life = inf: expected a number of images above 0"),
        ({"horizon": 0.0}, r"horizon = 0\.0: expected a fraction of the rounds so far, in \(0, 1\]"),
        ({"horizon": 1.5}, r"horizon = 1\.5: expected a fraction of the rounds so far, in \(0, 1\]"),
        (
            {"decay": 0.9, "horizon": 0.3},
            r"GeneratorEMA: decay = 0\.9 and horizon = 0\.3: expected one of them; set the others to null",
        ),
    ],
)
def test_what_does_not_say_how_far_to_look_back_is_an_error(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        GeneratorEMA(**arguments)


def test_where_nothing_is_given_the_decay_is_the_usual_one() -> None:
    assert (GeneratorEMA().decay, GeneratorEMA(horizon=0.3).decay) == (0.999, None)


def test_two_averages_of_one_generator_are_an_error() -> None:
    fit = trainer(max_steps=1, callbacks=[GeneratorEMA(), GeneratorEMA(horizon=0.3)])
    with pytest.raises(UserError, match=r"2 callbacks GeneratorEMA: a GAN keeps one average: expected one; .*replaces"):
        fit.fit(linear_gan(), loader(examples(8), batch_size=4))


def test_two_kinds_of_ones_own_are_two_averages_of_one_generator() -> None:
    one, other = (type(name, (GeneratorEMA,), {}) for name in ("One", "Other"))
    with pytest.raises(UserError, match=r"^2 callbacks GeneratorEMA: a GAN keeps one average: "):
        trainer(max_steps=1, callbacks=[one(), other()]).fit(linear_gan(), loader(examples(8), batch_size=4))


def test_another_kind_of_module_is_an_error() -> None:
    with pytest.raises(UserError, match=r"averages the generator of a lit_gan\.GAN: got a BoringModel"):
        GeneratorEMA().on_train_start(trainer(), BoringModel())


def test_average_starts_at_the_weights_that_training_begins_with() -> None:
    class Begins(LinearGenerator):
        def begin_training(self, pixel_means: Any) -> None:
            self.b.data.fill_(100.0)

    class AtStart(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.seen = float(pl_module.generator_average["b"])

    gan, at_start = GAN(Begins(), LinearDiscriminator()), AtStart()
    trainer(max_steps=1, callbacks=[GeneratorEMA(), at_start]).fit(gan, loader(examples(8), batch_size=4))
    assert at_start.seen == 100.0


def test_an_average_that_is_kept_no_longer_is_not_sampled_with() -> None:
    gan = linear_gan()
    trainer(max_steps=2, callbacks=[GeneratorEMA()]).fit(gan, loader(examples(8), batch_size=4))
    assert gan.generator_average is not None
    trainer(max_steps=2).fit(gan, loader(examples(8), batch_size=4))
    z = gan.latent.sample(3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(gan.sample_data(3, rng=0), gan(z).detach())


def test_average_follows_the_generator_to_another_type() -> None:
    gan = linear_gan()
    trainer(max_steps=2, callbacks=[GeneratorEMA()], precision="32-true").fit(gan, loader(examples(8).float(), 4))
    z, average = torch.tensor([[0.5]]), float(gan.generator_average["a"])
    with gan.double().averaged():
        assert float(gan.generator.a.detach()) == average
        assert gan(z.double()).dtype == torch.float64
    assert gan.generator_average["a"].dtype == torch.float64


class Asking(Callback):
    """Calls the GAN after every round, with and without gradients, as a user's callback might."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        z = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
        pl_module(z).sum().backward()
        with torch.no_grad():
            assert torch.equal(pl_module(z), pl_module.sample_data(2, rng=0) * 0 + pl_module(z))
        with pl_module.averaged():
            pl_module(z)


@pytest.mark.parametrize("k", [1, 2])
def test_asking_the_gan_in_the_midst_of_training_does_not_disturb_it(k: int) -> None:
    asked, left_alone = linear_gan(coordination=FixedSteps(k)), linear_gan(coordination=FixedSteps(k))
    for gan, more in ((asked, [Asking()]), (left_alone, [])):
        callbacks = [GeneratorEMA(0.5), *more]
        trainer(max_epochs=3, callbacks=callbacks).fit(gan, loader(examples(8), batch_size=4 * k))
    for one, other in zip(asked.parameters(), left_alone.parameters(), strict=True):
        assert torch.equal(one, other)
    for name, average in left_alone.generator_average.items():
        assert torch.equal(asked.generator_average[name], average)


_HERE, _ONE = torch.zeros(()), torch.zeros(1)


@pytest.mark.parametrize(
    ("average", "where"),
    [
        ({}, "a"),
        ({"a": _ONE, "b": _HERE}, "a"),
        ({"a": _HERE, "b": 1.0}, "b"),
        ({"a": _HERE, "b": _HERE, "c": _HERE}, "c"),
    ],
)
def test_an_average_of_another_generator_is_refused(average: dict[str, Any], where: str) -> None:
    gan = linear_gan()
    gan.generator_average = average
    message = f"the checkpoint's average of G does not fit this G at {where}: expected the names and shapes of"
    with pytest.raises(UserError, match=message), gan.averaged():
        pass
    with pytest.raises(UserError, match=message):
        GeneratorEMA(0.5).on_train_start(trainer(), gan)


def test_statistics_of_another_generator_are_refused() -> None:
    gan = linear_gan()
    gan.generator.register_buffer("mean", torch.zeros(2))
    gan.generator_average = {"a": _HERE, "b": _HERE}
    gan.average_statistics = {"mean": torch.zeros(2)}
    gan.check_average()
    gan.average_statistics = {"mean": torch.zeros(3)}
    with pytest.raises(UserError, match="does not fit this G at mean:"):
        gan.check_average()
