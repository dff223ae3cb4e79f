import copy
import pickle

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.functional.parzen_windows import ParzenWindows
from lit_gan.metrics.sample_file import SampleFile, ShardsOnDisk


def test_rows_come_back_in_shards_as_they_went_in(tmp_path):
    samples, rows = SampleFile(tmp_path), torch.randn(10, 3)
    for part in rows.split(4):
        samples.append(part)
    assert len(samples) == 10
    shards = list(samples.shards(6))
    assert [shard.shape[0] for shard in shards] == [6, 4]
    assert torch.equal(torch.cat(shards), rows)


def test_rows_may_be_added_after_reading(tmp_path):
    samples = SampleFile(tmp_path)
    samples.append(torch.zeros(3, 2))
    assert len(list(samples.shards(2))) == 2
    samples.append(torch.ones(1, 2))
    assert torch.cat(list(samples.shards(2))).tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]]


def test_clearing_forgets_the_rows_and_their_size(tmp_path):
    samples = SampleFile(tmp_path)
    samples.append(torch.zeros(3, 2))
    samples.clear()
    assert list(samples.shards(2)) == []
    samples.append(torch.ones(1, 5))
    assert next(samples.shards(9)).tolist() == [[1] * 5]


def test_the_folder_is_left_empty(tmp_path):
    samples = SampleFile(tmp_path)
    samples.append(torch.zeros(3, 2))
    assert list(tmp_path.iterdir()) == []


def test_a_copy_has_its_own_rows(tmp_path):
    samples = SampleFile(tmp_path)
    samples.append(torch.zeros(3, 2))
    twin = copy.deepcopy(samples)
    samples.append(torch.ones(1, 2))
    assert (len(samples), len(twin)) == (4, 3)
    assert torch.equal(next(twin.shards(9)), torch.zeros(3, 2))
    assert len(copy.deepcopy(SampleFile(tmp_path))) == 0


def test_pickling_is_refused_only_while_samples_wait(tmp_path):
    samples = SampleFile(tmp_path)
    assert len(pickle.loads(pickle.dumps(samples))) == 0
    samples.append(torch.zeros(3, 2))
    with pytest.raises(UserError, match="3 samples wait in scratch_dir and cannot be pickled"):
        pickle.dumps(samples)


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(UserError, match=r"scratch_dir = '.*nowhere': expected an existing folder"):
        SampleFile(tmp_path / "nowhere")


def test_windows_on_disk_are_those_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("lit_gan.metrics.sample_file.SHARD", 100)
    samples, centres, x = SampleFile(tmp_path), torch.rand(350, 40), torch.rand(20, 40)
    samples.append(centres)
    on_disk = ParzenWindows(ShardsOnDisk(samples, x), 350, 40)
    expected = ParzenWindows.around(centres, 0.0, 1.0)
    assert torch.equal(on_disk.log_likelihood(x, [0.05]), expected.log_likelihood(x, [0.05]))
