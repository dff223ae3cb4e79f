"""The Fréchet distance as a metric: any batches, any order, any ranks, and beside torchmetrics' own."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from command_line import fit, metrics, the_run
from ranks import spawn
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from lit_gan.errors import UserError
from lit_gan.metrics import FrechetDistance
from lit_gan.randomness import stream

REAL = torch.rand(120, 1, 4, 4, generator=stream(0, "real"))
MADE = torch.rand(90, 1, 4, 4, generator=stream(0, "made")).sqrt()


def filled(real: Tensor, made: Tensor, size: int, **kwargs: Any) -> FrechetDistance:
    metric = FrechetDistance(**kwargs)
    for images, kind in ((real, True), (made, False)):
        for batch in images.split(size):
            metric.update(batch, real=kind)
    return metric


class Features(nn.Module):
    num_features = 16

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def test_it_is_torchmetrics_fid_of_the_same_features() -> None:
    theirs = FrechetInceptionDistance(Features(), normalize=True).set_dtype(torch.float64)
    for images, kind in ((REAL, True), (MADE, False)):
        theirs.update(images, real=kind)
    found = filled(REAL, MADE, 50).compute()
    assert found["frechet_distance"].item() == pytest.approx(theirs.compute().item(), rel=1e-6)
    assert (found["frechet_num_real"], found["frechet_num_generated"]) == (120, 90)


def test_batches_and_their_order_change_it_by_rounding_alone() -> None:
    expected = filled(REAL, MADE, 200).compute()["frechet_distance"].item()
    for size in (1, 7):
        for real, made in ((REAL, MADE), (REAL.flip(0), MADE.flip(0))):
            assert filled(real, made, size).compute()["frechet_distance"].item() == pytest.approx(expected, rel=1e-12)


def test_sums_are_kept_and_no_images() -> None:
    metric = filled(REAL, MADE, 10)
    assert [len(state) for state in (metric.real, metric.generated)] == [1, 1]
    assert metric.real[0].view(torch.float64).shape == (1 + 16 + 16**2,)


def test_a_reset_may_keep_what_is_real() -> None:
    metric = filled(REAL, MADE, 50, reset_real_features=False)
    expected = metric.compute()
    metric.reset()
    metric.update(MADE, real=False)
    assert metric.compute()["frechet_distance"].item() == pytest.approx(expected["frechet_distance"].item(), rel=1e-12)
    metric.reset_real_features = True
    metric.reset()
    metric.update(MADE[:1], real=False)
    with pytest.raises(UserError, match="got 0 real and 1 generated images: expected at least 2 of each"):
        metric.compute()


def rank(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    # Rank 1 has no real image, and most of the others.
    own = REAL[:0] if rank == 1 else REAL[rank // 2 :: 2]
    made = MADE[rank::3]
    torch.save(filled(own, made, 11 + rank).compute(), f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_three_processes_have_the_number_of_one(tmp_path: Path) -> None:
    spawn(rank, 3, 3, str(tmp_path))
    expected = filled(REAL, MADE, 50).compute()["frechet_distance"].item()
    found = [torch.load(tmp_path / f"rank{number}.pt", weights_only=True) for number in range(3)]
    assert found[0] == found[1] == found[2]
    assert found[0]["frechet_distance"].item() == pytest.approx(expected, rel=1e-12)


def test_a_training_logs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every = ("--evaluation.every_n_epochs=1", "--evaluation.num_samples=100")
    ending = fit("--evaluation.metrics+=lit_gan.metrics.FrechetDistance", *every, epochs=1)
    assert ending.code == 0, ending.err
    logged = metrics(the_run())[-1]
    assert float(logged["val/frechet_distance"]) > 0
    assert float(logged["val/frechet_num_generated"]) == 100
