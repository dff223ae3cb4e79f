"""Algorithm 1: whose weights move, by how much, on which examples and latents, and how rounds are counted."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, sgd, trainer
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lit_gan.coordination import FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.engine.value_ranges import ContractWarning
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.latents import Normal, Uniform
from lit_gan.objectives import Hinge, LeastSquares, Minimax, NonSaturating, Objective, Wasserstein
from lit_gan.penalties import R1
from lit_gan.randomness import stream
from lit_gan.schedules import ExponentialDecay, MomentumRamp, Schedule


@pytest.fixture(autouse=True)
def _seed_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")


class RecordingGAN(GAN):
    """Keeps every tensor that the algorithm handed to the networks, and every latent drawn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.latents_drawn: list[Tensor] = []
        self.examples_seen: list[Tensor] = []
        self.forwards: list[tuple[str, int]] = []

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        z = super().draw_latents(num, purpose, *position)
        self.latents_drawn.append(z)
        return z

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        self.forwards.append(("G", len(z)))
        return super().generate(z, condition)

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        self.forwards.append(("D", len(x)))
        self.examples_seen.append(x.detach())
        return super().discriminate(x, condition)


def reference_round(
    parameters: dict[str, float], minibatches: list[Tensor], latents: list[Tensor], saturating: bool, lr: float
) -> dict[str, float]:
    """Algorithm 1 on the linear GAN, every derivative written out by hand."""
    a, b, w, c = (parameters[name] for name in "abwc")
    for x, z in zip(minibatches, latents, strict=False):
        g = a * z + b
        d_x, d_g = torch.sigmoid(w * x + c), torch.sigmoid(w * g + c)
        # d/dlogit of log D is 1 - D, of log(1 - D) is -D; D descends the halved negative of their sum.
        grad_w = -0.5 * ((1 - d_x) * x).mean() + 0.5 * (d_g * g).mean()
        grad_c = -0.5 * (1 - d_x).mean() + 0.5 * d_g.mean()
        w, c = w - lr * grad_w, c - lr * grad_c
    z = latents[len(minibatches)]
    d_g = torch.sigmoid(w * (a * z + b) + c)
    slope = -d_g if saturating else -(1 - d_g)
    grad_a, grad_b = (slope * w * z).mean(), (slope * w).mean()
    return {"a": float(a - lr * grad_a), "b": float(b - lr * grad_b), "w": float(w), "c": float(c)}


@pytest.mark.parametrize("micro_batches", [1, 3])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("objective", [Minimax(), NonSaturating()], ids=["minimax", "non-saturating"])
def test_a_round_is_the_one_worked_out_by_hand(objective: Objective, k: int, micro_batches: int) -> None:
    gan = linear_gan(RecordingGAN, objective=objective, coordination=FixedSteps(k, micro_batches))
    data = examples(24)
    trainer(max_steps=1).fit(gan, loader(data, batch_size=8 * k))
    latents = [z.flatten() for z in gan.latents_drawn]
    minibatches = list(data.flatten()[: 8 * k].split(8))
    start = {"a": 0.7, "b": -0.2, "w": 0.4, "c": 0.1}
    start = {name: float(torch.tensor(value)) for name, value in start.items()}  # as float32 parameters began
    expected = reference_round(start, minibatches, latents, isinstance(objective, Minimax), lr=0.5)
    got = {name.split(".")[1]: float(value.detach()) for name, value in gan.named_parameters()}
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_a_minibatch_in_pieces_logs_the_losses_of_the_whole() -> None:
    logged = []
    for pieces in (1, 3):  # of 3, 3 and 2 rows
        gan = linear_gan(coordination=FixedSteps(1, micro_batches=pieces))
        trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
        logged.append({name: float(gan.trainer.callback_metrics[f"train/{name}"]) for name in ("loss_g", "loss_d")})
    assert logged[1] == pytest.approx(logged[0], rel=1e-12)


def test_without_anything_else_it_is_the_papers_game_by_the_papers_optimiser() -> None:
    of_none = {"latent": None, "objective": None, "coordination": None}
    for gan in (GAN(LinearGenerator(), LinearDiscriminator(), **given) for given in ({}, of_none)):
        trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
        assert [type(part) for part in (gan.latent, gan.objective, gan.coordination)] == [
            Uniform,
            NonSaturating,
            FixedSteps,
        ]
        assert gan.coordination.max_discriminator_steps == 1
        for optimizer in gan.trainer.optimizers:
            assert isinstance(optimizer, SGD)
            assert (optimizer.defaults["lr"], optimizer.defaults["momentum"]) == (0.1, 0.5)


def test_two_games_share_no_part() -> None:
    one, other = (GAN(LinearGenerator(), LinearDiscriminator()) for _ in range(2))
    assert not {id(one.latent), id(one.objective), id(one.coordination)} & {
        id(other.latent), id(other.objective), id(other.coordination)
    }  # fmt: skip


def test_one_penalty_needs_no_list() -> None:
    penalty = R1(2.0)
    assert linear_gan(penalties=penalty).penalties == linear_gan(penalties=[penalty]).penalties == (penalty,)


def test_k_discriminator_steps_see_disjoint_minibatches_and_latents_are_never_reused() -> None:
    gan = linear_gan(RecordingGAN, coordination=FixedSteps(k=3))
    trainer(max_epochs=2).fit(gan, loader(examples(24), batch_size=12))
    rounds = 4
    assert len(gan.latents_drawn) == rounds * (3 + 1)
    numbers = torch.cat(gan.latents_drawn).flatten()
    assert len(numbers.unique()) == len(numbers) == rounds * 4 * 4
    first_round = [seen[:4].flatten().tolist() for seen in gan.examples_seen[:3]]
    values = [value for minibatch in first_round for value in minibatch]
    assert len(set(values)) == 12
    assert values == examples(24).flatten()[:12].tolist()


def test_latents_are_a_function_of_the_seed_the_round_and_the_turn() -> None:
    """As docs/architecture.md has it: what a resumed run draws, and another release."""
    gan = linear_gan(RecordingGAN, coordination=FixedSteps(k=2))
    trainer(max_steps=2).fit(gan, loader(examples(16), batch_size=8))
    for index, z in enumerate(gan.latents_drawn):
        rng = stream(11, "latents", "training", index // 3, index % 3, 0)
        assert torch.equal(z, gan.latent.sample(4, generator=rng, dtype=torch.float64))
    assert len(gan.latents_drawn) == 2 * 3


def test_no_forward_pass_is_repeated_or_wasted() -> None:
    gan = linear_gan(RecordingGAN, coordination=FixedSteps(k=2))
    trainer(max_steps=1).fit(gan, loader(examples(16), batch_size=16))
    # Each D-turn: G once, D once over examples and samples together; the G-turn: G once, D once over samples.
    assert gan.forwards == [("G", 8), ("D", 16), ("G", 8), ("D", 16), ("G", 8), ("D", 8)]


class Movements(Callback):
    """Which parameters each optimiser step moved, and which had a gradient."""

    def __init__(self) -> None:
        self.before: dict[str, Tensor] = {}
        self.moved: list[set[str]] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self._note(pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self._note(pl_module)

    def _note(self, module: Any) -> None:
        now = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
        if self.before:
            self.moved.append({name for name in now if not torch.equal(now[name], self.before[name])})
        self.before = now


def test_each_turn_moves_the_weights_of_its_player_alone() -> None:
    movements = Movements()
    gan = linear_gan(coordination=FixedSteps(k=2))
    trainer(max_steps=1, callbacks=[movements]).fit(gan, loader(examples(16), batch_size=16))
    d, g = {"discriminator.w", "discriminator.c"}, {"generator.a", "generator.b"}
    assert movements.moved == [d, d, g]


def test_generators_turn_leaves_no_gradient_in_the_discriminator_and_thaws_it() -> None:
    gan = linear_gan()
    seen = {}

    class AfterRound(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: GAN, *rest: Any) -> None:
            seen["grad"] = pl_module.discriminator.w.grad.clone()
            seen["requires_grad"] = pl_module.discriminator.w.requires_grad

    torch.manual_seed(0)
    trainer(max_steps=1, callbacks=[AfterRound()]).fit(gan, loader(examples(8), batch_size=8))
    x, z = examples(8).flatten(), gan.draw_latents(8, "training", 0, 0).flatten().double()
    w, c, g = (
        float(torch.tensor(0.4)),
        float(torch.tensor(0.1)),
        float(torch.tensor(0.7)) * z + float(torch.tensor(-0.2)),
    )
    expected = -0.5 * ((1 - torch.sigmoid(w * x + c)) * x).mean() + 0.5 * (torch.sigmoid(w * g + c) * g).mean()
    torch.testing.assert_close(seen["grad"], expected.detach(), rtol=1e-12, atol=0)
    assert seen["requires_grad"]


def test_frozen_layers_of_the_user_stay_frozen() -> None:
    gan = linear_gan()
    gan.discriminator.c.requires_grad_(False)
    trainer(max_steps=2).fit(gan, loader(examples(8), batch_size=4))
    assert not gan.discriminator.c.requires_grad
    assert float(gan.discriminator.c.detach()) == pytest.approx(0.1)


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")  # it saves after the whole round
@pytest.mark.parametrize("k", [1, 3])
def test_steps_count_rounds(k: int, tmp_path: Any) -> None:
    gan = linear_gan(coordination=FixedSteps(k=k))
    every_third = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=3, save_top_k=-1)
    run = trainer(max_steps=7, enable_checkpointing=True, callbacks=[every_third])
    run.fit(gan, loader(examples(4 * k), batch_size=2 * k))  # two rounds per epoch
    assert run.global_step == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step=3.ckpt", "step=6.ckpt"]


def test_schedules_step_per_round_and_per_epoch() -> None:
    gan = linear_gan(
        optimizer_d=sgd(momentum=0.5),
        schedule_g=[Schedule(partial(StepLR, step_size=1, gamma=0.1), interval="epoch")],
        schedule_d=[
            Schedule(partial(ExponentialDecay, divisor=2.0)),
            Schedule(partial(MomentumRamp, saturate=3), interval="epoch"),
        ],
        coordination=FixedSteps(k=2),
    )
    run = trainer(max_epochs=2)
    run.fit(gan, loader(examples(12), batch_size=4))  # three rounds per epoch
    optimizer_g, optimizer_d = run.optimizers
    assert optimizer_g.param_groups[0]["lr"] == pytest.approx(0.5 * 0.1**2)
    assert optimizer_d.param_groups[0]["lr"] == 0.5 / 2.0**6
    assert optimizer_d.param_groups[0]["momentum"] == pytest.approx(0.7)


def test_plateau_schedule_watches_a_held_out_quantity() -> None:
    plateau = partial(ReduceLROnPlateau, patience=0, factor=0.1, threshold=1e9)  # nothing is ever an improvement
    gan = linear_gan(schedule_g=[Schedule(plateau, interval="epoch", monitor="val/jsd_bound")])
    run = trainer(max_epochs=3)
    run.fit(gan, loader(examples(8), batch_size=4), loader(examples(4), batch_size=4))
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5 * 0.1**3)


def test_plateau_schedule_waits_for_the_next_validation() -> None:
    plateau = partial(ReduceLROnPlateau, patience=0, factor=0.1, threshold=1e9)
    gan = linear_gan(schedule_g=[Schedule(plateau, interval="epoch", monitor="val/jsd_bound")])
    run = trainer(max_epochs=5, check_val_every_n_epoch=2)
    run.fit(gan, loader(examples(8), batch_size=4), loader(examples(4), batch_size=4))
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5 * 0.1**2)


def test_plateau_schedule_on_an_unknown_name_lists_what_is_logged() -> None:
    gan = linear_gan(schedule_g=[Schedule(ReduceLROnPlateau, interval="epoch", monitor="val/nothing")])
    with pytest.raises(UserError, match=r"monitors 'val/nothing', which is not logged: expected one of .*train/value"):
        trainer(max_epochs=1).fit(gan, loader(examples(8), batch_size=4))


def test_gradients_are_clipped_per_player() -> None:
    free, clipped = linear_gan(), linear_gan(clip_d=1e-3)
    for gan in (free, clipped):
        trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
    step = torch.stack([clipped.discriminator.w.detach() - 0.4, clipped.discriminator.c.detach() - 0.1]).norm()
    assert float(step) == pytest.approx(0.5 * 1e-3, rel=1e-3)
    assert abs(float(free.discriminator.w.detach()) - 0.4) > 1e-2


def test_gradients_are_clipped_after_mixed_precision_has_unscaled_them() -> None:
    plugin = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu"))
    gan = linear_gan(clip_d=1e-3)
    trainer(max_steps=1, precision=None, plugins=[plugin]).fit(gan, loader(examples(8).float(), batch_size=8))
    step = torch.stack([gan.discriminator.w.detach() - 0.4, gan.discriminator.c.detach() - 0.1]).norm()
    assert float(step) == pytest.approx(0.5 * 1e-3, rel=1e-2)


def test_a_batch_is_split_once_a_round() -> None:
    class Counting(GAN):
        splits = 0

        def split_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
            self.splits += 1
            return super().split_batch(batch)

    gan = linear_gan(Counting, coordination=FixedSteps(k=2))
    trainer(max_steps=3).fit(gan, loader(examples(24), batch_size=8))
    assert gan.splits == 3


def test_constrained_modules_are_put_back_after_their_players_update() -> None:
    class Boxed(LinearDiscriminator):
        def constrain_(self) -> None:
            with torch.no_grad():
                self.w.clamp_(-0.1, 0.1)

    gan = GAN(LinearGenerator(), Boxed(), optimizer_d=sgd(), optimizer_g=sgd())
    trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
    assert float(gan.discriminator.w.detach()) == pytest.approx(0.1)


def test_logged_quantities_are_those_of_the_round_and_of_the_held_out_batches() -> None:
    gan = linear_gan(optimizer_g=sgd(0.0), optimizer_d=sgd(0.0))
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(8), batch_size=8), loader(examples(6), batch_size=4))
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    z = gan.draw_latents(8, "training", 0, 0).flatten().double()
    with torch.no_grad():
        d_x = gan.discriminate(examples(8)).sigmoid()
        d_g = gan.discriminate(gan(z[:, None])).sigmoid()
    value = float(d_x.log().mean() + (1 - d_g).log().mean())
    assert logged["train/value"] == pytest.approx(value, rel=1e-5)
    assert logged["train/loss_d"] == pytest.approx(-value / 2, rel=1e-5)
    assert logged["train/jsd_bound"] == pytest.approx((value + math.log(4)) / 2, rel=1e-4)
    assert logged["train/d_real"] == pytest.approx(float(d_x.mean()), rel=1e-5)
    assert logged["train/d_fake"] == pytest.approx(float(d_g.mean()), rel=1e-5)
    right = (float((d_x > 0.5).double().mean()) + float((d_g < 0.5).double().mean())) / 2
    assert logged["train/d_lead"] == pytest.approx(2 * right - 1, abs=1e-6)
    assert set(logged) == {
        f"{split}/{name}"
        for split in ("train", "val")
        for name in ("loss_d", "loss_g", "value", "jsd_bound", "d_real", "d_fake", "d_lead")
    }


class Linear(Wasserstein):
    """A critic's loss by another name."""


class Own(Objective):
    """A reader's own, which says nothing of what its logits are."""

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return 0.5 * (fake_logits.square().mean() - real_logits.mean())

    def loss_g(self, fake_logits: Tensor) -> Tensor:
        return -fake_logits.mean()


@pytest.mark.filterwarnings("ignore:under .* may grow ever steeper")
@pytest.mark.parametrize(
    ("objective", "meant"),
    [(Wasserstein(), False), (Hinge(), False), (LeastSquares(), False), (Linear(), False), (Own(), True)],
    ids=lambda value: type(value).__name__,
)
def test_what_an_objective_gives_no_meaning_to_is_not_logged(objective: Objective, meant: bool) -> None:
    run = trainer(max_steps=1)
    run.fit(linear_gan(objective=objective), loader(examples(8), batch_size=8), loader(examples(6), batch_size=4))
    of_probabilities = {"value", "jsd_bound", "d_real", "d_fake"} if meant else set()
    of_decisions = {"d_lead"} if objective.decision_boundary is not None else set()
    meant_names = {"loss_d", "loss_g"} | of_probabilities | of_decisions
    names = {f"{split}/{name}" for split in ("train", "val") for name in meant_names}
    assert set(run.callback_metrics) == names


def test_callbacks_are_given_each_players_last_loss() -> None:
    class EverySecond(FixedSteps):
        def discriminator_steps(self, round_index: int) -> int:
            return round_index % 2

    class Outputs(Callback):
        def __init__(self) -> None:
            self.seen: list[dict[str, float]] = []

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
            self.seen.append({name: float(loss) for name, loss in outputs.items()})

    outputs = Outputs()
    run = trainer(max_steps=2, callbacks=[outputs])
    run.fit(linear_gan(coordination=EverySecond(k=1)), loader(examples(12), batch_size=6))
    rested, moved = outputs.seen
    assert set(rested) == {"generator"}
    logged = {"generator": run.callback_metrics["train/loss_g"], "discriminator": run.callback_metrics["train/loss_d"]}
    assert moved == pytest.approx({name: float(loss) for name, loss in logged.items()}, rel=1e-6)


def test_a_second_training_counts_its_own_images_and_logs_its_own_penalties() -> None:
    gan = linear_gan(penalties=[R1(0.1, every=3)])
    trainer(max_steps=1).fit(gan, loader(examples(16), batch_size=8))
    gan.penalties = ()
    second = trainer(max_steps=2)
    second.fit(gan, loader(examples(4), batch_size=4))
    assert gan.images_per_round == 4
    assert not any("penalty" in name for name in second.callback_metrics)


def test_validation_changes_nothing_in_training() -> None:
    def weights(**kwargs: Any) -> list[float]:
        gan = linear_gan()
        trainer(max_epochs=3, **kwargs).fit(gan, loader(examples(8), batch_size=4), loader(examples(6), batch_size=2))
        return [float(parameter.detach()) for parameter in gan.parameters()]

    assert weights() == weights(limit_val_batches=0) == weights(val_check_interval=1)


class DroppingDiscriminator(LinearDiscriminator):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.dropout(x))


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Any) -> None:
    def gan() -> GAN:
        return GAN(LinearGenerator(), DroppingDiscriminator(), optimizer_g=sgd(momentum=0.5), optimizer_d=sgd())

    whole, first, second = gan(), gan(), gan()
    data = loader(examples(8), batch_size=4)
    trainer(max_epochs=4).fit(whole, data)
    run = trainer(max_epochs=2)
    run.fit(first, data)
    run.save_checkpoint(tmp_path / "half.ckpt")
    torch.rand(1000)  # the global generator's history must not matter
    trainer(max_epochs=4).fit(second, data, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_batch_norm_in_d_keeps_examples_and_samples_apart() -> None:
    class Normalised(LinearDiscriminator):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(self.norm(x.flatten(1))[:, :, None, None])

    gan = RecordingGAN(LinearGenerator(), Normalised(), optimizer_g=sgd(), optimizer_d=sgd())
    trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
    assert gan.forwards == [("G", 8), ("D", 8), ("D", 8), ("G", 8), ("D", 8)]


def test_a_discriminator_that_sees_the_whole_batch_says_so() -> None:
    class WholeBatch(LinearDiscriminator):
        sees_whole_batch = True

    gan = RecordingGAN(LinearGenerator(), WholeBatch(), optimizer_g=sgd(), optimizer_d=sgd())
    trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
    assert gan.forwards == [("G", 8), ("D", 8), ("D", 8), ("G", 8), ("D", 8)]


def test_auxiliary_loss_is_added_to_its_players_loss() -> None:
    class Regularised(GAN):
        def auxiliary_loss(self, turn: Turn) -> Tensor | None:
            return 10 * self.discriminator.w if turn.player == "discriminator" else None

    plain, regularised = linear_gan(), linear_gan(Regularised)
    for gan in (plain, regularised):
        trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
    shift = plain.discriminator.w.detach() - regularised.discriminator.w.detach()
    assert float(shift) == pytest.approx(0.5 * 10)
    assert float(plain.discriminator.c.detach()) == float(regularised.discriminator.c.detach())


def test_auxiliary_loss_as_it_was_written_once_still_counts() -> None:
    class Earlier(GAN):
        def auxiliary_loss(self, player: str, x: Tensor, condition: Tensor | None) -> Tensor | None:
            seen.append((player, x.detach()))
            return x.sum() * self.discriminator.w if player == "discriminator" else None

    class Now(GAN):
        def auxiliary_loss(self, turn: Turn) -> Tensor | None:
            self.generated = turn.generated.detach()
            return turn.x.sum() * self.discriminator.w if turn.player == "discriminator" else None

    seen: list[Any] = []
    earlier, now = linear_gan(Earlier), linear_gan(Now)
    with pytest.warns(
        ContractWarning, match=r"Earlier.auxiliary_loss\(player, x, condition\) is called as before: exp"
    ):
        trainer(max_steps=1).fit(earlier, loader(examples(8), batch_size=8))
    trainer(max_steps=1).fit(now, loader(examples(8), batch_size=8))
    assert [player for player, _ in seen] == ["discriminator", "generator"]
    assert torch.equal(seen[0][1], examples(8))
    assert torch.equal(seen[1][1], now.generated)  # in G's turn its samples, and not the examples
    for one, other in zip(earlier.parameters(), now.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_further_task_sees_the_whole_turn() -> None:
    class Looking(GAN):
        def auxiliary_loss(self, turn: Turn) -> None:
            turns.append(turn)
            assert torch.equal(turn.discriminate(turn.generated).detach(), turn.fake_logits.detach())
            # In G's turn D stands still: of examples no gradient is missing.
            assert turn.discriminate(turn.x).requires_grad == (turn.player == "discriminator")

    turns: list[Turn] = []
    gan = linear_gan(Looking)
    trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))
    d, g = turns
    assert (d.player, g.player) == ("discriminator", "generator")
    assert torch.equal(d.x, examples(8))
    assert torch.equal(g.x, examples(8))
    assert d.real_logits.shape == d.fake_logits.shape == (8, 1)
    assert g.real_logits is None
    assert g.generated.requires_grad
    assert not d.generated.requires_grad


def test_a_number_of_steps_for_which_there_are_no_minibatches_is_an_error() -> None:
    class Eager(FixedSteps):
        def discriminator_steps(self, round_index: int) -> int:
            return 2

    gan = linear_gan(coordination=Eager())
    with pytest.raises(UserError, match=r"Eager\) gives discriminator_steps = 2: .* from 0 to its max_.* = 1"):
        trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))


def test_batches_may_be_bare_tensors() -> None:
    data = torch.utils.data.DataLoader(examples(8), batch_size=4)
    run = trainer(max_epochs=1)
    run.fit(linear_gan(), data)
    assert run.global_step == 2


def test_a_batch_that_does_not_divide_is_an_error() -> None:
    gan = linear_gan(coordination=FixedSteps(k=3))
    with pytest.raises(UserError, match=r"a batch of 8 rows cannot be cut into 3 equal minibatches.*\(k = 3\)"):
        trainer(max_steps=1).fit(gan, loader(examples(8), batch_size=8))


def test_data_in_another_range_than_the_generators_is_an_error() -> None:
    class Data(LightningDataModule):
        value_range = (-1.0, 1.0)

        def train_dataloader(self) -> Any:
            return loader(examples(8), batch_size=4)

    gan = linear_gan()
    gan.generator.output_range = (0.0, 1.0)
    with pytest.raises(UserError, match=r"the data lie in \[-1.0, 1.0\] but the generator's output .* \[0.0, 1.0\]"):
        trainer(max_steps=1).fit(gan, Data())


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"latent": Normal(3)}, "latent size = 3 but the generator's latent_size = 1: expected the same number"),
        ({"clip_g": 0.0}, "clip_g = 0.0: expected a positive norm"),
        ({"optimizer_d": sgd(lr=-0.1)}, "optimizer_d of the discriminator: Invalid learning rate: -0.1"),
    ],
)
def test_arguments_that_cannot_work_are_told_at_once(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        linear_gan(**kwargs)


def test_a_generator_without_latent_size_needs_a_latent() -> None:
    generator = nn.Linear(3, 1)
    with pytest.raises(
        UserError, match="latent = Uniform needs the generator's latent_size, which Linear does not have"
    ):
        GAN(generator, LinearDiscriminator())
    assert GAN(generator, LinearDiscriminator(), latent=Normal(3)).latent.size == 3


def test_a_player_without_parameters_is_an_error() -> None:
    with pytest.raises(UserError, match="the discriminator has no trainable parameters"):
        GAN(LinearGenerator(), nn.Identity())
