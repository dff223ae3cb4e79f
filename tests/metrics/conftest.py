import pytest
import torch


@pytest.fixture
def one_thread():
    """Small problems: a second thread only adds waiting, most of all where other processes are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
