import csv
import time

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.loggers.csv import CSVMetrics


class _Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.layer(batch).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec:FutureWarning",  # lightning 2.6 with torch 2.14
)
def test_a_trainer_writes_one_row_per_logged_step(tmp_path):
    data = torch.utils.data.DataLoader(torch.ones(4, 1), batch_size=1)
    logger = CSVMetrics(tmp_path)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        log_every_n_steps=2,
        logger=logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(_Model(), data, data)
    rows = _rows(tmp_path / "metrics.csv")
    assert list(rows[0]) == ["step", "epoch", "train/loss", "val/loss"]
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    assert sum(bool(row["val/loss"]) for row in rows) == 2
    assert trainer.log_dir == str(tmp_path)
    # The default ModelCheckpoint asks the logger where to go.
    assert (tmp_path / "checkpoints").is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.csv", "checkpoints"}


def test_rows_are_written_after_so_many_calls(tmp_path):
    logger = CSVMetrics(tmp_path / "run", flush_rows=3, flush_seconds=1e9)
    for step in (1, 2):
        logger.log_metrics({"a": 1.0}, step)
    assert not (tmp_path / "run").exists()
    logger.log_metrics({"a": 1.0}, 3)
    assert len(_rows(tmp_path / "run" / "metrics.csv")) == 3
    logger.log_metrics({"a": 1.0}, 4)
    assert len(_rows(tmp_path / "run" / "metrics.csv")) == 3


def test_rows_are_written_after_so_many_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    logger = CSVMetrics(tmp_path, flush_rows=1000, flush_seconds=10.0)
    logger.log_metrics({"a": 1.0}, 1)
    assert not (tmp_path / "metrics.csv").exists()
    now[0] = 10.0
    logger.log_metrics({"a": 1.0}, 2)
    assert len(_rows(tmp_path / "metrics.csv")) == 2


@pytest.mark.parametrize("end", [CSVMetrics.save, lambda logger: logger.finalize("failed")])
def test_save_and_finalize_write_at_once(tmp_path, end):
    logger = CSVMetrics(tmp_path, flush_rows=1000)
    logger.log_metrics({"a": torch.tensor(0.5)}, 1)
    end(logger)
    assert _rows(tmp_path / "metrics.csv") == [{"step": "1", "epoch": "", "a": "0.5"}]


def test_a_resumed_log_equals_the_uninterrupted_one(tmp_path):
    def log(name, steps, *, upto=None):
        logger = CSVMetrics(tmp_path / name)
        if upto is not None:
            logger.goes_on_after(upto)
        for step in steps:
            logger.log_metrics({"train/loss_d": torch.tensor(step).log().item(), "epoch": step // 10}, step)
            if step % 10 == 0:
                logger.log_metrics({"val/parzen_nll": step / 7}, step)
        logger.finalize("success")
        return (tmp_path / name / "metrics.csv").read_bytes()

    whole = log("whole", range(2, 41, 2))
    log("killed", range(2, 27, 2))
    assert log("killed", range(16, 41, 2), upto=16) == whole


def test_other_ranks_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = CSVMetrics(tmp_path)
    logger.log_metrics({"a": 1.0}, 1)
    logger.goes_on_after(1)
    logger.save()
    logger.finalize("success")
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_are_left_to_the_configuration(tmp_path):
    logger = CSVMetrics(tmp_path)
    logger.log_hyperparams({"lr": 0.1})
    assert list(tmp_path.iterdir()) == []
    assert (logger.name, logger.version) == ("", "")
    assert logger.save_dir == logger.log_dir == str(tmp_path)
