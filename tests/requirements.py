"""What some tests need of the machine: without it they skip, where it is required they fail."""

import os

import pytest


def require(name: str, reason: str | None) -> None:
    """Ends the test where the machine lacks something.

    Args:
        name: What it lacks; a failure where the environment's LIT_GAN_REQUIRE, a list with commas, holds it.
        reason: Why it cannot be had; None if it is there.
    """
    if reason is None:
        return
    if name in os.environ.get("LIT_GAN_REQUIRE", "").split(","):
        pytest.fail(f"{name} is required here (LIT_GAN_REQUIRE), but {reason}", pytrace=False)
    pytest.skip(f"no {name}: {reason}")
