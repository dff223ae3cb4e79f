"""Real gloo ranks on this machine: each one a process of its own that believes it was started by torchrun."""

import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def on_ranks(function: Callable[..., Any], world_size: int, folder: Path, *arguments: Any) -> list[Any]:
    """What a function of a module returns on each rank.

    Args:
        function: Called as ``function(rank, *arguments)``; returns tensors and plain values.
        world_size: How many ranks.
        folder: Where the results pass through.
        *arguments: Its further arguments.

    Returns:
        One result per rank.
    """
    multiprocessing.spawn(_rank, args=(world_size, free_port(), function, str(folder), arguments), nprocs=world_size)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(world_size)]


def rank_environment(rank: int, world_size: int, port: int) -> dict[str, str]:
    """What torchrun tells a rank of one machine."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }


def _rank(rank: int, world_size: int, port: int, function: Any, folder: str, arguments: tuple[Any, ...]) -> None:
    os.environ.update(rank_environment(rank, world_size, port))
    torch.set_num_threads(1)
    try:
        torch.save(function(rank, *arguments), Path(folder) / f"rank{rank}.pt")
    except BaseException:
        traceback.print_exc()  # spawn shows one rank's error alone, and seldom the one that matters
        raise
