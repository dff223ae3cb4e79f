"""What is asked of the C library, and where there is none that can be asked."""

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_gan

from lit_gan.engine import c_library, rounds
from lit_gan.engine.c_library import end_without_destructors, give_memory_back, keep_freed_memory

_MIB = 2**20


def torch_with(*, cuda_in_use: bool) -> Any:
    return SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: cuda_in_use))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def recorded(name: str) -> object:
        return lambda *arguments: found.append((name, *arguments))

    asked_for = ("mallopt", "malloc_trim", "on_exit", "__cxa_atexit")
    library = SimpleNamespace(**{name: recorded(name) for name in asked_for}, _exit="_exit", fflush="fflush")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "torch", torch_with(cuda_in_use=False))
    for name in ("LD_PRELOAD", *c_library._OF_THE_USER):
        monkeypatch.delenv(name, raising=False)
    return found


def test_glibc_is_asked(asked: list[tuple[str, ...]]) -> None:
    keep_freed_memory()
    give_memory_back()
    end_without_destructors()
    of_memory = [("mallopt", -3, 32 * _MIB), ("mallopt", -1, 64 * _MIB), ("malloc_trim", 0)]
    assert asked == [*of_memory, ("on_exit", "_exit", None), ("__cxa_atexit", "fflush", None, None)]


def test_large_weights_keep_what_a_round_takes_beside_them(asked: list[tuple[str, ...]]) -> None:
    keep_freed_memory([40 * _MIB, 8 * _MIB])
    assert asked == [("mallopt", -3, 32 * _MIB), ("mallopt", -1, 4 * 48 * _MIB), ("mallopt", -4, 0)]
    asked.clear()
    keep_freed_memory([31 * _MIB] * 100)  # the number has 32 bits
    assert asked == [("mallopt", -3, 32 * _MIB), ("mallopt", -1, 2**31 - 1)]


def test_a_training_asks_by_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[int]] = []
    monkeypatch.setattr(rounds, "keep_freed_memory", told.append)
    tiny_gan.trainer(max_steps=1, precision="32-true").fit(
        tiny_gan.linear_gan(), tiny_gan.loader(tiny_gan.examples(4).float(), batch_size=4)
    )
    assert told == [[4, 4, 4, 4]]


@pytest.mark.parametrize("name", ["MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(name: str, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    keep_freed_memory()
    assert asked == []


def test_another_c_library_is_not(asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_freed_memory()
    give_memory_back()
    end_without_destructors()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    keep_freed_memory()
    give_memory_back()
    end_without_destructors()
    assert asked == []


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_the_real_one_takes_it() -> None:
    """Within this process: no test depends on how much of its memory is the system's."""
    assert ctypes.CDLL(None).mallopt(-3, 32 * _MIB) == 1
    assert ctypes.CDLL(None).mallopt(-1, 64 * _MIB) == 1
    assert ctypes.CDLL(None).mallopt(-4, 65536) == 1  # as it begins


@pytest.mark.parametrize("who", ["nobody has imported torch", "a GPU is in use", "somebody looks on"])
def test_libraries_are_taken_down_where_it_may_matter(
    who: str, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if who == "a GPU is in use":
        monkeypatch.setitem(sys.modules, "torch", torch_with(cuda_in_use=True))
    elif who == "somebody looks on":
        monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libprofiler.so")
    else:
        monkeypatch.delitem(sys.modules, "torch")
    end_without_destructors()
    assert asked == []


_PROGRAM = """
import atexit, ctypes, sys
from types import SimpleNamespace

sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False))
from lit_gan.engine.c_library import end_without_destructors

libc = ctypes.CDLL(None)
register = libc.__getattr__("__cxa_atexit")
before, after = (ctypes.create_string_buffer(word) for word in (b"loaded before", b"loaded after"))
ctypes.pythonapi.Py_IncRef(ctypes.py_object(before)), ctypes.pythonapi.Py_IncRef(ctypes.py_object(after))
register(libc.puts, before, None)
end_without_destructors()
register(libc.puts, after, None)
libc.printf(b"held back by C\\n")
atexit.register(print, "registered in Python")
left_open = open(sys.argv[1], "w")
left_open.write("held back by Python")
sys.exit(3)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_all_but_the_destructors_of_loaded_libraries_comes_at_the_end(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "file")], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    assert sorted(ended.stdout.splitlines()) == ["held back by C", "loaded after", "registered in Python"]
    assert (tmp_path / "file").read_text() == "held back by Python"
