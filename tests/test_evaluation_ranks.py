"""Two and three real processes against one: every number of an evaluation, each example once, on every rank alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluation_ranks
import pytest
import torch
from evaluation_ranks import CASES
from ranks import free_port, spawn
from shared_runs import trained_once

pytestmark = pytest.mark.slow

WORLDS = (2, 3)
COUNTS = {"own": {"validate": 300, "test": 297}, "foreign": {"validate": 48, "test": 47}}


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As the ranks have: where two threads share a sum, its last bit is another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alone(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    def evaluate() -> dict[Any, Any]:
        grids = evaluation_ranks.sample_grid(1, Path.cwd())
        return {**evaluation_ranks.all_cases(1), "grids": grids}

    return trained_once(tmp_path_factory, "evaluated-alone", evaluate, {"PL_GLOBAL_SEED": "0"})[1]


@pytest.fixture(scope="module", params=WORLDS)
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    folder, world = tmp_path_factory.mktemp("ranks"), request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")
        spawn(evaluation_ranks.run, world, world, free_port(), str(folder))
    return [torch.load(Path(folder) / str(rank) / "results.pt", weights_only=True) for rank in range(world)]


@pytest.mark.parametrize("verb", ["validate", "test"])
@pytest.mark.parametrize("case", CASES)
def test_every_rank_logs_the_numbers_of_one_process(ranks: Any, alone: Any, case: str, verb: str) -> None:
    expected, bound = alone[case, verb]["logged"], 1e-12 if "float64" in case else 1e-6
    for rank in ranks:
        got = rank[case, verb]["logged"]
        assert got == ranks[0][case, verb]["logged"]
        assert got == pytest.approx(expected, rel=bound, abs=bound)
        # The samples are the same to the bit, and ParzenNLL is one function of the set of rows.
        assert {name: got[name] for name in got if "parzen" in name} == {
            name: expected[name] for name in expected if "parzen" in name
        }
        assert rank[case, verb]["advice"] == []


@pytest.mark.parametrize("verb", ["validate", "test"])
@pytest.mark.parametrize("case", CASES)
def test_each_example_is_counted_once(ranks: Any, alone: Any, case: str, verb: str) -> None:
    count = COUNTS["own" if "own" in case else "foreign"][verb]
    copies = len(ranks) if "whole" in case else 1  # each rank judges the whole list there, and the mean is the same
    assert alone[case, verb]["judged"] == count
    assert sum(rank[case, verb]["judged"] for rank in ranks) == copies * count
    for rank in ranks:
        assert torch.equal(rank[case, verb]["scores"], alone[case, verb]["scores"])
        assert rank[case, verb]["reported"] == alone[case, verb]["reported"]


def test_images_reach_the_score_whole(alone: Any) -> None:
    assert len(alone["own", "test"]["scores"]) == 297
    assert len(alone["foreign", "test"]["scores"]) == 47
    assert len(alone["foreign", "validate"]["scores"]) == 24  # the second half of 31 + 17


def test_the_first_rank_alone_saves_the_grid_of_one_process(ranks: Any, alone: Any) -> None:
    assert len(alone["grids"]) == 1
    assert ranks[0]["grids"] == alone["grids"]
    assert all(rank["grids"] == [] for rank in ranks[1:])


def test_samples_that_are_not_finite_on_one_rank_stop_all(ranks: Any) -> None:
    for rank in ranks:
        training, validation = rank["stopped"]
        assert training.startswith("RunError: nan: the samples are not finite after round 0")
        assert validation.startswith("UserError: the samples are not finite (NaN or inf): expected a checkpoint")
