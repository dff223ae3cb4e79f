"""Of the real images only those are kept that are looked at."""

from types import SimpleNamespace
from typing import Any

import torch

from lit_gan.evaluation.images import EvaluationImages
from lit_gan.evaluation.near_duplicates import NearDuplicateMeasurement
from lit_gan.functional.neighbours import MOST_ROWS, near_duplicates


def test_it_is_measured_on_all_images() -> None:
    draw = torch.Generator().manual_seed(0)
    real, samples = torch.rand(1300, 1, 2, 2, generator=draw), torch.rand(1500, 1, 2, 2, generator=draw)
    samples[::3] = samples[0]
    one_rank: Any = SimpleNamespace(global_rank=0, world_size=1)
    measured = NearDuplicateMeasurement(EvaluationImages(real[:400], real[400:], (0.0, 1.0)), len(samples), one_rank)
    for batch in samples.split(700):
        measured.take(batch)
    found, expected = measured.results(), near_duplicates(samples.flatten(1), real.flatten(1))
    assert 0.2 < expected.share < 1
    assert (float(found["near_duplicates"]), float(found["near_duplicates_real"])) == (
        torch.tensor(expected.share).item(),
        torch.tensor(expected.real).item(),
    )
    assert len(measured._real) == MOST_ROWS
