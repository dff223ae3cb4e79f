"""What D sees of images: when, by which draws, and that gradients flow."""

from typing import Any

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, sgd, trainer
from torch import Tensor

from lit_gan.augmentation import Augmentation, DiffAugment, InstanceNoise
from lit_gan.coordination import FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.objectives import RelativisticPairing
from lit_gan.penalties import R1, GradientPenalty


@pytest.fixture(autouse=True)
def _seed_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(rows: int = 6, channels: int = 3, side: int = 16) -> Tensor:
    return torch.rand(rows, channels, side, side, generator=rng(5), dtype=torch.float64)


class Scale(Augmentation):
    """Each row by a factor of its own."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images * (1 + torch.rand(len(images), 1, 1, 1, generator=rng, dtype=images.dtype))


class Recording(GAN):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown: list[Tensor] = []
        self.turns: list[Turn] = []

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        self.shown.append(x.detach())
        return super().discriminate(x, condition)

    def auxiliary_loss(self, turn: Turn) -> None:
        self.turns.append(turn)


def test_d_sees_augmented_images_in_both_turns_and_never_in_an_evaluation() -> None:
    gan = linear_gan(Recording, augment=Scale(), optimizer_g=sgd(0.0), optimizer_d=sgd(0.0))
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(8), batch_size=8), loader(examples(4), batch_size=4))
    first, d, g, last = gan.shown
    for held_out in (first, last):
        assert torch.equal(held_out[:4], examples(4))
    turn_d, turn_g = gan.turns
    assert torch.equal(turn_d.x, examples(8))
    factors = [
        seen.flatten() / plain.detach().flatten()
        for seen, plain in ((d[:8], turn_d.x), (d[8:], turn_d.generated), (g, turn_g.generated))
    ]
    for each in factors:
        assert each.min() >= 1
        assert each.max() < 2
    assert len(torch.cat(factors).unique()) == 24  # no draw is used twice


def test_draws_belong_to_rows_whatever_the_micro_batches() -> None:
    ends = []
    for pieces in (1, 3):
        gan = linear_gan(
            augment=Scale(),
            coordination=FixedSteps(2, micro_batches=pieces),
            penalties=[R1(0.3), GradientPenalty(0.2)],
            objective=RelativisticPairing(),
        )
        trainer(max_steps=2).fit(gan, loader(examples(36), batch_size=18))
        ends.append([value.item() for value in gan.parameters()])
    assert ends[0] == pytest.approx(ends[1], rel=1e-12)


def test_draws_are_a_function_of_the_position_and_not_of_history(tmp_path: Any) -> None:
    def make() -> GAN:
        return linear_gan(augment=Scale(), optimizer_d=sgd(0.1, 0.5))

    data = loader(examples(8), batch_size=4)
    whole, first, second = make(), make(), make()
    trainer(max_epochs=4).fit(whole, data)
    run = trainer(max_epochs=2)
    run.fit(first, data)
    run.save_checkpoint(tmp_path / "half.ckpt")
    torch.rand(100)
    trainer(max_epochs=4).fit(second, data, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_penalties_act_on_the_images_before_augmentation() -> None:
    class Double(Augmentation):
        def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
            return 2 * images

    gan = linear_gan(augment=Double(), penalties=[R1(2.0), GradientPenalty(1.0)], optimizer_g=sgd(0.0))
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(8), batch_size=8))
    slope = 2 * float(torch.tensor(0.4))
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    assert logged["train/penalty_r1"] == pytest.approx(0.5 * slope**2, rel=1e-6)
    assert logged["train/penalty_gradient_penalty"] == pytest.approx((slope - 1) ** 2, rel=1e-5)


def test_noise_goes_to_zero_by_rounds() -> None:
    noise = InstanceNoise(sigma=0.4, rounds=4)
    x = torch.zeros(4000, 1, 2, 2)
    for index, sigma in enumerate([0.4, 0.3, 0.2, 0.1, 0.0, 0.0]):
        noise.begin_round(index)
        made = noise(x, rng(index))
        assert float(made.std()) == pytest.approx(sigma, rel=0.02)
    assert made is x
    assert torch.equal(InstanceNoise(0.1)(x, rng()), InstanceNoise(0.1)(x, rng()))


def test_noise_follows_the_rounds_of_a_training() -> None:
    noise = InstanceNoise(sigma=0.4, rounds=4)
    trainer(max_steps=3).fit(linear_gan(augment=noise), loader(examples(12), batch_size=4))
    assert noise.sigma_now == pytest.approx(0.2)  # of the third round


def test_colour_is_brightness_then_saturation_then_contrast() -> None:
    x = images()
    draws = rng()
    brightness, saturation, contrast = (torch.rand(6, 1, 1, 1, generator=draws, dtype=x.dtype) for _ in range(3))
    expected = x + brightness - 0.5
    mean = expected.mean(1, keepdim=True)
    expected = (expected - mean) * (2 * saturation) + mean
    mean = expected.mean((1, 2, 3), keepdim=True)
    expected = (expected - mean) * (contrast + 0.5) + mean
    torch.testing.assert_close(DiffAugment("color")(x, rng()), expected, rtol=1e-14, atol=1e-14)


def test_translation_moves_whole_pixels_and_brings_in_zeros() -> None:
    x = images(200)
    made = DiffAugment("translation")(x, rng())
    seen = set()
    for one, moved in zip(x, made, strict=True):
        padded = torch.nn.functional.pad(one, (2, 2, 2, 2))
        places = [
            (dy, dx) for dy in range(5) for dx in range(5) if torch.equal(padded[:, dy:, dx:][:, :16, :16], moved)
        ]
        assert len(places) == 1
        seen |= set(places)
    assert len(seen) == 25


def test_cutout_leaves_a_rectangle_of_half_the_sides_out() -> None:
    x = images(400) + 1
    made = DiffAugment("cutout")(x, rng())
    gone = made == 0
    assert torch.equal(made, torch.where(gone, 0, x))
    rows, columns = gone.any(1).any(2).sum(1), gone.any(1).any(1).sum(1)
    assert (gone.sum((1, 2, 3)) == 3 * rows * columns).all()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 8, 4, 8)


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_gradients_flow_twice(policy: str) -> None:
    x = images(2, side=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda each: DiffAugment(policy)(each, rng()), x)
    assert torch.autograd.gradgradcheck(lambda each: DiffAugment(policy)(each, rng()).square(), x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DiffAugment("colour,cutout"),
            "policy = 'colour,cutout': expected names among color, translation, cutout",
        ),
        (lambda: DiffAugment(""), "not ''"),
        (lambda: InstanceNoise(-1), "sigma = -1: expected a standard deviation of 0 or more"),
        (lambda: InstanceNoise(1, rounds=0), "rounds = 0: expected at least 1, or null"),
    ],
)
def test_arguments_that_cannot_be_are_told(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


class Own(Augmentation):
    def __init__(self, give: Any) -> None:
        self.give = give

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return self.give(images)


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda x: x.flatten(1), r"makes a tensor \(8, 1\).* expected images of the same shape and type"),
        (lambda x: x.float(), "of the same shape and type"),
        (lambda x: None, "expected images of the same shape and type"),
        (lambda x: x.detach(), "lets no gradient through, and G could not learn"),
        (lambda x: x / 0, "makes images that are not finite"),
        (lambda x: x.nothing, r"fails on images \(8, 1, 1, 1\): AttributeError: .* \(test_augmentation.py, line"),
    ],
)
def test_an_augmentation_of_the_users_that_gives_something_wrong_is_told(give: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"the augmentation .*Own.* {message}"):
        trainer(max_steps=1).fit(linear_gan(augment=Own(give)), loader(examples(8), batch_size=8))
