import gzip
import struct

import numpy as np
import pytest
import real_formats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from mutations import check_told, mutations
from properties import examples

from lit_gan.data.idx import read_idx
from lit_gan.errors import UserError

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_back_what_was_written(tmp_path, suffix):
    path = tmp_path / f"images-idx3-ubyte{suffix}"
    real_formats.write_idx(path, ARRAY)
    assert torch.equal(read_idx(path, num_dims=3), torch.from_numpy(ARRAY))


def test_empty_array_keeps_its_shape(tmp_path):
    path = tmp_path / "images"
    real_formats.write_idx(path, ARRAY[:0])
    assert read_idx(path, num_dims=3).shape == (0, 3, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>not found</html>", r"begins with the bytes '3c68746d', expected '00000803' \(IDX, unsigned bytes, 3"),
        (b"", "begins with the bytes ''"),
        (real_formats.idx_bytes(ARRAY[0]), "begins with the bytes '00000802', expected '00000803'"),
        (b"\0\0\x0d\x03" + bytes(20), "begins with the bytes '00000d03'"),
        (real_formats.idx_bytes(ARRAY)[:10], "truncated in its header; delete it and fetch it again"),
        (
            real_formats.idx_bytes(ARRAY)[:-1],
            r"truncated: 23 bytes after the header, expected 24 for shape \(2, 3, 4\); delete it and fetch it again",
        ),
        (real_formats.idx_bytes(ARRAY) + b"\0", "too long: 25 bytes after the header, expected 24"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "truncated: 0 bytes after the header, expected 7922"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damage_is_told_with_the_files_name(tmp_path, content, message, suffix):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(UserError, match=f"/images{suffix}: {message}"):
        read_idx(path, num_dims=3)


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-9],  # cut off in the data
        lambda content: content[:5],  # cut off in the header
        lambda content: flipped(content, -6),  # the checksum does not fit
        lambda content: flipped(content, 10),  # no valid stream
        lambda content: b"plain" + content,
    ],
)
def test_damaged_gzip_is_told(tmp_path, damage):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(real_formats.idx_bytes(ARRAY))))
    with pytest.raises(UserError, match=r"/images.gz: damaged gzip file \(.+\); delete it and fetch it again"):
        read_idx(path, num_dims=3)


def test_unreadable_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"images: cannot be read \(No such file or directory\)"):
        read_idx(tmp_path / "images", num_dims=3)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_any_damage_is_told_or_the_file_says_what_is_read(tmp_path, suffix):
    path = tmp_path / f"images{suffix}"
    real_formats.write_idx(path, ARRAY)
    for content in mutations(path.read_bytes(), 200):
        path.write_bytes(content)
        try:
            found = read_idx(path, num_dims=3)
        except UserError as error:
            check_told(error)
            continue
        plain = gzip.decompress(content) if suffix else content
        assert plain == struct.pack(">BBBB3I", 0, 0, 8, 3, *found.shape) + found.numpy().tobytes()


@examples(40)
@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)), st.sampled_from(("", ".gz")))
def test_any_array_is_read_as_it_was_written(tmp_path, array, suffix):
    path = tmp_path / f"any{suffix}"
    real_formats.write_idx(path, array)
    assert torch.equal(read_idx(path, num_dims=array.ndim), torch.from_numpy(array))
