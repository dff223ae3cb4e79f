"""What a test needs of the machine: where it cannot be had the test skips, or fails if LIT_GAN_REQUIRE names it."""

import os

import pytest


def require(name: str, reason: str | None) -> None:
    """Skips the test that asks, or fails it where LIT_GAN_REQUIRE (as in `slurm,netns`) says that the machine has it.

    Args:
        name: What is needed.
        reason: Why it cannot be had; None where it can.
    """
    if reason is None:
        return
    required = [part.strip() for part in os.environ.get("LIT_GAN_REQUIRE", "").split(",")]
    if name in required:
        pytest.fail(f"LIT_GAN_REQUIRE names {name}, and it cannot be had: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")
