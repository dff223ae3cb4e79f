"""A module of the reader's own counts rounds, moves its players apart, clips, schedules and tells what does not fit."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from duel import Vocoder
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from ranks import on_ranks
from tiny_gan import sgd, trainer
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

from lit_gan import RoundModule
from lit_gan.callbacks import RunCheckpoint
from lit_gan.callbacks.player_monitor import PlayerMonitor
from lit_gan.callbacks.throughput import Throughput
from lit_gan.errors import UserError
from lit_gan.schedules import Schedule


def _data(rows: int = 24) -> DataLoader[Any]:
    drawn = torch.Generator().manual_seed(1)
    z, x = torch.randn(rows, 2, generator=drawn), torch.randn(rows, 4, generator=drawn)
    return DataLoader(list(zip(z.double(), x.double(), strict=True)), batch_size=6)


def _fit(module: Any, **kwargs: Any) -> Any:
    run = trainer(**kwargs)
    run.fit(module, _data())
    return run


@pytest.mark.parametrize("strategy", ["auto", "ddp_gan"])
def test_a_round_is_one_step_whoever_moves_in_it(strategy: str, own_process_group: None) -> None:
    """Lightning would count 15 steps for these 5 rounds."""
    assert _fit(Vocoder(), max_steps=5, strategy=strategy).global_step == 5


def test_a_turn_lets_gradients_into_one_player_and_thaws_the_others() -> None:
    class Watched(Vocoder):
        def _hear(self, name: str, x: Any) -> Any:
            self.heard.append([player for player in self.players if _learns(self.players[player].network)])
            return super()._hear(name, x)

    module = Watched()
    _fit(module, max_steps=1)
    assert module.heard == [["fine"], ["fine"], ["coarse"], ["coarse"], ["generator"], ["generator"]]
    assert all(_learns(player.network) for player in module.players.values())


def _learns(network: nn.Module) -> bool:
    learning = {parameter.requires_grad for parameter in network.parameters()}
    assert len(learning) == 1
    return learning.pop()


def test_a_turn_is_the_update_by_hand() -> None:
    """Momentum, clipping and the other players' frozen weights, in float64 against three lines of SGD."""

    class Pair(RoundModule):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
            nn.init.constant_(self.one.weight, 2.0)
            nn.init.constant_(self.other.weight, 3.0)
            self.add_player("one", self.one, partial(SGD, lr=0.1), clip=0.5)
            self.add_player("other", self.other, partial(SGD, lr=0.1))

        def training_step(self, batch: Any, batch_idx: int) -> None:
            x = torch.ones(1, 1, dtype=torch.float64)
            with self.round():
                with self.turn("one"):
                    self.manual_backward(self.other(self.one(x)).sum())  # gradient 3, clipped to 0.5
                with self.turn("other"):
                    self.manual_backward(self.other(self.one(x)).sum())  # gradient: the moved weight
                    self.manual_backward(self.other(x).sum())  # and 1, added

    module = Pair()
    _fit(module, max_steps=1)
    assert module.one.weight.item() == pytest.approx(2 - 0.1 * 0.5, abs=1e-6)  # torch divides by the norm + 1e-6
    assert module.other.weight.item() == pytest.approx(3 - 0.1 * (module.one.weight.item() + 1), abs=1e-12)


def test_schedules_step_once_a_round() -> None:
    halved = Schedule(partial(StepLR, step_size=2, gamma=0.5))
    run = _fit(Vocoder(schedules=(halved,)), max_steps=4)
    assert [optimizer.param_groups[0]["lr"] for optimizer in run.optimizers] == [0.1 / 4, 0.05, 0.02]


class Faulty(Vocoder):
    """Does what `fault` says."""

    fault = ""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        if self.fault == "no round":
            with self.turn("fine"):
                pass
        with self.round(), self.turn("critic"):
            pass


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no round", r"^turn\('fine'\) outside a round: expected it within `with self.round\(\):`"),
        ("unknown", r"^turn\('critic'\): expected one of the players generator, fine, coarse"),
    ],
)
def test_a_turn_that_cannot_be_is_told(fault: str, message: str) -> None:
    module = Faulty()
    module.fault = fault
    with pytest.raises(UserError, match=message):
        _fit(module, max_steps=1)


def test_players_that_cannot_be_are_told() -> None:
    module = Vocoder()
    with pytest.raises(UserError, match=r"^add_player\('fine'\): there is one of that name"):
        module.add_player("fine", nn.Linear(1, 1), sgd())
    with pytest.raises(UserError, match=r"^clip of the third = -1: expected a positive norm"):
        module.add_player("third", nn.Linear(1, 1), sgd(), clip=-1)
    with pytest.raises(UserError, match=r"^optimizer of the third: Invalid learning rate"):
        module.add_player("third", nn.Linear(1, 1), sgd(-1.0))
    module.add_player("third", nn.Linear(1, 1), sgd())
    with pytest.raises(UserError, match=r"^the player 'third' is no part of Vocoder, .*say self.third = network"):
        _fit(module, max_steps=1)
    empty = Vocoder()
    empty.players.clear()
    with pytest.raises(UserError, match=r"^Vocoder has no players: expected self.add_player"):
        _fit(empty, max_steps=1)


def test_a_trainer_that_cannot_serve_players_is_refused_in_their_words() -> None:
    with pytest.raises(UserError, match=r"^trainer.gradient_clip_val = 0.5: .*self.add_player\(..., clip=0.5\)"):
        _fit(Vocoder(), max_steps=1, gradient_clip_val=0.5)
    with pytest.raises(UserError, match=r"^trainer.accumulate_grad_batches = 4: call self.manual_backward 4 times"):
        _fit(Vocoder(), max_steps=1, accumulate_grad_batches=4)


def test_resumed_it_goes_on_to_the_same_bits_with_what_is_asked_now(tmp_path: Path) -> None:
    """Dropout, momentum and schedules: stopped after four rounds of eight, one epoch of torch's own loader."""

    def training(rounds: int) -> Trainer:
        keeper = RunCheckpoint(tmp_path, save_top_k=0, save_last=True, enable_version_counter=False)
        return trainer(max_steps=rounds, callbacks=[keeper], enable_checkpointing=True)

    def fit(rounds: int, **kwargs: Any) -> Vocoder:
        module = Vocoder(schedules=(Schedule(partial(StepLR, step_size=2, gamma=0.5)),), clip=1.0)
        training(rounds).fit(module, _data(), **kwargs)
        return module

    whole = fit(8).state_dict()
    (tmp_path / "last.ckpt").unlink()
    fit(4)
    last = tmp_path / "last.ckpt"
    stopped = Path(shutil.copy(last, tmp_path / "stopped.ckpt"))
    gone_on = fit(8, ckpt_path=stopped, weights_only=True).state_dict()
    assert all(torch.equal(gone_on[name], whole[name]) for name in whole)
    slower = Vocoder(lambda lr, momentum: sgd(lr / 2, momentum))
    run = training(9)
    run.fit(slower, _data(), ckpt_path=stopped, weights_only=True)
    assert [optimizer.param_groups[0]["lr"] for optimizer in run.optimizers] == [0.05, 0.025, 0.01]


def test_a_checkpoint_of_other_players_is_told(tmp_path: Path) -> None:
    run = trainer(max_steps=1)
    run.fit(Vocoder(), _data())
    run.save_checkpoint(tmp_path / "one.ckpt")
    other = Vocoder()
    other.players = {("third" if name == "fine" else name): player for name, player in other.players.items()}
    with pytest.raises(UserError, match=r"^the checkpoint's players are generator, fine, coarse, .* generator, third"):
        trainer(max_steps=2).fit(other, _data(), ckpt_path=tmp_path / "one.ckpt", weights_only=True)


def test_what_it_logs_of_its_players_bears_their_names() -> None:
    run = trainer(max_steps=1, callbacks=[PlayerMonitor(), Throughput()])
    run.fit(Vocoder(), _data())
    logged = set(run.callback_metrics)
    assert {f"train/{kind}_{name}" for kind in ("grad_norm", "lr") for name in Vocoder().players} <= logged
    assert {"perf/rounds_per_second", "perf/images_per_second", "train/loss_fine"} <= logged


def test_each_player_has_a_scaler_in_16_bit_mixed_precision() -> None:
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=4))
    run = trainer(max_steps=4, precision=None, plugins=[plugin])
    run.fit(Vocoder(), DataLoader([(torch.ones(2), torch.zeros(4))] * 24, batch_size=6))
    scalers = run.precision_plugin.scalers
    assert {name: scaler.get_scale() for name, scaler in scalers.items()} == dict.fromkeys(Vocoder().players, 16.0)


class Inference(RoundModule):
    """One player, and a network that stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(2, 4).requires_grad_(False)
        self.encoder = nn.Linear(4, 2)
        self.add_player("encoder", self.encoder, sgd(0.1))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        z, _ = batch
        with self.round(), self.turn("encoder"):
            self.manual_backward(((self.encoder(self.frozen(z)) - z) ** 2).mean())


@pytest.mark.parametrize("strategy", ["auto", "ddp_gan"])
def test_one_player_beside_a_frozen_network_learns(strategy: str, own_process_group: None) -> None:
    module = Inference()
    frozen, before = module.frozen.weight.detach().clone(), module.encoder.weight.detach().clone()
    run = _fit(module, max_epochs=2, strategy=strategy)
    assert run.global_step == 8
    assert torch.equal(module.frozen.weight.float(), frozen)
    assert not torch.equal(module.encoder.weight.float(), before)


def _on_both(rank: int | None) -> dict[str, Any]:
    """The weights after six rounds of whole batches, or of this rank's half of each."""
    z, x = (torch.randn(24, size, generator=torch.Generator().manual_seed(size)).double() for size in (2, 4))
    rows = slice(None) if rank is None else slice(2 * rank, 2 * rank + 2)
    batches = [(z[start : start + 4][rows], x[start : start + 4][rows]) for start in range(0, 24, 4)]
    module = Vocoder(clip=0.05, dropout=0.0)
    options: dict[str, Any] = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
    run = trainer(max_steps=6, use_distributed_sampler=False, **options)
    run.fit(module, DataLoader(batches, batch_size=None))
    return {"rounds": run.global_step, "weights": module.state_dict()}


@pytest.mark.slow
def test_two_ranks_equal_one_process_and_count_rounds(tmp_path: Path) -> None:
    alone = _on_both(None)
    for rank in on_ranks(_on_both, 2, tmp_path):
        assert rank["rounds"] == alone["rounds"] == 6
        for name, weights in alone["weights"].items():
            assert torch.allclose(rank["weights"][name], weights, rtol=0, atol=1e-12)
