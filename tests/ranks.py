"""Real gloo ranks on this machine: each one a process of its own that believes it was started by torchrun."""

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nursery import nursery
from trainings import ENVIRON

_SECONDS = 300.0


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
    spawn(_rank, world_size, world_size, free_port(), function, str(folder), arguments)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(world_size)]


def spawn(function: Callable[..., Any], world_size: int, *arguments: Any) -> None:
    """Calls a function of a module in a process for each rank, and waits until all have returned.

    Args:
        function: Called as ``function(rank, *arguments)``.
        world_size: How many ranks.
        *arguments: Its further arguments.
    """
    order = pickle.dumps((function, arguments))
    with nursery():
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", "import ranks; ranks.obey()", str(rank)],
                env={**os.environ, **ENVIRON},
                stdin=subprocess.PIPE,
            )
            for rank in range(world_size)
        ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(order)
        process.stdin.close()
    try:
        _wait(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait(processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        codes = [process.poll() for process in processes]
        if None not in codes or any(codes) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    if any(code != 0 for code in codes):
        pytest.fail(f"the ranks ended with {codes} (None: killed after that); the test's output has what they said")


def obey() -> None:
    """What one rank does, as its standard input says."""
    function, arguments = pickle.loads(sys.stdin.buffer.read())
    function(int(sys.argv[1]), *arguments)


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
    torch.save(function(rank, *arguments), Path(folder) / f"rank{rank}.pt")
