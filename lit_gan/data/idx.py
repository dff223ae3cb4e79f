"""The IDX file format of MNIST and its relatives, plain or gzipped, read strictly."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from lit_gan.errors import UserError

_UNSIGNED_BYTE = 0x08  # the type code in the third byte of the magic number
_PIECE = 2**20  # bytes


def read_idx(path: Path, num_dims: int) -> Tensor:
    """Reads an IDX file of unsigned bytes.

    The file is two zero bytes, a type code, the number of dimensions, every dimension as a big-endian 32-bit
    number, and then exactly as many bytes as these say. A name that ends in ``.gz`` is unzipped on the way, and its
    checksum verified.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels-idx1-ubyte"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
        ...     read_idx(path, num_dims=1)
        tensor([7, 8, 9], dtype=torch.uint8)

    Source: the description of the format that Y. LeCun published with MNIST.
    """
    header, content = _read(path, 4 + 4 * num_dims)
    magic = bytes([0, 0, _UNSIGNED_BYTE, num_dims])
    if header[:4] != magic:
        raise UserError(
            f"{path}: begins with the bytes {header[:4].hex()!r}, expected {magic.hex()!r} (IDX, unsigned "
            f"bytes, {num_dims} dimensions): it is another file under this name."
        )
    if len(header) < 4 + 4 * num_dims:
        raise UserError(f"{path}: truncated in its header; delete it and fetch it again.")
    shape = struct.unpack(f">{num_dims}I", header[4:])
    declared, found = math.prod(shape), len(content)
    if found != declared:
        fault = "truncated" if found < declared else "too long"
        raise UserError(
            f"{path}: {fault}: {found} bytes after the header, expected {declared} for shape {shape}; delete "
            "it and fetch it again."
        )
    return torch.frombuffer(content or bytearray(1), dtype=torch.uint8)[:found].reshape(shape)


def _read(path: Path, header_size: int) -> tuple[bytes, bytearray]:
    """The header; and what follows it, in memory that torch may write to: read by pieces, it is never there twice."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header, content = file.read(header_size), bytearray()
            while piece := file.read(_PIECE):
                content += piece
            return header, content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error}); delete it and fetch it again.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
