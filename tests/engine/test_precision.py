"""16-bit mixed precision: each player has a scaler of its own."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.plugins.precision import MixedPrecision
from tiny_gan import LinearGenerator, examples, linear_gan, loader, sgd, trainer
from torch import Tensor, nn

from lit_gan.coordination import FixedSteps
from lit_gan.engine.precision import PlayerMixedPrecision
from lit_gan.gan import GAN

DATA = loader(examples(48).float(), batch_size=12)


def _scaler(**kwargs: Any) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", **{"init_scale": 8.0, "growth_interval": 6, **kwargs})


def _fit(gan: Any, rounds: int = 6, scaler: Any = None, **kwargs: Any) -> PlayerMixedPrecision:
    fit = trainer(max_steps=rounds, precision=None, plugins=[MixedPrecision("16-mixed", "cpu", scaler or _scaler())])
    fit.fit(gan, DATA, **kwargs)
    assert isinstance(fit.precision_plugin, PlayerMixedPrecision)
    return fit.precision_plugin


@pytest.mark.parametrize("k", [1, 3])
def test_scales_grow_with_each_players_own_steps(k: int) -> None:
    """P5: Lightning's one scaler would have grown after (k + 1) steps per round."""
    plugin = _fit(linear_gan(coordination=FixedSteps(k), optimizer_g=sgd(1e-3), optimizer_d=sgd(1e-3)), rounds=4)
    assert plugin.scalers["generator"].get_scale() == 8.0
    assert plugin.scalers["discriminator"].get_scale() == 8.0 * 2 ** (4 * k // 6)


def test_an_overflow_of_one_player_leaves_the_other_alone() -> None:
    class Overflowing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * torch.inf

    gan = linear_gan()
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    gan.auxiliary_loss = lambda turn: (  # type: ignore[method-assign]
        Overflowing.apply(gan.discriminator.w) if turn.player == "discriminator" else None
    )
    plugin = _fit(gan, rounds=1)
    assert plugin.scalers["discriminator"].get_scale() == 4.0
    assert plugin.scalers["generator"].get_scale() == 8.0
    assert torch.equal(gan.discriminator.w, before["discriminator.w"])  # the step was skipped
    assert not torch.equal(gan.generator.a, before["generator.a"])


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_every_precision_trains_to_the_same_place(precision: str) -> None:
    reference, gan = linear_gan(), linear_gan()
    trainer(max_steps=8, precision="32-true").fit(reference, DATA)
    kwargs: dict[str, Any] = {"precision": precision}
    if precision == "16-mixed":
        kwargs = {"precision": None, "plugins": [MixedPrecision("16-mixed", "cpu", _scaler(growth_interval=1000))]}
    trainer(max_steps=8, **kwargs).fit(gan, DATA)
    for name, value in gan.state_dict().items():
        assert value.dtype == torch.float32
        assert float(value) == pytest.approx(float(reference.state_dict()[name]), abs=2e-2)


def test_each_update_sees_the_weights_that_the_last_one_left() -> None:
    """Autocast keeps its copies of weights for a whole round, in which D moves k times."""
    fresh = []

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            said: Tensor = self.layer(x.flatten(1))
            weight, bias = self.layer.weight.detach().bfloat16(), self.layer.bias.detach().bfloat16()
            fresh.append(torch.equal(said, F.linear(x.flatten(1).bfloat16(), weight, bias)))
            return said

    gan = GAN(LinearGenerator(), Dense(), coordination=FixedSteps(3), optimizer_g=sgd(), optimizer_d=sgd())
    trainer(max_steps=2, precision="bf16-mixed").fit(gan, DATA)
    assert fresh == [True] * 8


def test_clipping_sees_unscaled_gradients_with_a_fused_optimiser() -> None:
    seen = []

    def watched(gan: Any) -> Any:
        own = gan.players["generator"].clip_gradients
        gan.players["generator"].clip_gradients = lambda: (seen.append(float(gan.generator.a.grad)), own())
        return gan

    plain = watched(linear_gan(clip_g=100.0))
    trainer(max_steps=1, precision="32-true").fit(plain, DATA)
    scaled = watched(linear_gan(clip_g=100.0))
    _fit(scaled, rounds=1, scaler=_scaler(init_scale=1024.0))
    assert seen[1] == pytest.approx(seen[0], rel=1e-2)


def test_scalers_are_saved_and_restored(tmp_path: Any) -> None:
    def run(rounds: int, **kwargs: Any) -> Any:
        plugin = MixedPrecision("16-mixed", "cpu", _scaler(growth_interval=4))
        fit = trainer(max_steps=rounds, precision=None, plugins=[plugin])
        fit.fit(linear_gan(coordination=FixedSteps(2)), DATA, **kwargs)
        return fit

    whole, half = run(6), run(3)
    half.save_checkpoint(tmp_path / "half.ckpt")
    resumed = run(6, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert resumed.precision_plugin.state_dict() == whole.precision_plugin.state_dict()
    saved = torch.load(tmp_path / "half.ckpt", weights_only=True)["PlayerMixedPrecision"]
    assert saved["generator"]["_growth_tracker"] == 3
    assert saved["discriminator"]["_growth_tracker"] == 2


def test_a_plugin_of_the_users_own_kind_is_left_alone() -> None:
    class Mine(MixedPrecision):
        pass

    mine = Mine("16-mixed", "cpu", _scaler())
    fit = trainer(max_steps=1, precision=None, plugins=[mine])
    fit.fit(linear_gan(), DATA)
    assert fit.precision_plugin is mine
