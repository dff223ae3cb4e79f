"""The file of a piece of a W&B run, as far as it was written: which rounds are in it.

W&B 0.31 writes LevelDB's log format, and brings no reader of its own that Python could call: blocks of 32 KiB, in which
each record, a protocol buffer, is cut into fragments of a checksum, a length, a kind and so many bytes. A process that
was killed leaves the last of them cut short.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_BLOCK = 32 * 1024
_FILE_HEADER = 7  # bytes, in front of the first fragment and part of the first block
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def last_value(file: Path, name: str) -> int:
    """The largest value that the rows of a file have under a name.

    Args:
        file: A ``.wandb`` file, whole or cut short.
        name: Of a whole number that only grows, such as the index of a round.

    Returns:
        The value, or -1 where no row has one.
    """
    from wandb.proto import wandb_internal_pb2  # two seconds of imports  # noqa: PLC0415

    parse: Any = wandb_internal_pb2.Record.FromString  # type: ignore[attr-defined]  # generated, and not for its eyes
    largest = -1
    with suppress(Exception):  # whatever protobuf says of what is none; what came before counts
        for content in _records(file.read_bytes()):
            for item in parse(content).history.item:
                if name in (item.key, *item.nested_key):
                    largest = max(largest, int(json.loads(item.value_json)))
    return largest


def _records(data: bytes) -> Iterator[bytes]:
    """The records up to the first that is not whole."""
    place, parts = _FILE_HEADER, b""
    while place + _HEADER.size <= len(data):
        room = _BLOCK - place % _BLOCK
        if room < _HEADER.size:  # too little for another fragment: zeros
            place += room
            continue
        _, length, kind = _HEADER.unpack_from(data, place)
        end = place + _HEADER.size + length
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or end > len(data):
            return
        fragment = data[place + _HEADER.size : end]
        parts = fragment if kind in (_FULL, _FIRST) else parts + fragment
        if kind in (_FULL, _LAST):
            yield parts
        place = end
