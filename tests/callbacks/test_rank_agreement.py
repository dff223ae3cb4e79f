"""What the ranks agree on after a round, and how often they ask each other."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from ranks import on_ranks
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks.rank_agreement import RankAgreement

MOST = 7  # log_every_n_steps of the runs on two ranks
SLOW_FROM, ROUNDS = 60, 75


class _TwoRanks:
    """As much of a Trainer as the agreement needs; reductions are counted, and find what the other rank says."""

    world_size = 2
    log_every_n_steps = 50

    def __init__(self, theirs: list[float]) -> None:
        self.strategy, self.root_device, self.theirs, self.reductions = self, torch.device("cpu"), theirs, 0

    def reduce(self, mine: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert reduce_op == "max"
        self.reductions += 1
        return torch.maximum(mine, torch.tensor(self.theirs, dtype=torch.float64))


def test_one_rank_reads_its_own_flags_after_every_round() -> None:
    agreement, fit = RankAgreement(), trainer()
    assert [agreement.read(fit, [flag, 0.0]) for flag in (0.0, 2.0)] == [[0.0, 0.0], [2.0, 0.0]]


@pytest.mark.parametrize(("pace", "interval"), [(1e-3, 50), (0.1, 10), (0.4, 2), (3.0, 1)])
def test_they_ask_each_other_about_once_a_second(pace: float, interval: int) -> None:
    """At the pace of the slowest rank, and not less often than the run logs."""
    agreement, fit = RankAgreement(), _TwoRanks([pace, 3.0])
    assert agreement.read(fit, [0.0]) == [3.0]  # type: ignore[arg-type]  # the first round is always read
    answers = [agreement.read(fit, [1.0]) for _ in range(interval)]  # type: ignore[arg-type]
    assert answers == [None] * (interval - 1) + [[3.0]]
    assert fit.reductions == 2


class _Asking(Callback):
    """Rank 1 alone raises a flag in round 20; rounds become slow towards the end."""

    def __init__(self, rank: int) -> None:
        self.rank, self.agreement, self.answers = rank, RankAgreement(seconds=0.2), {}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        if trainer.global_step >= SLOW_FROM:
            time.sleep(0.12)
        flags = [float(self.rank == 1 and trainer.global_step >= 20), 5.0 - self.rank]
        agreed = self.agreement.read(trainer, flags)
        if agreed is not None:
            self.answers[trainer.global_step] = agreed


def agreements(rank: int) -> dict[int, list[float]]:
    asking = _Asking(rank)
    options: dict[str, Any] = {"strategy": "ddp_gan", "devices": 2, "use_distributed_sampler": False}
    fit = trainer(max_steps=ROUNDS, callbacks=[asking], log_every_n_steps=MOST, **options)
    fit.fit(linear_gan(), loader(examples(2 * ROUNDS), batch_size=2))
    return asking.answers


@pytest.mark.slow
def test_two_real_ranks_get_the_same_answer_in_the_same_round(tmp_path: Path) -> None:
    first, second = on_ranks(agreements, 2, tmp_path)
    assert first == second
    rounds = list(first)
    assert rounds[0] == 1
    gaps = [later - earlier for earlier, later in pairwise(rounds)]
    assert max(gaps) <= MOST
    assert gaps[-1] == 1  # slow rounds are asked about one by one
    raised = [number for number, (flag, _) in first.items() if flag == 1.0]
    assert 20 <= raised[0] < 20 + MOST
    assert all(other == 5.0 for _, other in first.values())
