"""What every test shares: a fixed number of threads, and no way to reach a server by mistake."""

import os

# Before torch is imported: two threads, so that sums are formed in the same order on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["WANDB_MODE"] = "disabled"

import pytest
import torch


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
