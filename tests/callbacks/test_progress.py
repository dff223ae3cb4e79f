"""What stands behind the progress bar."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks.progress import LossProgressBar


class _Recording(LossProgressBar):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drawn: list[tuple[int, dict[str, Any]]] = []

    def _update_metrics(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self.drawn.append((trainer.global_step, self.get_metrics(trainer, pl_module)))


def _drawn(bar: _Recording, tmp_path: Path) -> list[tuple[int, dict[str, Any]]]:
    run = trainer(max_epochs=1, callbacks=[bar], enable_progress_bar=True, logger=CSVLogger(tmp_path))
    with redirect_stdout(io.StringIO()):
        run.fit(linear_gan(), loader(examples(100), batch_size=4))
    return bar.drawn


def test_both_players_losses_are_shown_and_no_version(tmp_path: Path) -> None:
    rounds, shown = _drawn(_Recording(), tmp_path)[-1]
    assert rounds == 25
    assert shown.keys() == {"train/loss_d", "train/loss_g"}


@pytest.mark.parametrize(("refresh_rate", "redraws"), [(10, {10, 20, 25}), (1, set(range(1, 26)))])
def test_it_is_redrawn_as_rarely_as_it_is_told(refresh_rate: int, redraws: set[int], tmp_path: Path) -> None:
    rounds = {rounds for rounds, _ in _drawn(_Recording(refresh_rate=refresh_rate), tmp_path)}
    assert rounds >= redraws
    assert len(rounds) <= len(redraws) + 1  # and once at the start


def test_zero_is_no_bar_at_all(tmp_path: Path) -> None:
    assert all(rounds == 25 for rounds, _ in _drawn(_Recording(refresh_rate=0), tmp_path))


def test_every_tenth_round_is_the_default() -> None:
    assert LossProgressBar().refresh_rate == 10
