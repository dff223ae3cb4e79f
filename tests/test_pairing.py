"""Objectives that pair samples with examples: G's own minibatch, and its turn worked out by hand."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, sgd, trainer
from torch import Tensor, nn

from lit_gan.coordination import FixedSteps
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.objectives import NonSaturating, Objective, RelativisticPairing


@pytest.fixture(autouse=True)
def _seed_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")


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


class WholeBatch(LinearDiscriminator):
    sees_whole_batch = True


@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("discriminator", [LinearDiscriminator, WholeBatch])
def test_a_round_is_the_one_worked_out_by_hand(discriminator: type[nn.Module], k: int, micro_batches: int) -> None:
    gan = Recording(
        *(LinearGenerator(), discriminator()),
        objective=RelativisticPairing(),
        coordination=FixedSteps(k, micro_batches),
        optimizer_g=sgd(),
        optimizer_d=sgd(),
    )
    assert gan.minibatches_per_round == k + 1
    data = examples(6 * (k + 1))
    trainer(max_steps=1).fit(gan, loader(data, batch_size=6 * (k + 1)))
    a, b, w, c = (float(torch.tensor(value)) for value in (0.7, -0.2, 0.4, 0.1))
    minibatches = data.flatten().split(6)
    latents = [z.flatten().double() for z in gan.latents_drawn]
    for x, z in zip(minibatches[:k], latents[:k], strict=True):
        g = a * z + b
        wrong = torch.sigmoid(w * g - w * x)  # how sure D is of the wrong order; c drops out of a difference
        w = w - 0.5 * float((0.5 * wrong * (g - x)).mean())
    x, z = minibatches[k], latents[k]
    right = torch.sigmoid(w * x - w * (a * z + b))
    grad_a, grad_b = float((-right * w * z).mean()), float((-right * w).mean())
    expected = {"a": a - 0.5 * grad_a, "b": b - 0.5 * grad_b, "w": w, "c": c}
    got = {name.split(".")[1]: value.item() for name, value in gan.named_parameters()}
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_g_has_a_minibatch_that_d_does_not_see() -> None:
    gan = linear_gan(Recording, objective=RelativisticPairing(), coordination=FixedSteps(k=2))
    trainer(max_steps=2).fit(gan, loader(examples(24), batch_size=12))
    assert len(gan.latents_drawn) == 2 * 3
    rounds = [examples(24).flatten()[:12], examples(24).flatten()[12:]]
    for index, rows in enumerate(rounds):
        first, second, fake, own = (each.flatten() for each in gan.shown[4 * index : 4 * index + 4])
        assert [len(each) for each in (first, second, fake, own)] == [8, 8, 4, 4]
        seen = torch.cat([first[:4], second[:4], own])
        assert torch.equal(seen, rows)
        assert len(seen.unique()) == 12


def test_held_out_losses_are_paired_by_row() -> None:
    gan = linear_gan(objective=RelativisticPairing(), optimizer_g=sgd(0.0), optimizer_d=sgd(0.0))
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(8), batch_size=8), loader(examples(7), batch_size=3))
    z = gan.latent_table("val", 0).rows(range(7)).double()
    with torch.no_grad():
        real, fake = gan.discriminate(examples(7)), gan.discriminate(gan(z))
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    assert logged["val/loss_d"] == pytest.approx(float(0.5 * F.softplus(fake - real).mean()), rel=1e-6)
    assert logged["val/loss_g"] == pytest.approx(float(F.softplus(real - fake).mean()), rel=1e-6)
    assert set(logged) == {f"{split}/{name}" for split in ("train", "val") for name in ("loss_d", "loss_g")}


class Earlier(NonSaturating):
    """As objectives were written once."""

    def loss_g(self, fake_logits: Tensor) -> Tensor:  # type: ignore[override]
        return super().loss_g(fake_logits)


def test_an_objective_with_one_argument_still_serves() -> None:
    earlier, now = linear_gan(objective=Earlier()), linear_gan()
    for gan in (earlier, now):
        trainer(max_steps=2).fit(gan, loader(examples(8), batch_size=4), loader(examples(4), batch_size=4))
    for one, other in zip(earlier.parameters(), now.parameters(), strict=True):
        assert torch.equal(one, other)


class Deaf(Earlier):
    pairs_examples = True


class Greedy(Objective):
    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return (fake_logits - real_logits).mean()

    def loss_g(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:  # type: ignore[override]
        return (real_logits - fake_logits).mean()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (
            Deaf(),
            r"loss_g \(.*Deaf\) does not take \(fake_logits, real_logits\): .* expected loss_g\(self, fake_logits, r",
        ),
        (Greedy(), r"loss_g \(.*Greedy\) does not take \(fake_logits\): .* says pairs_examples = True"),
    ],
)
def test_an_objective_that_does_not_take_what_it_needs_is_told_at_once(objective: Objective, message: str) -> None:
    with pytest.raises(UserError, match=message):
        linear_gan(objective=objective)


def test_a_batch_that_does_not_divide_is_told_with_gs_own() -> None:
    gan = linear_gan(objective=RelativisticPairing())
    with pytest.raises(UserError, match=r"cut into 2 equal minibatches, .* \(k = 1\) and one for the generator"):
        trainer(max_steps=1).fit(gan, loader(examples(7), batch_size=7))
