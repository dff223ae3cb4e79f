"""What a GAN says of held-out examples: of no batch size, no precision of training, no earlier evaluation."""

import math
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.plugins import MixedPrecision
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor

from lit_gan.data import DigitsDataModule
from lit_gan.engine.turn import accuracies
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.objectives import Hinge, LeastSquares, Minimax, NonSaturating, Objective, Wasserstein

NAMES = ("loss_d", "loss_g", "d_lead", "value", "jsd_bound", "d_real", "d_fake")


def digits_gan(cls: type[GAN] = GAN, classes: int = 0, **kwargs: Any) -> GAN:
    torch.manual_seed(5)
    generator = MLPGenerator((1, 8, 8), latent_size=4, hidden=(32,), weight_init=0.3, condition_size=classes)
    discriminator = MaxoutDiscriminator((1, 8, 8), hidden=(16,), pieces=2, weight_init=0.1, condition_size=classes)
    return cls(generator, discriminator, **kwargs)


def numbers(model: GAN, data: Any, split: str = "val", **kwargs: Any) -> dict[str, float]:
    run = trainer(**kwargs)
    (run.validate if split == "val" else run.test)(model, data, verbose=False)
    return {name: float(value) for name, value in run.callback_metrics.items()}


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize(("precision", "bound"), [("32-true", 1e-6), ("64-true", 1e-12)])
@pytest.mark.parametrize("classes", [0, 10])
def test_the_batch_size_does_not_matter(split: str, precision: str, bound: float, classes: int) -> None:
    kwargs = {"cls": ConditionalGAN, "num_classes": 10} if classes else {}
    model = digits_gan(classes=classes, **kwargs)
    whole, *others = [
        numbers(model, DigitsDataModule(eval_batch_size=size), split, precision=precision) for size in (1000, 64, 7, 1)
    ]
    assert set(whole) == {f"{split}/{name}" for name in NAMES}
    for other in others:
        assert other == pytest.approx(whole, rel=bound, abs=bound)


def test_its_samples_are_of_the_average_where_there_is_one() -> None:
    averaged, plain = linear_gan(), linear_gan()
    averaged.generator_average = {"a": torch.tensor(0.3), "b": torch.tensor(1.5)}
    with torch.no_grad():
        plain.generator.a.fill_(0.3)
        plain.generator.b.fill_(1.5)
    ours, expected, raw = (numbers(gan, loader(examples(10), batch_size=4)) for gan in (averaged, plain, linear_gan()))
    assert ours == pytest.approx(expected, rel=1e-6)
    assert ours["val/loss_g"] != pytest.approx(raw["val/loss_g"], rel=1e-3)


@pytest.mark.parametrize(
    "objective", [Minimax(), NonSaturating(), LeastSquares(), Hinge(), Wasserstein()], ids=lambda o: type(o).__name__
)
def test_the_numbers_are_those_of_all_rows_at_once(objective: Objective) -> None:
    model = linear_gan(objective=objective)
    got = numbers(model, loader(examples(10), batch_size=4))
    with torch.no_grad():
        real = model.double().discriminate(examples(10))
        fake = model.discriminate(model(model.latent_table("val", 0).rows(range(10))))
    value = float(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    expected = {
        "loss_d": float(objective.loss_d(real, fake)),
        "loss_g": float(objective.loss_g(fake)),
        "d_lead": float(accuracies(real, fake, objective)["accuracy"]) * 2 - 1,
        "value": value,
        "jsd_bound": (value + math.log(4)) / 2,
        "d_real": float(real.sigmoid().mean()),
        "d_fake": float(fake.sigmoid().mean()),
    }
    if not isinstance(objective, Minimax | NonSaturating):  # D is no classifier: no quantity of probabilities
        judged = () if isinstance(objective, Wasserstein) else ("d_lead",)
        expected = {name: expected[name] for name in ("loss_d", "loss_g", *judged)}
    assert got == pytest.approx({f"val/{name}": number for name, number in expected.items()}, rel=1e-12)


def test_the_order_of_the_examples_does_not_matter() -> None:
    there, back = (numbers(linear_gan(), loader(data, batch_size=4)) for data in (examples(10), examples(10).flip(0)))
    assert there == pytest.approx(back, rel=1e-12)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_changes_nothing(precision: Any) -> None:
    scaler = torch.amp.GradScaler("cpu") if precision == "16-mixed" else None
    mixed = {"precision": None, "plugins": [MixedPrecision(precision, "cpu", scaler=scaler)]}
    data = DigitsDataModule()
    assert numbers(digits_gan(), data, **mixed) == numbers(digits_gan(), data, precision="32-true")


class Heard(Callback):
    """What a callback hears at the end of each validation, the trainer's check before training too."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self.values.append(float(trainer.callback_metrics["val/d_fake"]))


def test_each_validation_of_a_training_begins_anew() -> None:
    heard, model = Heard(), digits_gan(optimizer_g=frozen, optimizer_d=frozen)
    run = trainer(precision="32-true", max_epochs=2, val_check_interval=0.5, num_sanity_val_steps=-1, callbacks=[heard])
    run.fit(model, DigitsDataModule(batch_size=300, eval_batch_size=64))
    run.validate(model, DigitsDataModule(eval_batch_size=64), verbose=False)
    assert len(heard.values) == 1 + 4 + 1
    assert len(set(heard.values)) == 1


def frozen(parameters: Any) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=0.0)


def test_several_loaders_keep_their_numbers_and_their_names_apart() -> None:
    parts = [loader(examples(6), batch_size=4), loader(examples(6) + 1, batch_size=4), loader(examples(3), 4)]
    run = trainer()
    results = run.validate(linear_gan(), parts, verbose=False)
    for index, result in enumerate(results):
        assert set(result) == {f"val/{name}/dataloader_idx_{index}" for name in NAMES}
    alone = numbers(linear_gan(), parts[0])
    assert results[0] == pytest.approx({f"{name}/dataloader_idx_0": value for name, value in alone.items()}, rel=1e-12)
    assert results[1]["val/d_real/dataloader_idx_1"] > alone["val/d_real"]
    fakes = [results[index][f"val/d_fake/dataloader_idx_{index}"] for index in range(3)]
    assert len(set(fakes)) == 3


def test_a_network_that_has_gone_wrong_is_told() -> None:
    class Broken(GAN):
        def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
            return super().discriminate(x, condition) / 0 * 0

    assert math.isnan(numbers(linear_gan(Broken), loader(examples(6), batch_size=4))["val/value"])


def test_nothing_of_an_evaluation_gets_into_a_checkpoint() -> None:
    model = linear_gan()
    before = [*model.state_dict()]
    numbers(model, loader(examples(6), batch_size=4))
    assert [*model.state_dict()] == before
