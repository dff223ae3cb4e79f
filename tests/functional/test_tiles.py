import threading

import pytest
import torch

from lit_gan.functional.tiles import map_tiles

CPU = torch.device("cpu")


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_tiles_cover_the_rows_once_and_in_order(three_threads):
    tiles = map_tiles(lambda rows: (rows.start, rows.stop), 1000, 300, CPU)
    assert tiles == [(0, 300), (300, 600), (600, 900), (900, 1000)]


def test_tiles_run_on_several_threads_each_with_its_share_of_torchs(three_threads):
    meet = threading.Barrier(3, timeout=300)

    def work(rows):
        meet.wait()  # passes only where three tiles run at once
        return torch.get_num_threads()

    assert map_tiles(work, 384, 128, CPU) == [1, 1, 1]
    assert torch.get_num_threads() == 3


def test_few_tiles_leave_each_thread_more_than_one(three_threads):
    torch.set_num_threads(4)
    assert map_tiles(lambda rows: torch.get_num_threads(), 256, 128, CPU) == [2, 2]


def test_more_threads_make_smaller_tiles(three_threads):
    assert len(map_tiles(lambda rows: rows, 600, 512, CPU)) == 3
    assert len(map_tiles(lambda rows: rows, 600, 512, torch.device("meta"))) == 2


def test_an_error_is_passed_on_and_the_threads_come_back(three_threads):
    def fail(rows):
        raise RuntimeError("tile")

    with pytest.raises(RuntimeError, match="tile"):
        map_tiles(fail, 1000, 200, CPU)
    assert torch.get_num_threads() == 3


def test_no_rows_are_no_tiles():
    assert map_tiles(lambda rows: rows, 0, 200, CPU) == []
