"""What every rank of the distributed Parzen test does; a module that spawned processes can import."""

import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from parzen_reference import image_like

from lit_gan.errors import UserError
from lit_gan.metrics import ParzenNLL

VAL, TEST, SAMPLES = image_like(61, seed=1), image_like(151, seed=2), image_like(500, seed=3)
GRID = [0.01, 0.02, 0.04, 0.08, 0.2]
WIDE = 0.5
# Which share of the rows each rank sees; the second rank of "empty" sees nothing at all.
SHARES = {"even": (1, 1, 1), "uneven": (1, 2, 5), "empty": (3, 0, 1)}


def part(rows: torch.Tensor, shares: tuple[int, ...], rank: int) -> torch.Tensor:
    """The rank's rows: not contiguous ones, so that the order differs from that of one process."""
    owner = torch.tensor([r for r, share in enumerate(shares) for _ in range(share)])
    return rows[owner[torch.arange(rows.shape[0]) % owner.numel()] == rank]


def fill(metric: ParzenNLL, val, test, samples, size: int) -> ParzenNLL:
    for rows, kind in (
        (samples, {"real": False}),
        (test, {"real": True}),
        (val, {"real": True, "split": "val"}),
    ):
        for batch in rows.split(size):
            if batch.shape[0]:
                metric.update(batch, **kind)
    return metric


def evaluate(rank: int, world: int, group, scratch: Path) -> dict:
    results = {}
    for name, shares in SHARES.items():
        own = [part(rows, shares[:world], rank) for rows in (VAL, TEST, SAMPLES)]
        for kind, arguments in {"memory": {}, "disk": {"scratch_dir": scratch}}.items():
            for sigma in (None, WIDE, "em"):
                metric = ParzenNLL(GRID if sigma is None else sigma, process_group=group, **arguments)
                fill(metric, *own, size=11 + 6 * rank)
                values = {key: value.item() for key, value in metric.compute().items()}
                results[world, name, kind, sigma] = values, metric.log_likelihoods
    return results


def same_seed(rank: int, scratch: Path) -> list[str]:
    """The warnings where every rank has drawn the same samples, in memory and on disk."""
    told = []
    for arguments in ({}, {"scratch_dir": scratch}):
        metric = fill(ParzenNLL(0.04, **arguments), VAL[:0], part(TEST, (1, 1, 1), rank), SAMPLES, 50)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            metric.compute()
        told.append(" ".join(str(warning.message) for warning in caught))
    return told


def different_sizes(rank: int) -> str:
    """The error where ranks have images of different sizes."""
    metric = ParzenNLL(0.04)
    metric.update(SAMPLES[:, : 64 - rank], real=False)
    try:
        metric.compute()
    except UserError as error:
        return str(error)
    return ""


def run(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    scratch = Path(folder)
    pair = dist.new_group([0, 1])
    results = evaluate(rank, world, None, scratch)
    if rank < 2:
        results |= evaluate(rank, 2, pair, scratch)
    results["same seed"] = same_seed(rank, scratch)
    results["different sizes"] = different_sizes(rank)
    torch.save(results, scratch / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
