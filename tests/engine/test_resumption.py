"""Going on from the end of an epoch, where Lightning counts rounds; and what could not go on at all."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks import RunCheckpoint
from lit_gan.engine import rounds
from lit_gan.engine.resumption import check_checkpoints
from lit_gan.errors import UserError


class Ends(Callback):
    """The rounds after which an epoch ended."""

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.rounds.append(trainer.global_step)


@pytest.mark.parametrize("mended", [False, True])
def test_an_epoch_ends_once(mended: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Lightning 2.6 ends it again on resume, with its hooks, where training is told in `max_steps`."""
    if not mended:
        monkeypatch.setattr(rounds, "resume_between_epochs", lambda trainer: None)
    ends = Ends()

    def fit(until: int, **kwargs: Any) -> None:
        keeper = RunCheckpoint(tmp_path, save_top_k=0, save_last=True, every_n_epochs=1, enable_version_counter=False)
        run = trainer(max_steps=until, max_epochs=-1, callbacks=[ends, keeper], enable_checkpointing=True)
        run.fit(linear_gan(), loader(examples(8), batch_size=4), **kwargs)

    fit(4)
    fit(6, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert (ends.rounds == [2, 4, 6]) == mended


def test_a_checkpoint_that_would_never_be_written_is_told() -> None:
    plain = ModelCheckpoint(train_time_interval=timedelta(minutes=30))
    run = trainer(max_steps=1, callbacks=[plain], enable_checkpointing=True)
    with pytest.raises(UserError, match=r"ModelCheckpoint.train_time_interval=.* writes nothing .*RunCheckpoint"):
        run.fit(linear_gan(), loader(examples(8), batch_size=4))


def test_ours_is_not_refused() -> None:
    ours = RunCheckpoint(train_time_interval=timedelta(minutes=30))
    check_checkpoints(SimpleNamespace(checkpoint_callbacks=[ours], world_size=1))  # type: ignore[arg-type]


def test_ranks_that_would_ask_their_own_clocks_are_told() -> None:
    several = trainer(strategy="ddp_gan", devices=2, val_check_interval="00:00:00:10")
    with pytest.raises(UserError, match=r"val_check_interval by time on 2 devices: each would ask its own clock"):
        check_checkpoints(several)
