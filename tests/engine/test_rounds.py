"""A module of the reader's own counts rounds, moves its players apart, clips, schedules and tells what does not fit."""

from functools import partial
from typing import Any

import pytest
import torch
from duel import Vocoder
from tiny_gan import sgd, trainer
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

from lit_gan import RoundModule
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
