"""Memorisation as a metric: pixels, any batches, any ranks, and beside a training."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from command_line import fit, metrics, the_run
from ranks import spawn
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.functional.memorization import memorization
from lit_gan.metrics import Memorization
from lit_gan.randomness import stream

REAL = torch.rand(120, 1, 4, 4, generator=stream(0, "real"))
MADE = torch.cat([REAL[:30], torch.rand(60, 1, 4, 4, generator=stream(0, "made"))])
EXPECTED = {**memorization(REAL.flatten(1), MADE.flatten(1)), "memorization_num": 120.0}


def filled(real: Tensor, made: Tensor, size: int) -> Memorization:
    metric = Memorization()
    for images, kind in ((real, True), (made, False)):
        for batch in images.split(size):
            metric.update(batch, real=kind)
    return metric


@pytest.mark.parametrize("size", [7, 200])
def test_batches_and_their_order_change_no_bit(size: int) -> None:
    assert filled(REAL, MADE, size).compute() == EXPECTED
    assert filled(REAL.flip(0), MADE.flip(0), size).compute() == EXPECTED


def test_it_sees_the_copies_in_any_features() -> None:
    metric = Memorization(nn.Sequential(nn.Flatten(), nn.Linear(16, 8).requires_grad_(False)))
    metric.update(REAL, real=True)
    metric.update(REAL[:50], real=False)
    assert float(metric.compute()["memorization"]) == 1.0


def test_too_few_images_are_told() -> None:
    metric = Memorization()
    metric.update(REAL[:1], real=True)
    with pytest.raises(UserError, match="Memorization: got 1 real and 0 generated images: expected at least 2 and 1"):
        metric.compute()


def rank(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    own = REAL[rank::world], MADE[50:] if rank else MADE[:50]
    torch.save(filled(*own, 11 + rank).compute(), f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_bits_of_one(tmp_path: Path) -> None:
    spawn(rank, 2, 2, str(tmp_path))
    for number in range(2):
        assert torch.load(tmp_path / f"rank{number}.pt", weights_only=True) == EXPECTED


def test_a_training_logs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every = ("--evaluation.every_n_epochs=1", "--evaluation.num_samples=100")
    ending = fit("--evaluation.metrics+=lit_gan.metrics.Memorization", *every, epochs=1)
    assert ending.code == 0, ending.err
    logged = metrics(the_run())[-1]
    assert float(logged["val/memorization_num"]) == 1200
    assert float(logged["val/memorization"]) < float(logged["val/memorization_real"]) == pytest.approx(0.4525)
