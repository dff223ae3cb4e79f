"""A file of torch's is read where it holds what was written, and only there."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mutations import check_told, mutations

from lit_gan.errors import UserError
from lit_gan.evaluation.kept_file import read_kept, write_kept
from lit_gan.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from lit_gan.runs.checkpoint_io import AtomicCheckpointIO
from lit_gan.torch_files import load_mapped, load_whole

_CONTENT: dict[str, Any] = {
    "state_dict": {"w": torch.arange(12.0).view(3, 4), "n": torch.empty(0), "h": torch.ones(5, dtype=torch.bfloat16)},
    "epoch": 2,
    "hyper_parameters": {"k": 1, "betas": (0.5, 0.9), "name": "x"},
}  # fmt: skip


def _check_same(found: Any, written: Any) -> None:
    if isinstance(written, torch.Tensor):
        assert torch.equal(found, written)
    elif isinstance(written, dict):
        assert list(found) == list(written)
        for name, value in written.items():
            _check_same(found[name], value)
    else:
        assert found == written


def _rewritten(path: Path, pickled: bytes) -> None:
    """The file with another index of its tensors, and checksums that fit."""
    with zipfile.ZipFile(path) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records:
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)


def _pickled(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(_CONTENT, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_it_is_read_as_it_was_written(file: Path) -> None:
    for found in (load_mapped(file), load_whole(file), load_whole(file, mmap=True)):
        _check_same(found, _CONTENT)


@pytest.mark.parametrize("number", [b"K\x0b", b"K\x0d", b"K\x00", b"J\xff\xff\xff\x7f"], ids=["11", "13", "0", "2**31"])
def test_tensors_of_other_sizes_than_the_file_has_bytes_of_them_are_refused(file: Path, number: bytes) -> None:
    pickled = _pickled(file)
    assert pickled.count(b"K\x0ct") == 1
    _rewritten(file, pickled.replace(b"K\x0ct", number + b"t"))
    with pytest.raises((ValueError, RuntimeError)):
        load_mapped(file)
    for load in (load_checkpoint, AtomicCheckpointIO().load_checkpoint):
        with pytest.raises(UserError, match=r"last\.ckpt cannot be loaded \("):
            load(file)
    with pytest.warns(UserWarning, match=r"last\.ckpt is left out: it cannot be loaded"):
        assert newest_checkpoint(file.parent) is None


@pytest.mark.filterwarnings("ignore:The checkpoint .* is left out")
def test_a_damaged_checkpoint_is_refused_or_is_what_was_written(file: Path) -> None:
    for content in mutations(file.read_bytes(), 120):
        file.write_bytes(content)
        newest = newest_checkpoint(file.parent)
        for load in (load_checkpoint, AtomicCheckpointIO().load_checkpoint):
            try:
                found = load(file)
            except UserError as error:
                check_told(error)
                assert newest is None
            else:
                _check_same(found, _CONTENT)


@pytest.mark.filterwarnings("ignore:The checkpoint .* is left out")
def test_a_forged_one_runs_nothing_and_is_read_alike_by_both_readers(file: Path) -> None:
    for pickled in mutations(_pickled(file), 80):
        _rewritten(file, pickled)
        newest_checkpoint(file.parent)
        read = []
        for load in (load_checkpoint, AtomicCheckpointIO().load_checkpoint):
            try:
                read.append(isinstance(load(file)["state_dict"], object))
            except UserError as error:
                check_told(error)
                read.append(False)
        assert read[0] == read[1]


def test_what_is_kept_beside_the_runs_is_told_to_be_damaged_or_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "kept.pt"
    write_kept(path, _CONTENT)
    for content in mutations(path.read_bytes(), 80):
        path.write_bytes(content)
        try:
            found = read_kept(path)
        except UserError as error:
            check_told(error)
        else:
            _check_same(found, _CONTENT)


def test_a_single_wrong_bit_of_a_tensor_is_found(tmp_path: Path) -> None:
    path = tmp_path / "kept.pt"
    write_kept(path, {"w": torch.zeros(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"kept\.pt cannot be read \(ValueError\): delete it"):
        read_kept(path)
