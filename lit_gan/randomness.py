"""Randomness without state: every draw is a function of the run's seed and of its position, never of history.

A generator that is stateful must be saved with every checkpoint, for every rank, and restored at the exact point where
it was; one lost draw and a resumed run leaves the path of the uninterrupted one. Here the position *is* the state:
``(seed, "latents", round, turn, rank)`` names a stream, and the stream is the same whenever and wherever it is asked
for. So ranks differ, checkpoints hold no generator states, and resume is exact by construction.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SEED_BYTES = 8  # torch.Generator takes 64-bit seeds


def stream_seed(seed: int, *position: int | str) -> int:
    """The 64-bit seed of the stream at ``position``, by BLAKE2b over the seed and the position.

    Args:
        seed: The seed of the run (that of ``lightning.seed_everything``).
        *position: What the stream is for and where it stands, say ``("latents", round_index, turn, rank)``. The parts
            are kept apart, so that ``("a", 12)`` and ``("a1", 2)`` are two streams.

    Returns:
        A non-negative integer below 2**63.

    Example:
        >>> stream_seed(1, "latents", 0) == stream_seed(1, "latents", 0)
        True
        >>> stream_seed(1, "latents", 0) == stream_seed(1, "latents", 1)
        False
    """
    key = repr((int(seed), *position)).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=_SEED_BYTES).digest()) >> 1


def stream(seed: int, *position: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for the stream at ``position``; see :func:`stream_seed`.

    Args:
        seed: The seed of the run.
        *position: What the stream is for and where it stands.
        device: Where the draws are made.

    Returns:
        A generator whose draws depend on ``seed``, ``position`` and the kind of device only.

    Example:
        >>> torch.equal(torch.rand(3, generator=stream(7, "order", 2)), torch.rand(3, generator=stream(7, "order", 2)))
        True
    """
    return torch.Generator(device=device).manual_seed(stream_seed(seed, *position))


def seed_global_generators(seed: int, *position: int | str, device: torch.device) -> None:
    """Puts torch's global generators, which dropout draws from, at the stream at ``position``.

    Args:
        seed: The seed of the run.
        *position: What the draws are for and where they stand.
        device: Where the networks are; its generator is set beside the CPU's.

    Example:
        >>> seed_global_generators(7, "round", 3, device=torch.device("cpu"))
        >>> drawn = torch.rand(2)
        >>> seed_global_generators(7, "round", 3, device=torch.device("cpu"))
        >>> torch.equal(torch.rand(2), drawn)
        True
    """
    value = stream_seed(seed, *position)
    # Not torch.manual_seed: that one formats a stack trace for every device that is not in use, each time.
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.manual_seed(value)
    elif device.type == "mps":
        torch.mps.manual_seed(value)


@contextmanager
def aside(seed: int, purpose: str, device: torch.device) -> Iterator[None]:
    """Within this context torch's global generators are at the stream of that purpose; then again where they were.

    Args:
        seed: The seed of the run.
        purpose: What the draws are for.
        device: Where the networks are.

    Example:
        >>> state = torch.get_rng_state()
        >>> with aside(7, "a picture", torch.device("cpu")):
        ...     drawn = torch.rand(2)
        >>> torch.equal(torch.get_rng_state(), state)
        True
    """
    kind = device.type if device.type in ("cuda", "mps") else None
    with torch.random.fork_rng(devices=[device] if kind else [], device_type=kind or "cuda"):
        seed_global_generators(seed, purpose, device=device)
        yield
