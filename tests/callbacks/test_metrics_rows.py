"""Rows that are about to be logged again go, and only once training does go on."""

from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from own_modules import OwnData, OwnModule

from lit_gan.callbacks.metrics_rows import RowsAfterCheckpoint
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.metrics_table import MetricsTable


def _trained(folder: Path, epochs: int, width: int = 3, checkpoint: Path | None = None) -> Trainer:
    trainer = Trainer(
        accelerator="cpu",
        logger=CSVMetrics(folder),
        callbacks=[RowsAfterCheckpoint()],
        max_epochs=epochs,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(OwnModule(width), OwnData(), ckpt_path=checkpoint, weights_only=True)
    return trainer


def _steps(folder: Path) -> list[int]:
    return [int(row["step"]) for row in MetricsTable(folder / "metrics.csv").rows()]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Of round 4; the rows go to round 11."""
    _trained(tmp_path, epochs=1).save_checkpoint(tmp_path / "last.ckpt")
    _trained(tmp_path, epochs=3, checkpoint=tmp_path / "last.ckpt")
    assert _steps(tmp_path) == list(range(12))
    return tmp_path / "last.ckpt"


def test_the_rows_after_the_checkpoint_go(tmp_path: Path, checkpoint: Path) -> None:
    _trained(tmp_path, epochs=2, checkpoint=checkpoint)
    assert _steps(tmp_path) == list(range(8))


def test_a_run_that_starts_from_its_beginning_has_no_rows_yet(tmp_path: Path, checkpoint: Path) -> None:
    _trained(tmp_path, epochs=1)
    assert _steps(tmp_path) == list(range(4))


def test_a_checkpoint_that_does_not_fit_costs_no_row(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        _trained(tmp_path, epochs=3, width=5, checkpoint=checkpoint)
    assert _steps(tmp_path) == list(range(12))
