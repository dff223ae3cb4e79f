"""What D sees of images: when, by which draws, and that gradients flow."""

from typing import Any

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, sgd, trainer
from torch import Tensor

from lit_gan.augmentation import AdaptiveAugment, AffineColorAugment, Augmentation, DiffAugment, InstanceNoise
from lit_gan.coordination import FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.objectives import RelativisticPairing
from lit_gan.penalties import R1, GradientPenalty
from lit_gan.schedules import LinearSchedule


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


def test_d_sees_gs_own_examples_augmented_as_well() -> None:
    still = {"optimizer_g": sgd(0.0), "optimizer_d": sgd(0.0)}
    gan = linear_gan(Recording, augment=Scale(), objective=RelativisticPairing(), **still)
    trainer(max_steps=1).fit(gan, loader(examples(16), batch_size=16))
    _, fake, real = gan.shown
    factors = real.flatten() / examples(16)[8:].flatten()
    assert factors.min() >= 1
    assert factors.max() < 2
    assert len(torch.cat([factors, fake.flatten() / gan.turns[1].generated.detach().flatten()]).unique()) == 16


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


@pytest.mark.parametrize(
    "augment",
    [
        AffineColorAugment(probability=1.0),
        AdaptiveAugment(target=0.0, images=8, every=1),
        DiffAugment(),
        InstanceNoise(0.1),
    ],
    ids=lambda augment: type(augment).__name__,
)
def test_they_serve_in_mixed_precision(augment: Augmentation) -> None:
    """Images of 16 bits from G, and products that autocast would make of 16 bits."""
    shape = (3, 8, 8)
    generator = MLPGenerator(shape, latent_size=3, hidden=(8,), weight_init=0.5)
    gan = GAN(generator, MaxoutDiscriminator(shape, hidden=(6,)), augment=augment)
    run = trainer(max_steps=3, precision="bf16-mixed")
    run.fit(gan, loader(torch.rand(24, *shape), batch_size=8))
    assert run.callback_metrics["train/loss_d"].isfinite()


def test_samples_of_16_bits_are_augmented_as_examples_are() -> None:
    """In 32 bits and outside autocast: of what is drawn and computed in 16 a third is lost."""
    seen: list[tuple[torch.dtype, bool]] = []

    class Looking(Augmentation):
        def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
            seen.append((images.dtype, torch.is_autocast_enabled("cpu")))
            return images

    shape = (1, 4, 4)
    generator = MLPGenerator(shape, latent_size=3, hidden=(8,), output_activation="linear", weight_init=0.5)
    gan = Recording(generator, MaxoutDiscriminator(shape, hidden=(6,)), augment=Looking())
    trainer(max_steps=1, precision="bf16-mixed").fit(gan, loader(torch.rand(8, *shape), batch_size=8))
    assert seen == [(torch.float32, False)] * 3
    assert gan.turns[0].generated.dtype == gan.shown[1].dtype == torch.bfloat16  # what G makes, and D is shown of it


def test_images_whose_colours_cannot_be_changed_are_told_before_any_is() -> None:
    with pytest.raises(UserError, match="images of 4 channels: expected 1 or 3 where colours are changed"):
        AdaptiveAugment("flip,brightness")(images(channels=4), rng())


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


POLICIES = ("flip", "rotate90", "translation", "scale", "rotation", "stretch", "shift")
COLOURS = ("brightness", "contrast", "luma", "hue", "saturation")


@pytest.mark.parametrize("policy", [*POLICIES, *COLOURS, "blit,geometric,color"])
def test_an_affine_change_is_smooth_and_differentiable_twice(policy: str) -> None:
    augment = AffineColorAugment(policy)
    augment.begin_training((-1.0, 1.0))
    batch = (2 * images(3, side=6) - 1).requires_grad_()
    # Along random directions: all of them one by one are a hundred times the work.
    assert torch.autograd.gradcheck(lambda x: augment(x, rng(3)), batch, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, rng(3)), batch, fast_mode=True)
    assert not torch.equal(augment(batch, rng(3)), batch)


def test_flips_right_angles_and_whole_pixels_lose_no_bit() -> None:
    batch = images(64, side=16)
    seen = AffineColorAugment("flip")(batch, rng(1))
    for row, change in zip(batch, seen, strict=True):
        assert torch.equal(change, row) or torch.equal(change, row.flip(-1))
    turned = AffineColorAugment("rotate90")(batch, rng(1))
    quarters = [
        min((change - row.rot90(n, (1, 2))).abs().max() for n in range(4))
        for row, change in zip(batch, turned, strict=True)
    ]
    assert max(quarters) < 1e-13
    moved = AffineColorAugment("translation")(batch, rng(2))
    mirrored = torch.cat([batch.flip(-1), batch, batch.flip(-1)], dim=-1)
    mirrored = torch.cat([mirrored.flip(-2), mirrored, mirrored.flip(-2)], dim=-2)
    for row, change in zip(mirrored, moved, strict=True):
        places = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
        assert any(torch.equal(change, row[:, 16 + y : 32 + y, 16 + x : 32 + x]) for y, x in places)


def test_each_change_acts_with_its_probability_and_else_not_a_bit() -> None:
    batch = images(4000, channels=1, side=4)
    for policy, acts in (("scale", 0.3), ("rotation", 0.3), ("flip", 0.15), ("contrast", 0.3)):
        changed = AffineColorAugment(policy, probability=0.3)(batch, rng(4))
        share = (changed != batch).flatten(1).any(1).double().mean()
        assert share == pytest.approx(acts, abs=0.03), policy
    assert AffineColorAugment(probability=0.0)(batch, rng(4)) is batch


def test_colours_are_those_of_the_range_of_the_images() -> None:
    centred = 2 * images(20) - 1
    ends = []
    for low, high in ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)):
        augment = AffineColorAugment("color")
        augment.begin_training((low, high))
        ends.append((augment(low + (centred + 1) / 2 * (high - low), rng(7)) - low) / (high - low) * 2 - 1)
    assert torch.allclose(ends[1], ends[0], atol=1e-12)
    assert torch.allclose(ends[2], ends[0], atol=1e-12)


def test_hue_and_saturation_keep_brightness_and_luma_keeps_hue() -> None:
    batch = 2 * images(50) - 1
    for policy in ("hue", "saturation"):
        changed = AffineColorAugment(policy)(batch, rng(8))
        assert torch.allclose(changed.mean(1), batch.mean(1), atol=1e-12), policy
    changed = AffineColorAugment("hue")(batch, rng(8))
    lengths = [(each - each.mean(1, keepdim=True)).square().sum(1) for each in (batch, changed)]
    assert torch.allclose(*lengths, atol=1e-12)
    dark = AffineColorAugment("luma")(batch, rng(8))
    for row, change in zip(batch, dark, strict=True):
        mean = row.mean(0, keepdim=True)
        assert torch.allclose(change, row, atol=1e-12) or torch.allclose(change, row - 2 * mean, atol=1e-12)


def test_grey_images_have_brightness_and_contrast_and_no_hue() -> None:
    batch = 2 * images(20, channels=1) - 1
    assert torch.allclose(AffineColorAugment("hue,saturation")(batch, rng(9)), batch, atol=1e-12)
    assert not torch.allclose(AffineColorAugment("contrast")(batch, rng(9)), batch)
    with pytest.raises(UserError, match="policy = 'color': images of 2 channels: expected 1 or 3 where colours"):
        AffineColorAugment("color")(images(2, channels=2), rng())


def test_diffaugment_acts_on_as_many_images_as_its_probability_says() -> None:
    batch = images(3000, side=8)
    augment = DiffAugment("color", probability=LinearSchedule(0.0, 1.0, rounds=2))
    assert torch.equal(augment(batch, rng(1)), batch)
    augment.begin_round(1)
    changed = (augment(batch, rng(1)) != batch).flatten(1).any(1).double().mean()
    assert changed == pytest.approx(1 - 0.5**3, abs=0.03)
    augment.begin_round(2)
    assert torch.equal(augment(batch, rng(1)), DiffAugment("color")(batch, rng(1)))


def test_noise_follows_a_schedule() -> None:
    noise = InstanceNoise(LinearSchedule(0.5, 0.3, rounds=10))
    noise.begin_round(5)
    assert noise.moving() == {"augment_sigma": pytest.approx(0.4)}
    with pytest.raises(UserError, match="rounds = 5 beside a schedule of sigma: expected one of the two"):
        InstanceNoise(LinearSchedule(0.5, 0.3, rounds=10), rounds=5)


def test_the_probability_rises_while_d_knows_the_examples_and_falls_else() -> None:
    augment = AdaptiveAugment(target=0.5, images=1000, every=2)
    augment.images_per_round = 50
    seen = []
    for accuracy in (1.0, 0.9, 1.0, 1.0, 0.6, 0.7, 0.0, 0.0, 0.0, 0.0):
        augment.observe({"loss_g": torch.tensor(0.0)})  # D rested
        augment.observe({"accuracy_real": torch.tensor(accuracy)})
        seen.append(round(augment.probability_now, 6))
    assert seen == [0.0, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.0, 0.0, 0.0]
    half = AdaptiveAugment(target=0.5, images=1000, every=2)
    half.images_per_round = 50
    half.observe({"accuracy_real": torch.tensor(1.0)})
    other = AdaptiveAugment(target=0.5, images=1000, every=2)
    other.images_per_round = 50
    other.load_state_dict(half.state_dict())
    for each in (half, other):
        each.observe({"accuracy_real": torch.tensor(0.9)})
    assert half.probability_now == other.probability_now == 0.1


def adaptive_gan() -> GAN:
    return linear_gan(augment=AdaptiveAugment("shift,brightness", target=0.0, images=64, every=2), optimizer_d=sgd(0.1))


def test_what_the_augmentation_has_adapted_to_survives_a_kill(tmp_path: Any) -> None:
    alike = torch.cat([examples(8)] * 7)  # a plain loader begins anew
    whole = adaptive_gan()
    trainer(max_steps=7).fit(whole, loader(alike, batch_size=8))
    first = trainer(max_steps=3)  # in the middle of two rounds
    first.fit(adaptive_gan(), loader(alike, batch_size=8))
    first.save_checkpoint(tmp_path / "a.ckpt")
    resumed = adaptive_gan()
    trainer(max_steps=7).fit(resumed, loader(alike, batch_size=8), ckpt_path=tmp_path / "a.ckpt")
    assert isinstance(whole.augment, AdaptiveAugment)
    assert 0 < whole.augment.probability_now == resumed.augment.probability_now  # type: ignore[union-attr]
    assert all(torch.equal(resumed.state_dict()[name], tensor) for name, tensor in whole.state_dict().items())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: AffineColorAugment("flip,zoom"),
            "policy = 'flip,zoom': expected names among blit, geometric, color, flip",
        ),
        (lambda: AffineColorAugment(probability=1.5), r"probability = 1.5: expected a number in \[0, 1\]"),
        (
            lambda: DiffAugment(probability=LinearSchedule(0, 2, rounds=1)),
            r"DiffAugment probability = 0 to 2: expected",
        ),
        (lambda: AdaptiveAugment(target=1.0), "AdaptiveAugment target = 1.0: expected a number between -1 and 1"),
        (lambda: AdaptiveAugment(images=0), "AdaptiveAugment images = 0: expected at least 1"),
        (lambda: AdaptiveAugment(every=0), "AdaptiveAugment every = 0: expected at least 1"),
    ],
)
def test_arguments_of_what_adapts_are_told(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
