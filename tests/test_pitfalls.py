"""Where plain Lightning 2.6 goes wrong with two optimisers, and that what is here does not.

Each test shows both, so that we learn when Lightning mends one. Elsewhere, by name: P1
`test_plain_ddp_fails_on_it`, P2 and P3 `test_it_moves_as_under_ddp_that_looks_for_unused_parameters` and
`test_latents_and_dropout_differ_by_rank` (tests/strategies/test_ddp_gan.py); P5
`test_scales_grow_with_each_players_own_steps` (tests/engine/test_precision.py); P8's exactness
`test_stopped_after_any_round` (tests/callbacks/test_graceful_stop.py); P9's schedules and clipping (tests/test_gan.py);
P10 on a real Slurm (tests/test_slurm_fit.py); P11 `test_a_finished_run_is_not_gone_on_with`
(tests/cli/test_resume.py).
"""

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.connectors.data_connector import _process_dataloader
from lightning.pytorch.trainer.states import RunningStage, TrainerFn
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, sgd, trainer
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR

from lit_gan.callbacks import GeneratorEMA, GracefulStop, RunCheckpoint
from lit_gan.coordination import FixedSteps
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.loader import MinibatchLoader
from lit_gan.errors import RunStopped

pytestmark = pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")


class Plain(LightningModule):
    """Two optimisers and manual optimisation, as Lightning's documentation writes a GAN."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = LinearGenerator(), LinearDiscriminator()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        x = batch[0]
        optimizer_g, optimizer_d = self.optimizers()
        for optimizer, player in ((optimizer_d, "D"), (optimizer_g, "G")):
            self.toggle_optimizer(optimizer)
            optimizer.zero_grad()
            self.manual_backward(self.loss(player, x))
            optimizer.step()
            self.untoggle_optimizer(optimizer)
            self.between(player)
        self.log("loss", x.mean())

    def loss(self, player: str, x: Tensor) -> Tensor:
        logits = self.discriminator(self.generator(torch.ones(len(x), 1, dtype=x.dtype)))
        if player == "G":
            return nn.functional.softplus(-logits).mean()
        return nn.functional.softplus(logits).mean() + nn.functional.softplus(-self.discriminator(x)).mean()

    def between(self, player: str) -> None:
        """After a player's step."""

    def configure_optimizers(self) -> Any:
        optimizers = [sgd()(self.generator.parameters()), sgd()(self.discriminator.parameters())]
        return optimizers, [StepLR(optimizers[0], 1, 0.1)]


class Axis(Logger):
    """The steps under which numbers were logged."""

    name, version = "axis", 0

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def log_hyperparams(self, *arguments: Any) -> None:
        """Nothing."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if step is not None and step not in self.steps:
            self.steps.append(step)


class Batches(Callback):
    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.count += 1


@pytest.mark.parametrize("k", [1, 3])
def test_p4_steps_are_rounds(k: int) -> None:
    """Lightning counts every optimiser's step, and logs over another axis."""
    plain, ours, axis = Batches(), Batches(), Axis()
    trainer(max_steps=10, callbacks=[plain]).fit(Plain(), loader(examples(48), 4))
    assert plain.count == 5
    fit = trainer(max_steps=10, callbacks=[ours], logger=axis)
    fit.fit(linear_gan(coordination=FixedSteps(k)), loader(examples(48), 4 * k))
    assert (ours.count, fit.global_step) == (10, 10)
    assert axis.steps == list(range(10))


@pytest.mark.parametrize("every", [2, 4])
def test_p6_an_average_never_discards_training(every: int) -> None:
    """EMAWeightAveraging ends a training with the weights that it began with; ours leaves them as they were trained."""
    plain = Plain()
    start = {name: value.double().clone() for name, value in plain.state_dict().items()}
    trainer(max_epochs=1, callbacks=[EMAWeightAveraging(update_every_n_steps=every)]).fit(
        plain, loader(examples(32), 4)
    )
    assert all(torch.equal(value, start[name]) for name, value in plain.state_dict().items())
    averaged, alone = linear_gan(), linear_gan()
    for gan, callbacks in ((averaged, [GeneratorEMA()]), (alone, [])):
        trainer(max_epochs=1, callbacks=callbacks).fit(gan, loader(examples(32), 4))
    assert all(torch.equal(one, other) for one, other in zip(averaged.parameters(), alone.parameters(), strict=True))
    assert not torch.equal(averaged.generator_average["a"], averaged.generator.a)


def test_p7_checkpoints_by_time_and_by_rounds(tmp_path: Path) -> None:
    """ModelCheckpoint writes nothing by time, and by steps only where both optimisers' steps come out even."""

    def written(cls: Any, module: Any, name: str, **due: Any) -> list[str]:
        keeper = cls(tmp_path / name, filename="{step}", save_top_k=-1, **due)
        trainer(max_epochs=1, callbacks=[keeper], enable_checkpointing=True).fit(module, loader(examples(48), 4))
        return sorted((path.name for path in (tmp_path / name).glob("*.ckpt")), key=lambda file: (len(file), file))

    now = timedelta(0)
    assert written(ModelCheckpoint, Plain(), "time", train_time_interval=now) == []
    every_round = [f"step={number}.ckpt" for number in range(1, 13)]
    assert written(RunCheckpoint, linear_gan(), "our time", train_time_interval=now) == every_round
    plain = written(ModelCheckpoint, Plain(), "steps", every_n_train_steps=5)
    assert plain == ["step=10.ckpt", "step=20.ckpt"]  # after 5 batches and 10
    ours = written(RunCheckpoint, linear_gan(), "our steps", every_n_train_steps=5)
    assert ours == ["step=5.ckpt", "step=10.ckpt"]


def test_p9_schedules_and_clipping() -> None:
    """Under manual optimisation Lightning steps no schedule and refuses to clip; each player here has both."""
    fit = trainer(max_epochs=3)
    fit.fit(Plain(), loader(examples(8), 4))
    assert fit.optimizers[0].param_groups[0]["lr"] == 0.5
    with pytest.raises(MisconfigurationException, match="gradient clipping"):
        trainer(max_epochs=1, gradient_clip_val=1.0).fit(Plain(), loader(examples(8), 4))
    clipped = linear_gan(clip_g=1e-3)
    trainer(max_steps=1).fit(clipped, loader(examples(8), 8))
    moved = torch.stack([clipped.generator.a.detach() - 0.7, clipped.generator.b.detach() + 0.2]).norm()
    assert 0 < float(moved) <= 0.5 * 1e-3 * (1 + 1e-3)


def test_p10_a_signal_between_the_players_waits_for_the_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Lightning would save within its handler, between D's step and G's; here the round is finished before."""
    taken = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in taken]
    seen: dict[str, Any] = {}

    class Signalled(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            if trainer.global_step == 2 and "files" not in seen:  # D has moved in the third round, G has not
                os.kill(os.getpid(), signal.SIGUSR1)
                seen["files"] = list(tmp_path.iterdir())
                seen["broadcast"] = "_broadcast_sigterm_tensor" in vars(trainer.fit_loop.epoch_loop)
                seen["handlers"] = {signal.getsignal(number) for number in taken} - {stop.signals._heed}

    stop, keeper = GracefulStop(), RunCheckpoint(tmp_path, save_top_k=0, save_last=True)
    fit = trainer(max_epochs=1, callbacks=[Signalled(), keeper, stop], enable_checkpointing=True)
    with pytest.raises(RunStopped) as stopped:
        fit.fit(linear_gan(), loader(examples(48), 4))
    assert stopped.value.requeue
    assert seen == {"files": [], "broadcast": True, "handlers": set()}
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3
    assert "_broadcast_sigterm_tensor" not in vars(fit.fit_loop.epoch_loop)
    assert [signal.getsignal(number) for number in taken] == before


def test_p10_signals_are_given_back_after_a_whole_training() -> None:
    """Lightning gives its own back before callbacks are torn down: ours must not bring Lightning's back again."""
    taken = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in taken]
    fit = trainer(max_steps=1, callbacks=[GracefulStop()], enable_checkpointing=True)
    fit.fit(linear_gan(), loader(examples(8), 4))
    assert [signal.getsignal(number) for number in taken] == before
    assert "_broadcast_sigterm_tensor" not in vars(fit.fit_loop.epoch_loop)


class Rows(Callback):
    """The first value of every batch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(float((batch if isinstance(batch, Tensor) else batch[0]).flatten()[0]))


@pytest.mark.parametrize("ours", [False, True])
def test_p8_a_resumed_epoch_goes_on_with_the_batches_that_were_to_come(ours: bool, tmp_path: Path) -> None:
    """Lightning 2.6 counts on from the batch, and takes the first ones of the data again."""
    rows, steps = Rows(), 1 if ours else 2  # Lightning counts both players' steps

    class Half(Callback):
        def on_train_batch_end(self, trainer: Any, *arguments: Any) -> None:
            if trainer.global_step == 4 * steps:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    def fit(**kwargs: Any) -> list[float]:
        rows.seen = []
        data = MinibatchLoader(ImageDataset(examples(24), None, lambda x: x), batch_size=3)
        run = trainer(max_epochs=1, callbacks=[rows, Half()])
        run.fit(linear_gan() if ours else Plain(), data if ours else loader(examples(24), 3), **kwargs)
        return rows.seen

    whole, resumed = fit(), fit(ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert len(set(whole)) == 8
    assert resumed == (whole[4:] if ours else whole[:4])


def test_p13_data_in_their_own_order_stay_in_it() -> None:
    """Lightning 2.6 gives a loader without shuffling a sampler that shuffles, on several devices."""
    several = trainer(strategy="ddp_gan", devices=2)
    given = _process_dataloader(several, TrainerFn.FITTING, RunningStage.TRAINING, loader(examples(8), 2))
    assert given.sampler.shuffle
    own = MinibatchLoader(ImageDataset(examples(8), None, lambda x: x), batch_size=2, shuffle=False)
    assert _process_dataloader(several, TrainerFn.FITTING, RunningStage.TRAINING, own) is own


def test_p13_an_error_leaves_the_players_trainable() -> None:
    """A toggled optimiser freezes the other player, and an exception leaves it so; ours thaws it."""

    class Failing(Plain):
        def loss(self, player: str, x: Tensor) -> Tensor:
            raise ZeroDivisionError

    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError

    plain, ours = Failing(), linear_gan()
    ours.objective.loss_g = fail  # type: ignore[method-assign]
    for module in (plain, ours):
        with pytest.raises(ZeroDivisionError):
            trainer(max_steps=1).fit(module, loader(examples(8), 4))
    assert [parameter.requires_grad for parameter in plain.generator.parameters()] == [False, False]
    assert all(parameter.requires_grad for parameter in ours.parameters())
