"""Slow weights of all players at once."""

from pathlib import Path
from typing import Any

import pytest
import stop_cases
import torch
from duel import Vocoder
from lightning.pytorch import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from stop_cases import differences, left
from tiny_gan import examples, linear_gan, loader, trainer
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.callbacks import GeneratorEMA, Lookahead
from lit_gan.coordination import FixedSteps
from lit_gan.errors import UserError
from lit_gan.randomness import stream


class Weights(Callback):
    """Both players' first weights as other callbacks see them after each round."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self.seen.append((float(pl_module.generator.a.detach()), float(pl_module.discriminator.w.detach())))


def reference(k: int, alpha: float, rounds: int, minibatches: int) -> list[tuple[float, float]]:
    """One round at a time by a GAN without it, whose weights are moved by hand."""
    gan, weights = linear_gan(coordination=FixedSteps(minibatches)), Weights()
    names = dict(gan.named_parameters())
    slow = {name: weight.detach().double() for name, weight in names.items()}

    class ByHand(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
            if trainer.global_step % k == 0:
                for name, weight in names.items():
                    slow[name] = (1 - alpha) * slow[name] + alpha * weight.detach()
                    weight.data.copy_(slow[name])
            weights.on_train_batch_end(trainer, pl_module)

    fit = trainer(max_steps=rounds, callbacks=[ByHand()])
    fit.fit(gan, loader(examples(240), batch_size=4 * minibatches))
    return weights.seen


@pytest.mark.parametrize("minibatches", [1, 2])
@pytest.mark.parametrize(("k", "alpha"), [(1, 0.3), (3, 0.5), (4, 1.0)])
def test_every_k_rounds_both_players_go_back_to_their_slow_weights(k: int, alpha: float, minibatches: int) -> None:
    gan, weights = linear_gan(coordination=FixedSteps(minibatches)), Weights()
    fit = trainer(max_steps=10, callbacks=[weights, Lookahead(k, alpha)])
    fit.fit(gan, loader(examples(240), batch_size=4 * minibatches))
    expected = reference(k, alpha, 10, minibatches)
    for found, wanted in zip(weights.seen, expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-12)


def test_with_alpha_one_the_weights_are_those_without_it() -> None:
    with_it, without = linear_gan(), linear_gan()
    for gan, callbacks in ((with_it, [Lookahead(2, 1.0)]), (without, [])):
        trainer(max_steps=5, callbacks=callbacks).fit(gan, loader(examples(24), batch_size=4))
    for one, other in zip(with_it.parameters(), without.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=0)


@pytest.mark.parametrize("lookahead_first", [True, False])
def test_an_average_of_g_sees_the_weights_that_the_next_round_begins_with(lookahead_first: bool) -> None:
    gan, weights, ema = linear_gan(), Weights(), GeneratorEMA(decay=0.4)
    pair = [Lookahead(2), ema] if lookahead_first else [ema, Lookahead(2)]
    start = float(gan.generator.a.detach())
    trainer(max_steps=6, callbacks=[*pair, weights]).fit(gan, loader(examples(24), batch_size=4))
    average = start
    for index, (a, _) in enumerate(weights.seen, start=1):
        decay = min(0.4, (1 + index) / (10 + index))
        average = decay * average + (1 - decay) * a
    assert float(gan.generator_average["a"]) == pytest.approx(average, rel=1e-12)


def test_moments_are_left_alone() -> None:
    def adam(parameters: Any) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=0.1)

    class Moments(Callback):
        def on_train_batch_start(self, trainer: Any, *rest: Any) -> None:
            self.before = [dict(state) for each in trainer.optimizers for state in each.state.values()]

        def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
            self.after = [dict(state) for each in trainer.optimizers for state in each.state.values()]

    gan, plain = (linear_gan(optimizer_g=adam, optimizer_d=adam) for _ in range(2))
    moments, others = Moments(), Moments()
    for game, watch, callbacks in ((gan, moments, [Lookahead(1)]), (plain, others, [])):
        trainer(max_steps=1, callbacks=[*callbacks, watch]).fit(game, loader(examples(24), batch_size=4))
    assert len(moments.after) == 4
    assert not differences(moments.after, others.after)  # the first round's, whatever came of the weights
    assert gan.generator.a.item() != plain.generator.a.item()


@pytest.mark.parametrize("stop_after", [4, 5])
def test_a_stopped_training_ends_with_the_same_bits(
    stop_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_lookahead(**kwargs: Any) -> Any:
        kwargs["callbacks"] = [*kwargs["callbacks"], Lookahead(k=3)]
        return trainer(**kwargs)

    monkeypatch.setattr(stop_cases, "trainer", with_lookahead)
    stop_cases.run(tmp_path / "whole", "epochs")
    stop_cases.run(tmp_path / "parts", "epochs", stop_after=stop_after)
    stop_cases.run(tmp_path / "parts", "epochs", resume=True)
    assert not differences(left(tmp_path / "parts"), left(tmp_path / "whole"))
    last = torch.load(tmp_path / "whole" / "checkpoints" / "last.ckpt", weights_only=True)
    slow, weights = last["lookahead"], last["state_dict"]
    assert {name.partition(".")[0] for name in slow} == {"generator", "discriminator"}
    assert all(torch.equal(slow[name], weights[name]) for name in slow)  # 12 rounds are four cycles


def test_a_training_that_begins_anew_begins_with_its_own_weights() -> None:
    lookahead = Lookahead(2)
    for _ in range(2):
        gan, weights = linear_gan(), Weights()
        trainer(max_steps=4, callbacks=[lookahead, weights]).fit(gan, loader(examples(240), batch_size=4))
        assert weights.seen == [pytest.approx(each, rel=1e-12) for each in reference(2, 0.5, 4, 1)]


def pairs() -> DataLoader[Any]:
    draw = stream(0, "pairs")
    return DataLoader(TensorDataset(torch.rand(8, 2, generator=draw), torch.rand(8, 4, generator=draw)), batch_size=4)


def test_any_game_of_players_may_have_it() -> None:
    duel = Vocoder()
    lookahead = Lookahead(k=1, alpha=0.5)
    start = {name: weight.detach().clone() for name, weight in duel.named_parameters()}
    trainer(max_steps=1, callbacks=[lookahead], precision="32-true").fit(duel, pairs())
    plain = Vocoder()
    plain.load_state_dict(start)
    trainer(max_steps=1, precision="32-true").fit(plain, pairs())
    for name, weight in plain.named_parameters():
        half = start[name] + 0.5 * (weight.detach() - start[name])
        torch.testing.assert_close(dict(duel.named_parameters())[name].detach(), half)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "Lookahead k = 0: expected at least 1 round"),
        ({"alpha": 0.0}, r"Lookahead alpha = 0\.0: expected a number in \(0, 1\]"),
        ({"alpha": 1.5}, r"Lookahead alpha = 1\.5: expected a number in \(0, 1\]"),
    ],
)
def test_numbers_out_of_range_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Lookahead(**options)


def test_two_of_them_and_modules_without_players_are_told() -> None:
    fit = trainer(max_steps=1, callbacks=[Lookahead(), Lookahead(1000)])
    with pytest.raises(
        UserError, match="2 callbacks Lookahead: the players have one set of slow weights: expected one"
    ):
        fit.fit(linear_gan(), loader(examples(8), batch_size=4))
    with pytest.raises(UserError, match=r"the players of a lit_gan\.GAN or RoundModule: got a BoringModel"):
        Lookahead().on_train_start(trainer(), BoringModel())


def test_slow_weights_of_other_players_are_told() -> None:
    lookahead = Lookahead()
    lookahead.on_load_checkpoint(trainer(), linear_gan(), {"lookahead": {"generator.other": torch.ones(1)}})
    with pytest.raises(UserError, match=r"slow weights of other players: expected .*\(--init_from PATH in place of"):
        lookahead.on_train_start(trainer(), linear_gan())
