"""Precision and recall as a metric: any batches, any order, any ranks."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from command_line import fit, metrics, the_run
from ranks import spawn
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.functional.precision_recall import precision_recall
from lit_gan.metrics import FrechetDistance, Memorization, PrecisionRecall
from lit_gan.metrics.feature_sets import FeatureSets
from lit_gan.randomness import stream

REAL = torch.rand(120, 1, 4, 4, generator=stream(0, "real"))
MADE = torch.rand(90, 1, 4, 4, generator=stream(0, "made"))


def filled(real: Tensor, made: Tensor, size: int, **kwargs: Any) -> PrecisionRecall:
    metric = PrecisionRecall(nn.Flatten(), **kwargs)
    for images, kind in ((real, True), (made, False)):
        for batch in images.split(size):
            metric.update(batch, real=kind)
    return metric


EXPECTED = precision_recall(REAL.flatten(1), MADE.flatten(1))


@pytest.mark.parametrize("size", [1, 7, 200])
def test_batches_and_their_order_change_no_bit(size: int) -> None:
    assert filled(REAL, MADE, size).compute() == EXPECTED
    assert filled(REAL.flip(0), MADE.flip(0), size).compute() == EXPECTED


def test_bytes_are_images_too() -> None:
    levels = [(each * 255).round().to(torch.uint8) for each in (REAL, MADE)]
    expected = precision_recall(*((each.float() / 255).flatten(1) for each in levels))
    assert filled(*levels, size=50).compute() == expected


def test_features_are_what_is_compared() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert not self.training
            return x.mean((2, 3))

    metric = PrecisionRecall(Mean(), k=2)
    metric.update(REAL, real=True)
    metric.update(MADE, real=False)
    assert metric.compute() == precision_recall(REAL.mean((2, 3)), MADE.mean((2, 3)), 2)


def test_features_are_in_32_bits_under_autocast_too() -> None:
    features = nn.Sequential(nn.Flatten(), nn.Linear(16, 8))
    with torch.no_grad():
        expected = features(MADE.flatten(1))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(PrecisionRecall(features).features_of(MADE), expected)


def test_a_reset_may_keep_what_is_real() -> None:
    metric = filled(REAL, MADE, 50, reset_real_features=False)
    metric.reset()
    metric.update(MADE, real=False)
    assert metric.compute() == EXPECTED
    metric.reset_real_features = True
    metric.reset()
    metric.update(MADE[:0], real=False)
    with pytest.raises(UserError, match="got 0 real and 0 generated images: expected more than k = 5 of each"):
        metric.compute()


class Bad(nn.Module):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Any:
        return {"map": x, "nan": x.flatten(1) * float("nan"), "tuple": (x,)}[self.what]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("map", r"Bad makes \(90, 1, 4, 4\) of 90 images: expected features \(90, F\)"),
        ("tuple", r"Bad makes tuple of 90 images: expected features \(90, F\)"),
        ("nan", "Bad gives features that are not finite"),
    ],
)
def test_features_that_are_none_are_told(what: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PrecisionRecall(Bad(what)).update(MADE, real=False)


KINDS = [PrecisionRecall, FrechetDistance, Memorization]


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_two_sizes_are_told(kind: type[FeatureSets]) -> None:
    metric = kind(reset_real_features=False)
    metric.update(torch.rand(40, 1, 8, 8), real=True)
    message = f"^{kind.__name__}: images have 16 features each: expected 64, as in the batches before"
    with pytest.raises(UserError, match=message):
        metric.update(MADE, real=False)
    metric.reset()  # what is real is still known
    with pytest.raises(UserError, match=message):
        metric.update(MADE, real=False)
    metric.update(torch.rand(40, 1, 8, 8), real=False)
    assert all(value.isfinite() for value in metric.compute().values())
    metric.reset_real_features = True
    metric.reset()
    metric.update(MADE, real=False)


def test_k_below_one_is_told() -> None:
    with pytest.raises(UserError, match="PrecisionRecall k = 0: expected at least 1"):
        PrecisionRecall(nn.Flatten(), k=0)


def rank(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    # Rank 1 has no real image, and most of the others.
    own = REAL[:0] if rank else REAL
    made = MADE[::5] if rank == 0 else MADE[[i for i in range(90) if i % 5]]
    torch.save(filled(own, made, 11 + rank).compute(), f"{folder}/rank{rank}.pt")
    told = []
    for kind in KINDS:
        metric = kind()
        metric.update(torch.rand(10, 1, 1, 3 + rank), real=True)
        metric.update(torch.rand(10, 1, 1, 3 + rank), real=False)
        with pytest.raises(UserError) as error:
            metric.compute()
        told.append(str(error.value))
    Path(f"{folder}/told{rank}").write_text("\n".join(told))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_bits_of_one_and_are_told_of_different_sizes(tmp_path: Path) -> None:
    spawn(rank, 2, 2, str(tmp_path))
    for number in range(2):
        assert torch.load(tmp_path / f"rank{number}.pt", weights_only=True) == EXPECTED
        assert (tmp_path / f"told{number}").read_text().splitlines() == [
            f"{kind.__name__}: images have [3, 4] features each on different ranks: expected one size."
            for kind in KINDS
        ]


def test_a_training_logs_the_four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    metric = "--evaluation.metrics+=lit_gan.metrics.PrecisionRecall"
    features = "--evaluation.metrics.features=torch.nn.Flatten"
    every = ("--evaluation.every_n_epochs=1", "--evaluation.num_samples=100")
    ending = fit(metric, features, *every, epochs=1)
    assert ending.code == 0, ending.err
    logged = metrics(the_run())[-1]
    assert all(float(logged[f"val/{name}"]) >= 0 for name in ("precision", "recall", "density", "coverage"))
