"""What we need of the inside of Lightning is there: a release that changes it fails here first."""

from datetime import timedelta

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks.last_round import LastRound
from lit_gan.engine.lightning_seam import broadcast_sigterm, saves_by_time, validates_by_time


def test_lightnings_methods_are_there_to_be_replaced() -> None:
    """Replaced on the instance, a name that Lightning no longer calls would be replaced in vain."""
    run = trainer()
    loops = {run.fit_loop: "_iteration_based_training", run.fit_loop.epoch_loop: "_broadcast_sigterm_tensor"}
    assert all(callable(getattr(type(loop), name)) for loop, name in loops.items())
    assert callable(type(run.fit_loop.epoch_loop)._should_check_val_fx)
    broadcast_sigterm(run, switched_on=False)
    assert run.fit_loop.epoch_loop._broadcast_sigterm_tensor() is None
    broadcast_sigterm(run, switched_on=True)
    assert "_broadcast_sigterm_tensor" not in vars(run.fit_loop.epoch_loop)


def test_a_training_cut_off_within_an_epoch_validates() -> None:
    for callbacks, validations in (([LastRound()], 1), ([], 0)):
        run = trainer(max_steps=3, callbacks=callbacks)
        run.fit(linear_gan(), loader(examples(), 4), loader(examples(4), 4))
        assert run.global_step == 3
        assert ("val/loss_d" in run.callback_metrics) == bool(validations)


def test_times_are_seen() -> None:
    assert validates_by_time(Trainer(val_check_interval=timedelta(minutes=1), logger=False))
    assert not validates_by_time(Trainer(val_check_interval=2, logger=False))
    assert saves_by_time(ModelCheckpoint(train_time_interval=timedelta(minutes=1)))
    assert not saves_by_time(ModelCheckpoint())
