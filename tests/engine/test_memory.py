"""What is asked of the C library, and where there is none that can be asked."""

import ctypes
import sys
from types import SimpleNamespace

import pytest

from lit_gan.engine.memory import give_memory_back, keep_freed_memory

_MIB = 2**20


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def recorded(name: str) -> object:
        return lambda *arguments: found.append((name, *arguments))

    library = SimpleNamespace(mallopt=recorded("mallopt"), malloc_trim=recorded("malloc_trim"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_glibc_is_asked(asked: list[tuple[str, ...]]) -> None:
    keep_freed_memory()
    give_memory_back()
    assert asked == [("mallopt", -3, 32 * _MIB), ("mallopt", -1, 64 * _MIB), ("malloc_trim", 0)]


@pytest.mark.parametrize("name", ["MALLOC_TOP_PAD_", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(name: str, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    keep_freed_memory()
    assert asked == []


def test_another_c_library_is_not(asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_freed_memory()
    give_memory_back()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    keep_freed_memory()
    give_memory_back()
    assert asked == []


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_the_real_one_takes_it() -> None:
    """Within this process: no test depends on how much of its memory is the system's."""
    assert ctypes.CDLL(None).mallopt(-3, 32 * _MIB) == 1
    assert ctypes.CDLL(None).mallopt(-1, 64 * _MIB) == 1
