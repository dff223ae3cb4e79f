"""Damage as disks, networks and hands do it: any file's bytes, changed at random by a seed."""

import math
import os
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import torch

#: How many mutations a fuzz of the suite makes of each seed file; LIT_GAN_FUZZ=50 makes fifty times as many.
TIMES = int(os.environ.get("LIT_GAN_FUZZ", "1"))

_MAGIC = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\xff\xff\xff\xffWEBP", b"II*\0", b"MM\0*", b"BM"),
    *(b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"\x89HDF\r\n\x1a\n", b"\x80\x02", b"\0\0\x08\x03", b"<html>"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"%PDF-1.4", b"{", b"[", b"---\n"),
)
_LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]\w*|\"[^\"\n]*\"|null|true|false")
_NUMBERS = (
    *(b"NaN", b".nan", b"nan", b"Infinity", b"-.inf", b"inf", b"1e999", b"-1", b"0", b"-0.0", b"1e-320", b"0.5"),
    *(b"9" * 30, b"9" * 400, b"9" * 5000, b"0x" + b"f" * 5000, b"1:2:3", b"1_000", b"true", b'"7"', b"-9" + b"9" * 18),
    *(str(2**31).encode(), str(2**63).encode(), "\u0663\u00b2".encode()),
)
_WORDS = (
    *(b"null", b"true", b"[]", b"{}", b"0", b'""', b"~", b"[1, [2]]", b'{"a": {"b": 1}}', b"&a [*a]", b"*a", b"${"),
    *(b"!!int ''", b"!!float ''", b"!!bool x", b"!!timestamp x", b"!!binary x", b"!!set {a}", b"2020-02-31", b"<<: 1"),
    *(b"!!python/name:os.system x", b'"\\ud800"', b"? [a, b]", b"a\0b", b"a\rb", b'"', b"'", b"-", b"\xe4\xf6"),
    *(b'"' + b"x" * 140_000 + b'"', b"[" * 1100, b'{"a":' * 1100, b"- " * 1100, "\u2028\u00e4\u6df1".encode()),
)


def mutations(content: bytes, number: int, *, seed: int = 0) -> Iterator[bytes]:
    """So many mutations of a file, each unlike it; the same for the same arguments."""
    for index in range(number * TIMES):
        yield mutated(content, random.Random(f"{seed} {index}"))  # noqa: S311 -- no secret


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to three changes of one kind or several."""
    changed = content
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        changed = rng.choice(_CHANGES)(changed, rng)
    return mutated(content, rng) if changed == content else changed


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(start + rng.choice((1, 2, 4, 8, 16, 64, 512)), len(content))


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_in_the_head(content: bytes, rng: random.Random) -> bytes:
    """The first bytes say most: kinds, shapes, lengths."""
    return _flip(content[:64], rng) + content[64:]


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.choice((rng.randrange(len(content) + 1), rng.randrange(min(len(content), 40) + 1)))]


def _cut_the_head(content: bytes, rng: random.Random) -> bytes:
    return content[rng.randrange(min(len(content), 40) + 1) :]


def _remove(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    block = rng.choice((rng.randbytes(rng.choice((1, 2, 4, 100))), bytes(rng.choice((1, 4, 1000)))))
    return content[:place] + block + content[place:]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 2, 50)) + content[end:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    first, second = sorted((_span(content, rng), _span(content, rng)))
    if first[1] > second[0]:
        return content
    parts = content[: first[0]], content[slice(*second)], content[first[1] : second[0]], content[slice(*first)]
    return b"".join(parts) + content[second[1] :]


def _other_magic(content: bytes, rng: random.Random) -> bytes:
    magic = rng.choice(_MAGIC)
    return magic + content[rng.choice((0, len(magic))) :]


def _length(content: bytes, rng: random.Random) -> bytes:
    """What may be a length or a count says something else: huge, none, one more or less."""
    width = rng.choice((1, 2, 4, 8))
    if len(content) < width:
        return content
    place = rng.choice((rng.randrange(len(content) - width + 1), rng.randrange(min(len(content) - width, 64) + 1)))
    order = rng.choice(("little", "big"))
    before = int.from_bytes(content[place : place + width], order)
    value = rng.choice((*_LENGTHS, before + 1, before - 1, before * 2)) % 256**width
    return content[:place] + value.to_bytes(width, order) + content[place + width :]


def _in_text(pattern: re.Pattern[bytes], values: tuple[bytes, ...]) -> Callable[[bytes, random.Random], bytes]:
    def change(content: bytes, rng: random.Random) -> bytes:
        found = list(pattern.finditer(content))
        if not found:
            return content
        at = rng.choice(found)
        return content[: at.start()] + rng.choice(values) + content[at.end() :]

    return change


def _line(content: bytes, rng: random.Random) -> bytes:
    """A line moves, goes, or stands there twice."""
    lines = content.split(b"\n")
    line = lines.pop(rng.randrange(len(lines)))
    for _ in range(rng.randrange(3)):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _encoding(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("latin-1")
    return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32", "cp037")), errors="replace")


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _flip_in_the_head, _cut, _cut_the_head, _remove, _insert, _repeat, _swap, _other_magic),
    *(_length, _length, _line, _encoding, _in_text(_NUMBER, _NUMBERS), _in_text(_NUMBER, _NUMBERS)),
    *(_in_text(_WORD, _WORDS), _in_text(_WORD, _WORDS)),
)


#: What may stand in a checkpoint in the place of something else: plain values and tensors are all that is loaded.
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 3.5, float("nan"), float("inf"), "", "x", "lit_gan.GAN", b"x", 2**70, -(2**63), 1 + 2j),
    *([], {}, [None], ("a",), {1: 2}, {"class_path": "torch.nn.Linear"}, torch.zeros(3), torch.zeros(0)),
)


def mutated_checkpoint(content: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A checkpoint in which one thing is missing, has another name, or is another thing; each part as often."""
    changed = deepcopy(content)
    place: list[Any] = [rng.choice(list(changed))]
    where: Any = changed
    while isinstance(where[place[-1]], (dict, list)) and where[place[-1]] and rng.random() < 0.7:
        where = where[place[-1]]
        place.append(rng.choice(list(where) if isinstance(where, dict) else range(len(where))))
    name = place[-1]
    kind = rng.choice(("gone", "renamed", "other", "other", "shaped"))
    if kind == "gone":
        del where[name]
    elif kind == "renamed" and isinstance(where, dict):
        where[f"{name}x"] = where.pop(name)
    elif kind == "shaped" and isinstance(where[name], torch.Tensor):
        flat = where[name].flatten()
        where[name] = rng.choice(
            (flat[:0], torch.cat([flat, flat]), flat.to(torch.int64), torch.full_like(flat, math.nan))
        )
    else:
        where[name] = deepcopy(rng.choice(_VALUES))
    return changed


def check_told(error: BaseException) -> None:
    """What a user is told is one line that can be read: the command puts the words of an error on one."""
    told = " ".join(str(error).split())
    assert told
    assert len(told) < 2000, f"{told[:200]}... has {len(told)} characters"
