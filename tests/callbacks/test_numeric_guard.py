"""NaN and infinity end a run before anything of them is kept, and cost a good run nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn

from lit_gan.callbacks import NumericGuard, RunCheckpoint, numeric_guard
from lit_gan.errors import RunError
from lit_gan.gan import GAN
from lit_gan.objectives import NonSaturating

ADVICE = "Try lower learning rates, clip_g and clip_d, --trainer.precision 32-true (or bf16-mixed instead of 16-mixed)"


class Spoiled(NonSaturating):
    """Losses whose value is bad in one round; what they move by stays good, so that only the loss can tell."""

    def __init__(self, player: str, value: float, round_number: int) -> None:
        self.bad, self.round_number, self.calls = (player, value), round_number, {"discriminator": 0, "generator": 0}

    def _spoil(self, player: str, loss: Tensor) -> Tensor:
        self.calls[player] += 1
        spoils = player == self.bad[0] and self.calls[player] == self.round_number
        return loss - loss.detach() + self.bad[1] if spoils else loss

    def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self._spoil("discriminator", super().loss_d(real_logits, fake_logits))

    def loss_g(self, fake_logits: Tensor) -> Tensor:
        return self._spoil("generator", super().loss_g(fake_logits))


class SpoilWeight(Callback):
    """Writes a bad number into a weight before a round's checks."""

    def __init__(self, name: str, round_number: int, value: float = torch.nan) -> None:
        self.name, self.round_number, self.value = name, round_number, value

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        if trainer.global_step == self.round_number:
            pl_module.get_parameter(self.name).data.fill_(self.value)


def _error(gan: Any, callbacks: list[Callback], data: Any = None, **kwargs: Any) -> str:
    settings = {"max_epochs": 1, "enable_checkpointing": True, "log_every_n_steps": 5, **kwargs}
    fit = trainer(callbacks=callbacks, **settings)
    with pytest.raises(RunError) as caught:
        fit.fit(gan, loader(examples(40), batch_size=4) if data is None else data)
    return str(caught.value)


def _keeper(folder: Path, **kwargs: Any) -> RunCheckpoint:
    return RunCheckpoint(folder, **{"save_top_k": 0, "save_last": True, "enable_version_counter": False, **kwargs})


@pytest.mark.parametrize(("player", "value"), [("discriminator", torch.nan), ("generator", torch.inf)])
def test_a_bad_loss_is_told_with_its_first_round(player: str, value: float, tmp_path: Path) -> None:
    """Read after round 5, though it was bad in round 3 alone."""
    keeper = _keeper(tmp_path, every_n_epochs=1)
    message = _error(linear_gan(objective=Spoiled(player, value, 3)), [NumericGuard(), keeper])
    assert message.startswith(f"nan: the loss of the {player} is not finite after round 3; no checkpoint was written")
    assert ADVICE in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["generator.b", "discriminator.w"])
def test_a_bad_weight_is_told_before_it_is_written(name: str, tmp_path: Path) -> None:
    """The checkpoint that is due in the bad round is not; the one before it is named, and stays."""
    keeper = _keeper(tmp_path, every_n_train_steps=2)
    message = _error(linear_gan(), [SpoilWeight(name, 4), NumericGuard(), keeper], log_every_n_steps=50)
    (last,) = tmp_path.iterdir()
    player = name.partition(".")[0]
    assert message.startswith(
        f"nan: weights of the {player} are not finite after round 4; the last good checkpoint is {last}. Try"
    )
    saved = torch.load(last, weights_only=True)
    assert saved["global_step"] == 2
    assert all(value.isfinite().all() for value in saved["state_dict"].values())


def test_it_looks_before_a_validation_and_at_the_end(tmp_path: Path) -> None:
    kwargs: dict[str, Any] = {"enable_checkpointing": False, "log_every_n_steps": 50}

    class Validated(GAN):
        def validation_step(self, *arguments: Any) -> None:
            raise AssertionError("lost weights were scored")

    data = {"train": loader(examples(8), 4), "val": loader(examples(4), 4)}
    gan = linear_gan(Validated)
    fit = trainer(callbacks=[SpoilWeight("generator.a", 2), NumericGuard()], max_epochs=1, num_sanity_val_steps=0)
    with pytest.raises(RunError, match="weights of the generator are not finite after round 2"):
        fit.fit(gan, data["train"], data["val"])
    assert "the loss of the generator is not finite after round 9" in _error(
        linear_gan(objective=Spoiled("generator", torch.nan, 9)), [NumericGuard()], **kwargs
    )


def test_no_round_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever moves a number from the device to the host waits for all that the device has to do."""
    fit, guard = trainer(max_epochs=1, log_every_n_steps=10), NumericGuard()
    fit.fit(linear_gan(), loader(examples(8), batch_size=4))
    losses = {"generator": torch.tensor(1.0), "discriminator": torch.tensor(torch.nan)}
    steps = fit.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total
    reads: list[str] = []
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__"):
        own = getattr(Tensor, name)

        def read(tensor: Tensor, *args: Any, name: str = name, own: Any = own, **kwargs: Any) -> Any:
            reads.append(name)
            return own(tensor, *args, **kwargs)

        monkeypatch.setattr(Tensor, name, read)
    for steps.completed in range(1, 10):
        guard.on_train_batch_end(fit, fit.lightning_module, losses, None, 0)
    assert reads == []
    steps.completed = 10
    with pytest.raises(RunError, match="the loss of the discriminator is not finite after round 1;"):
        guard.on_train_batch_end(fit, fit.lightning_module, losses, None, 0)
    assert reads == ["tolist"]  # everything at once


class _OnePlayer(BoringModel):
    """Not ours: Lightning hands on its only loss as `loss`."""

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(20, 32), batch_size=2)


def test_another_module_is_watched_as_well() -> None:
    kwargs: dict[str, Any] = {"precision": "32-true", "enable_checkpointing": False, "limit_val_batches": 0}
    module = _OnePlayer()
    message = _error(module, [SpoilWeight("layer.bias", 3), NumericGuard()], module.train_dataloader(), **kwargs)
    assert message.startswith("nan: the loss is not finite after round 4; no checkpoint")

    class Bare(_OnePlayer):
        """No named player: its weights are its own."""

        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.layer = nn.Identity()
            self.weight = nn.Parameter(torch.ones(32))

        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.optimizers().step()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Bare()
    message = _error(module, [SpoilWeight("weight", 5), NumericGuard()], module.train_dataloader(), **kwargs)
    assert message.startswith("nan: weights of the Bare are not finite after round 5; no checkpoint")


def test_a_module_with_nothing_to_watch_trains() -> None:
    class Empty(BoringModel):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.layer = nn.Identity()

        def training_step(self, batch: Any, batch_idx: int) -> None:
            return None

        def configure_optimizers(self) -> None:
            return None

    data = torch.utils.data.DataLoader(torch.ones(8, 32), batch_size=2)
    fit = trainer(max_epochs=1, limit_val_batches=0, callbacks=[NumericGuard()])
    with pytest.warns(UserWarning, match="this fit will run with no optimizer"):
        fit.fit(Empty(), data)
    assert fit.fit_loop.epoch_loop.batch_progress.total.completed == 4


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_a_good_run_is_left_as_it_is(precision: str) -> None:
    watched, alone = linear_gan(), linear_gan()
    data = loader(examples(40) if precision == "64-true" else examples(40).float(), batch_size=4)
    trainer(max_epochs=2, precision=precision, callbacks=[NumericGuard()]).fit(watched, data)
    trainer(max_epochs=2, precision=precision).fit(alone, data)
    assert all(torch.equal(one, other) for one, other in zip(watched.parameters(), alone.parameters(), strict=True))


def test_it_sees_a_bad_loss_under_autocast() -> None:
    gan = linear_gan(objective=Spoiled("generator", torch.inf, 2))
    data = loader(examples(40).float(), batch_size=4)
    message = _error(gan, [NumericGuard()], data, precision="bf16-mixed", enable_checkpointing=False)
    assert "the loss of the generator is not finite after round 2" in message


def test_a_second_training_starts_with_nothing_bad() -> None:
    guard = NumericGuard()
    gan = linear_gan(objective=Spoiled("generator", torch.nan, 1))
    _error(gan, [guard], enable_checkpointing=False)
    trainer(max_epochs=1, callbacks=[guard]).fit(gan, loader(examples(8), batch_size=4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_one_bad_number_among_good_ones_is_seen(bad: float, dtype: torch.dtype) -> None:
    weights = [torch.ones(3, 4, dtype=dtype), torch.zeros(0), torch.arange(5), torch.full((7,), 6e4, dtype=dtype)]
    assert numeric_guard._finite(weights)
    for part, place in ((0, (2, 3)), (0, (0, 0)), (3, (4,))):
        spoiled = [each.clone() for each in weights]
        spoiled[part][place] = bad
        assert not numeric_guard._finite(spoiled), (part, place)


def test_the_greatest_numbers_are_finite_and_so_is_a_player_without_any() -> None:
    greatest = torch.finfo(torch.float32).max
    assert numeric_guard._finite([torch.tensor([greatest, greatest]), torch.tensor([-greatest])])
    assert numeric_guard._finite([torch.arange(3)])
