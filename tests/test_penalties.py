"""What D pays for its slopes, against gradients derived by hand; in float64 where the network is small enough."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, sgd, trainer
from torch import Tensor, nn

from lit_gan.coordination import FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.engine.value_ranges import ContractWarning
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.objectives import Hinge, NonSaturating, Objective, Wasserstein
from lit_gan.penalties import R1, R2, GradientPenalty, LeCam, Penalty, by_name, due_in
from lit_gan.randomness import stream
from lit_gan.schedules import LinearSchedule, scalar_at


@pytest.fixture(autouse=True)
def _seed_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")


class Quadratic(nn.Module):
    """D(x) = w x^2 + c x, as a logit: its slope 2 w x + c differs by row."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.4))
        self.c = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x.flatten(1) ** 2 + self.c * x.flatten(1)


class Apart(Quadratic):
    """The same, but examples and samples pass apart."""

    sees_whole_batch = True


class Recording(GAN):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.latents_drawn: list[Tensor] = []
        self.shown: list[Tensor] = []

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        self.latents_drawn.append(super().draw_latents(num, purpose, *position))
        return self.latents_drawn[-1]

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        self.shown.append(x.detach())
        return super().discriminate(x, condition)


def own_gan(discriminator: nn.Module | None = None, **kwargs: Any) -> Recording:
    options = {"optimizer_g": sgd(0.1), "optimizer_d": sgd(0.1), **kwargs}
    return Recording(LinearGenerator(), discriminator or Quadratic(), **options)


def epsilon(round_index: int, turn: int, rows: int) -> Tensor:
    return torch.rand(rows, generator=stream(11, "turn", round_index, turn, 0), dtype=torch.float64)


def penalty_gradient(
    kind: type[Penalty], w: float, c: float, x: Tensor, g: Tensor, share: Tensor
) -> tuple[float, float]:
    """Its derivatives by w and by c, written out."""
    if kind is GradientPenalty:
        between = share * x + (1 - share) * g
        slope = 2 * w * between + c
        off = 2 * (slope.abs() - 1) * slope.sign()
        return float((off * 2 * between).mean()), float(off.mean())
    at = x if kind is R1 else g
    slope = 2 * w * at + c
    return float((slope * 2 * at).mean()), float(slope.mean())  # half of the squares


def expected_of_d(
    penalties: list[Penalty], minibatches: list[Tensor], latents: list[Tensor], rounds: int, k: int, lr: float = 0.1
) -> tuple[float, float]:
    """Where D stands after rounds in which G does not move."""
    w, c = float(torch.tensor(0.4)), float(torch.tensor(0.1))
    a, b = float(torch.tensor(0.7)), float(torch.tensor(-0.2))
    turns = ((index, turn) for index in range(rounds) for turn in range(k))
    for (index, turn), x, z in zip(turns, minibatches, latents, strict=True):
        g = a * z + b
        d_x, d_g = torch.sigmoid(w * x**2 + c * x), torch.sigmoid(w * g**2 + c * g)
        # Half of: the examples' half, the samples' half, the penalties.
        grad_w = 0.5 * float(-((1 - d_x) * x**2).mean() + (d_g * g**2).mean())
        grad_c = 0.5 * float(-((1 - d_x) * x).mean() + (d_g * g).mean())
        for penalty in penalties:
            if index % penalty.every == 0:
                by_w, by_c = penalty_gradient(type(penalty), w, c, x, g, epsilon(index, turn, len(x)))
                weight = scalar_at(penalty.weight, index)
                grad_w += 0.5 * penalty.every * weight * by_w
                grad_c += 0.5 * penalty.every * weight * by_c
        w, c = w - lr * grad_w, c - lr * grad_c
    return w, c


@pytest.mark.parametrize("micro_batches", [1, 3])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("discriminator", [Quadratic, Apart])
@pytest.mark.parametrize(
    "penalties",
    [
        [R1(2.0)],
        [R2(3.0)],
        [R1(2.0), R2(3.0)],
        [GradientPenalty(1.5)],
        [R1(2.0, every=4), GradientPenalty(0.5, every=2)],
        [R1(LinearSchedule(2.0, 0.5, rounds=3)), R2(1.0)],
    ],
    ids=["r1", "r2", "r1 and r2", "gradient penalty", "lazy", "scheduled"],
)
def test_d_descends_what_is_worked_out_by_hand(
    penalties: list[Penalty], discriminator: type[nn.Module], k: int, micro_batches: int
) -> None:
    rounds = 5
    gan = own_gan(discriminator(), penalties=penalties, coordination=FixedSteps(k, micro_batches), optimizer_g=sgd(0.0))
    data = examples(rounds * k * 6)
    trainer(max_steps=rounds).fit(gan, loader(data, batch_size=k * 6))
    latents = [z.flatten().double() for index, z in enumerate(gan.latents_drawn) if index % (k + 1) < k]
    w, c = expected_of_d(penalties, list(data.flatten().split(6)), latents, rounds, k)
    got = gan.discriminator.w.item(), gan.discriminator.c.item()
    assert got == pytest.approx((w, c), rel=1e-12, abs=1e-14)


def test_a_weight_counts_as_published_beside_the_two_halves() -> None:
    """Twice D's loss is the sum of its halves and of gamma/2 E|grad|^2, as StyleGAN2 and R3GAN write it."""
    gan = own_gan(penalties=[R1(10.0)], optimizer_d=sgd(1.0), objective=Wasserstein())
    data = examples(6)
    trainer(max_steps=1).fit(gan, loader(data, batch_size=6))
    x, z = data.flatten(), gan.latents_drawn[0].flatten().double()
    w, c = (torch.tensor(value).double().requires_grad_() for value in (0.4, 0.1))
    g = float(torch.tensor(0.7)) * z + float(torch.tensor(-0.2))
    halves = -(w * x**2 + c * x).mean() + (w * g**2 + c * g).mean()
    whole = halves + 10.0 / 2 * (2 * w * x + c).square().mean()
    by_w, by_c = torch.autograd.grad(whole, (w, c))
    moved = gan.discriminator.w.item() - w.item(), gan.discriminator.c.item() - c.item()
    assert moved == pytest.approx((-0.5 * by_w.item(), -0.5 * by_c.item()), rel=1e-12)


def test_r1_and_r2_come_from_the_pass_that_is_made_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    differentiations = []
    grad = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *args, **kwargs: differentiations.append(1) or grad(*args, **kwargs)
    )
    gan = own_gan(penalties=[R1(1.0), R2(1.0)])
    trainer(max_steps=1).fit(gan, loader(examples(6), batch_size=6))
    assert differentiations == [1]
    assert [len(shown) for shown in gan.shown] == [12, 6]


def test_without_a_penalty_that_is_due_no_input_requires_a_gradient() -> None:
    class Looking(Recording):
        def auxiliary_loss(self, turn: Turn) -> None:
            followed.append((turn.player, turn.x.requires_grad, turn.generated.requires_grad))

    followed: list[Any] = []
    gan = Looking(LinearGenerator(), Quadratic(), optimizer_g=sgd(), optimizer_d=sgd(), penalties=[R1(0.1, every=2)])
    trainer(max_steps=2).fit(gan, loader(examples(6), batch_size=3))
    d_due, d_not = ("discriminator", True, False), ("discriminator", False, False)
    assert followed == [d_due, ("generator", False, True), d_not, ("generator", False, True)]


def test_what_is_paid_is_logged_also_in_rounds_in_which_it_is_not_due() -> None:
    gan = own_gan(penalties=[R1(2.0, every=3)], optimizer_d=sgd(0.0), optimizer_g=sgd(0.0))
    data = examples(12)
    run = trainer(max_steps=2)
    run.fit(gan, loader(data, batch_size=6))
    w, c = float(torch.tensor(0.4)), float(torch.tensor(0.1))
    expected = 0.5 * (2 * w * data.flatten()[:6] + c).square().mean()
    assert float(run.callback_metrics["train/penalty_r1"]) == pytest.approx(float(expected), rel=1e-6)
    assert "train/loss_d" in run.callback_metrics


def test_a_penalty_that_is_no_longer_paid_is_no_longer_logged(tmp_path: Path) -> None:
    run = trainer(max_steps=1)
    run.fit(own_gan(penalties=[R1(2.0, every=4), R2(1.0, every=4)]), loader(examples(12), batch_size=6))
    run.save_checkpoint(tmp_path / "a.ckpt")
    other = trainer(max_steps=2)
    other.fit(own_gan(penalties=[R2(1.0, every=4)]), loader(examples(12), 6), ckpt_path=tmp_path / "a.ckpt")
    assert {name for name in other.callback_metrics if "penalty" in name} == {"train/penalty_r2"}


def conv_pair(kind: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    generator.latent_size = 4
    first, second = nn.Conv2d(1, 6, 3, 2, 1), nn.Linear(96, 1)
    if kind == "spectral norm":
        first, second = (nn.utils.parametrizations.spectral_norm(layer) for layer in (first, second))
    norm = [nn.BatchNorm2d(6)] if kind == "batch norm" else []
    return generator, nn.Sequential(first, *norm, nn.Softplus(), nn.Flatten(), second)


@pytest.mark.parametrize("kind", ["spectral norm", "batch norm"])
def test_networks_that_keep_statistics_pay_what_torch_differentiates(kind: str) -> None:
    """One step of D beside one that is made of nothing but torch."""
    data = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gan = Recording(*conv_pair(kind), optimizer_g=sgd(0.0), optimizer_d=sgd(0.1), penalties=[R1(2.0), R2(2.0)])
    trainer(max_steps=1).fit(gan, loader(data, batch_size=6))
    generator, discriminator = (network.double().train() for network in conv_pair(kind))
    x = data.clone().requires_grad_()
    g = generator(gan.latents_drawn[0].double()).detach().requires_grad_()
    real, fake = (
        (discriminator(x), discriminator(g)) if kind == "batch norm" else discriminator(torch.cat([x, g])).split(6)
    )
    slopes = torch.autograd.grad(real.sum() + fake.sum(), (x, g), create_graph=True)
    penalties = sum(slope.square().sum((1, 2, 3)).mean() for slope in slopes)
    loss = 0.5 * (nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean() + penalties)
    loss.backward()
    own = dict(gan.discriminator.named_parameters())
    for name, parameter in discriminator.named_parameters():
        expected = parameter.detach() - 0.1 * parameter.grad
        torch.testing.assert_close(own[name].detach(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["plain", "spectral norm", "batch norm"])
def test_under_bf16_mixed_a_penalty_is_what_it_is_in_32_bits(kind: str) -> None:
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        generator, discriminator = conv_pair(kind)
        gan = GAN(
            generator, discriminator, optimizer_g=sgd(0.0), optimizer_d=sgd(0.0), penalties=[R1(1.0), GradientPenalty()]
        )
        run = trainer(max_steps=1, precision=precision)
        data = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        run.fit(gan, loader(data, batch_size=8))
        found[precision] = {name: float(value) for name, value in run.callback_metrics.items()}
    for name in ("train/penalty_r1", "train/loss_d"):  # of examples; samples have 16 bits
        bound = 1e-6 if name.endswith("r1") and kind == "plain" else 1e-2
        assert found["bf16-mixed"][name] == pytest.approx(found["32-true"][name], rel=bound)
    assert found["bf16-mixed"]["train/penalty_gradient_penalty"] == pytest.approx(
        found["32-true"]["train/penalty_gradient_penalty"], rel=1e-2
    )


def test_fp16_scales_no_penalty() -> None:
    plugin = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu"))
    gan = linear_gan(penalties=[R1(2.0)], optimizer_g=sgd(0.0))
    plain = linear_gan(optimizer_g=sgd(0.0))
    trainer(max_steps=1, precision=None, plugins=[plugin]).fit(gan, loader(examples(8).float(), batch_size=8))
    trainer(max_steps=1, precision="32-true").fit(plain, loader(examples(8).float(), batch_size=8))
    # The slope of a linear D is w everywhere: half of 2 w^2 / 2 has the derivative w.
    shift = plain.discriminator.w.item() - gan.discriminator.w.item()
    assert shift == pytest.approx(0.5 * 0.4, rel=1e-2)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own, of its tracing
def test_a_compiled_discriminator_is_not_compiled_where_it_is_differentiated_twice() -> None:
    moved = {}
    for compiled in (False, True):
        generator, discriminator = conv_pair("plain")
        network = torch.compile(discriminator, backend="aot_eager") if compiled else discriminator
        gan = GAN(generator, network, optimizer_g=sgd(), optimizer_d=sgd(), penalties=[R1(1.0, every=2)])
        data = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        trainer(max_steps=3).fit(gan, loader(data, batch_size=2))
        moved[compiled] = [parameter.detach() for parameter in discriminator.parameters()]
    for one, other in zip(moved[False], moved[True], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_resumed_run_ends_with_the_same_bits_and_logs_the_same(tmp_path: Any) -> None:
    make = partial(own_gan, penalties=[R1(0.5, every=3), GradientPenalty(0.2, every=2)])
    data = loader(examples(24), batch_size=4)
    whole, half = make(), make()
    run = trainer(max_steps=5)
    run.fit(whole, data)
    first = trainer(max_steps=4, limit_train_batches=4)
    first.fit(half, data)
    first.save_checkpoint(tmp_path / "half.ckpt")
    resumed = make()
    again = trainer(max_steps=5, limit_train_batches=5)
    saved = torch.load(tmp_path / "half.ckpt", weights_only=True)
    assert set(saved["lit_gan"]["penalties"]) == {"r1", "gradient_penalty"}
    again.fit(resumed, torch.utils.data.DataLoader(examples(24)[16:], batch_size=4), ckpt_path=tmp_path / "half.ckpt")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    assert run.callback_metrics["train/penalty_r1"] == again.callback_metrics["train/penalty_r1"]


def test_a_slope_of_zero_has_a_gradient() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.w * x.flatten(1)

    gan = own_gan(Flat(), penalties=[GradientPenalty(), R1(), R2()])
    trainer(max_steps=1).fit(gan, loader(examples(6), batch_size=6))
    assert gan.discriminator.w.isfinite()


class Own(Penalty):
    """A reader's own, that gives what it is told to."""

    def __init__(self, give: Any, every: int = 1) -> None:
        super().__init__(1.0, every)
        self.give = give

    def __call__(self, turn: Turn) -> Tensor:
        return self.give(turn)


def test_one_that_leaves_out_the_arguments_of_all_counts_once_in_each_round() -> None:
    class Bare(Penalty):
        def __init__(self) -> None:
            pass

        def __call__(self, turn: Turn) -> Tensor:
            return turn.real_logits.mean()

    assert [Bare().factor(index) for index in range(3)] == [0.5] * 3
    assert all("bare" in due_in(index, [Bare()]) for index in range(3))


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda turn: turn.real_logits, r"gives a tensor \(6, 1\).*: expected a scalar, as by \.mean\(\)"),
        (lambda turn: 3.0, "gives a float: expected a scalar"),
        (lambda turn: turn.real_logits.mean().detach(), "gives a number that does not depend on D's weights"),
        (
            lambda turn: turn.real_logits.mean() * float("nan"),
            "gives nan before anything is trained: expected a finite",
        ),
        (
            lambda turn: turn.logits,
            r"fails on images \(6, 1, 1, 1\): AttributeError: .*logits.* \(test_penalties.py, line",
        ),
        (lambda turn: torch.autograd.grad(turn.real_logits.sum(), turn.x)[0].mean(), "create_graph=True"),
    ],
)
def test_a_penalty_of_the_users_that_gives_something_wrong_is_told(give: Any, message: str) -> None:
    gan = own_gan(penalties=[Own(give)])
    with pytest.raises(UserError, match=f"the penalty .*Own.* {message}"):
        trainer(max_steps=1).fit(gan, loader(examples(6), batch_size=6))


def test_an_operation_without_a_second_derivative_is_told() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient.clone()

    class Custom(LinearDiscriminator):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(Once.apply(x)) ** 2

    gan = own_gan(Custom(), penalties=[R1()])
    with pytest.raises(
        UserError, match=r"the backward pass fails .*expected operations in the discriminator that torch"
    ):
        trainer(max_steps=1).fit(gan, loader(examples(6), batch_size=6))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: R1(-1.0), "R1 weight = -1.0: expected a number that is not negative"),
        (lambda: R2(float("inf")), "R2 weight = inf"),
        (lambda: GradientPenalty(every=0), "GradientPenalty every = 0: expected at least 1, which is each round"),
    ],
)
def test_arguments_that_cannot_be_are_told(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_the_least_that_arguments_may_be_is_taken() -> None:
    assert R1(0.0).factor(0) == 0
    assert LeCam(decay=0.0).decay == 0


def test_weights_that_are_not_given_are_those_of_the_papers() -> None:
    assert GradientPenalty().weight == 10  # Gulrajani et al. 2017, algorithm 1
    lecam = LeCam()
    assert (lecam.weight, lecam.decay, lecam.start) == (0.3, 0.99, 1000)  # the code of Tseng et al. 2021
    assert (R1().weight, R2().weight) == (1, 1)
    assert {penalty.every for penalty in (R1(), R2(), GradientPenalty(), lecam)} == {1}
    assert {kind(every=4).every for kind in (R1, R2, GradientPenalty, LeCam)} == {4}


def test_a_penalty_is_logged_by_the_words_of_its_class() -> None:
    class R1OfMyOwn(R1):
        pass

    found = [penalty.name for penalty in (R1(), GradientPenalty(), LeCam(), R1OfMyOwn())]
    assert found == ["r1", "gradient_penalty", "le_cam", "r1_of_my_own"]


def test_a_gradient_that_nobody_asked_for_is_told() -> None:
    turn = Turn("discriminator", torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2), torch.zeros(2))
    with pytest.raises(UserError, match=r"Turn.gradient\('x'\): no penalty that is due needs it"):
        turn.gradient("x")
    with pytest.raises(UserError, match="this one was made without a discriminator"):
        turn.discriminate(turn.x)


def test_objectives_and_penalties_are_the_players_own() -> None:
    objective: Objective = NonSaturating()
    gan = own_gan(objective=objective, penalties=[R1()])
    assert gan.objective is objective
    assert own_gan().coordination is not own_gan().coordination
    assert type(own_gan().objective) is NonSaturating


def turn_of(real: Tensor, fake: Tensor) -> Turn:
    images = torch.zeros(len(real), 1, 1, 1)
    return Turn("discriminator", images, images, real, fake)


def test_lecam_holds_logits_near_the_averages_of_the_other_side() -> None:
    penalty = LeCam(weight=0.3, decay=0.75, start=2)
    real, fake = torch.tensor([1.0, -4.0], requires_grad=True), torch.tensor([-2.0, 5.0], requires_grad=True)

    def expected(of_x: float, of_g: float) -> float:
        above = [max(value - of_g, 0) ** 2 for value in (1.0, -4.0)]
        below = [max(of_x - value, 0) ** 2 for value in (-2.0, 5.0)]
        return sum(above) / 2 + sum(below) / 2

    for of_x, of_g in ((9.0, 9.0), (2.0, -1.0)):  # in the rounds before it counts the last means are the averages
        cold = penalty(turn_of(real, fake))
        assert (cold.item(), cold.requires_grad) == (0, True)
        penalty.observe({"logit_real": torch.tensor(of_x), "logit_fake": torch.tensor(of_g)})
    assert penalty(turn_of(real, fake)).item() == pytest.approx(expected(2.0, -1.0), rel=1e-6)
    penalty.observe({"logit_real": torch.tensor(4.0, requires_grad=True), "logit_fake": torch.tensor(2.0)})
    warm = penalty(turn_of(real, fake)).item()
    assert warm == pytest.approx(expected(0.75 * 2.0 + 0.25 * 4.0, 0.75 * -1.0 + 0.25 * 2.0), rel=1e-6)
    for rested in ({"loss_g": torch.tensor(0.0)}, {"logit_real": torch.tensor(7.0)}):  # D did not move
        penalty.observe(rested)
        assert penalty(turn_of(real, fake)).item() == warm


def test_the_state_of_lecam_is_nobody_elses() -> None:
    means = {"logit_real": torch.tensor(3.0, requires_grad=True), "logit_fake": torch.tensor(-3.0)}
    penalty, again = LeCam(decay=0.5, start=1), LeCam(decay=0.5, start=1)
    assert penalty.state_dict() == {}
    penalty.observe(means)
    state = penalty.state_dict()
    assert not state["means"]["logit_real"].requires_grad
    again.load_state_dict(state)
    turn = turn_of(torch.ones(2), torch.zeros(2))
    assert again(turn).item() == penalty(turn).item() == 25
    for each in (penalty, again):
        each.observe({name: torch.tensor(0.0) for name in means})
    assert {name: mean.item() for name, mean in state["means"].items()} == {"logit_real": 3, "logit_fake": -3}


def test_a_slope_is_that_of_an_image_under_its_condition() -> None:
    """D(x | c) = c sum(x): its slope has the norm c sqrt(pixels)."""
    images = torch.rand(3, 2, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    condition = torch.tensor([1.0, 0.25, 0.5], dtype=torch.float64)

    def discriminate(x: Tensor, given: Tensor | None) -> Tensor:
        assert given is not None
        return given * x.sum((1, 2, 3))

    logits = torch.zeros(3)
    turn = Turn("discriminator", images, 1 - images, logits, logits, condition, discriminate)
    assert GradientPenalty()(turn).item() == pytest.approx(float((4 * condition - 1).square().mean()), rel=1e-12)


def test_squares_of_small_slopes_of_16_bits_are_not_lost() -> None:
    x = torch.ones(2, 1, 2, 2, dtype=torch.float16, requires_grad=True)
    turn = Turn("discriminator", x, x.detach(), x.sum((1, 2, 3)) * 2.0**-14, torch.zeros(2))
    assert R1()(turn).item() == 2 * 2.0**-28  # in 16 bits nothing


def test_a_namesake_is_numbered() -> None:
    first, second, third = R1(0.1), R1(0.2), R1(0.3)
    found = by_name([first, R2(), second, third])
    assert [name for name in found if name != "r2"] == ["r1", "r1_2", "r1_3"]
    assert [found[name] for name in ("r1", "r1_2", "r1_3")] == [first, second, third]


def test_lecam_keeps_mixed_precision_and_a_compiled_d_for_it_needs_no_slope() -> None:
    seen: list[torch.dtype] = []

    class Watched(LinearDiscriminator):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype)
            return super().forward(x)

    for penalty in (LeCam(start=1), R1(1.0)):
        gan = GAN(LinearGenerator(), Watched(), optimizer_g=sgd(), optimizer_d=sgd(), penalties=[penalty])
        trainer(max_steps=2, precision="bf16-mixed").fit(gan, loader(examples(16).float(), batch_size=8))
    assert seen[:4] == [torch.bfloat16] * 4
    assert seen[4] == torch.float32


def test_what_lecam_has_seen_survives_a_kill(tmp_path: Any) -> None:
    def gan() -> GAN:
        return linear_gan(objective=Hinge(), penalties=[LeCam(weight=2.0, decay=0.5, start=2)], optimizer_d=sgd(0.1))

    alike = torch.cat([examples(8)] * 6)  # a plain loader begins anew
    whole = gan()
    trainer(max_steps=6).fit(whole, loader(alike, batch_size=8))
    first = trainer(max_steps=3)
    first.fit(gan(), loader(alike, batch_size=8))
    first.save_checkpoint(tmp_path / "a.ckpt")
    resumed = gan()
    trainer(max_steps=6).fit(resumed, loader(alike, batch_size=8), ckpt_path=tmp_path / "a.ckpt")
    assert all(torch.equal(resumed.state_dict()[name], tensor) for name, tensor in whole.state_dict().items())
    assert whole.penalties[0].state_dict()["seen"] == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: R1(LinearSchedule(1.0, -0.1, rounds=2)), r"R1 weight = 1.0 to -0.1: expected a number that is not"),
        (lambda: LeCam(decay=1.0), r"LeCam decay = 1.0: expected a number in \[0, 1\)"),
        (lambda: LeCam(start=0), "LeCam start = 0: expected at least 1"),
    ],
)
def test_arguments_of_lecam_and_scheduled_weights_are_told(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize("bounded", [False, True])
def test_a_critic_that_nothing_bounds_is_told_of(bounded: bool) -> None:
    discriminator: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, dtype=torch.float64))
    if bounded:
        nn.utils.parametrizations.spectral_norm(discriminator[1])  # type: ignore[index]
    gan = GAN(LinearGenerator(), discriminator, objective=Wasserstein(), optimizer_g=sgd(), optimizer_d=sgd())
    run = trainer(max_steps=1)
    message = "under Wasserstein the discriminator .*Sequential.* may grow ever steeper, .* give .*GradientPenalty"
    with nullcontext() if bounded else pytest.raises(ContractWarning, match=message):  # as an error
        run.fit(gan, loader(examples(8), batch_size=8))
