"""A `python` for what a test does not start itself, the tasks of a real Slurm: its processes are forks of the nursery.

Slurm starts a small program in the place of an interpreter. It has the fork made by a process that waits for that,
lends it its own streams, directory and variables, hands on its signals, and ends as the fork does.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from nursery import nursery

_SIGNALS = [int(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)]
_LARGEST = 1 << 20
_SOCKET = "forks"  # in the folder of the program; by its name alone, for a socket's path is short
_PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, sys

order = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
os.chdir({folder!r})
way = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
way.connect({socket!r})
socket.send_fds(way, [order], [0, 1, 2])
for number in {signals}:
    signal.signal(number, lambda number, _: way.send(bytes([number])))
code = int(way.recv(8))
if code < 0:
    if -code in {signals}:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@pytest.fixture(scope="session")
def forked_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The program, which takes what an interpreter takes."""
    folder = tmp_path_factory.mktemp("forks")
    program = folder / "python"
    program.write_text(
        _PROGRAM.format(python=sys.executable, folder=str(folder), socket=_SOCKET, signals=_SIGNALS), encoding="utf-8"
    )
    program.chmod(0o755)
    with nursery():
        server = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"listening\n"
    yield str(program)
    server.terminate()
    server.communicate()


def _attend(way: socket.socket) -> None:
    """One fork, from its order to its end."""
    order, streams, *_ = socket.recv_fds(way, _LARGEST, 3)
    words, environ, cwd = json.loads(order)
    given = dict(zip(("stdin", "stdout", "stderr"), streams, strict=True))
    # In a fork of the nursery Popen forks, too.
    process = subprocess.Popen([sys.executable, *words], env=environ, cwd=cwd, start_new_session=True, **given)
    for descriptor in streams:
        os.close(descriptor)
    threading.Thread(target=_hand_on_signals, args=(way, process), daemon=True).start()
    code = process.wait()
    with suppress(BrokenPipeError):  # the program was killed
        way.send(str(code).encode())


def _hand_on_signals(way: socket.socket, process: subprocess.Popen[bytes]) -> None:
    with suppress(ConnectionResetError):  # the program was killed before it was told how the fork ended
        while number := way.recv(1):
            process.send_signal(number[0])
    process.kill()  # as Slurm has killed the program; nothing where it has ended


def _listen(folder: Path) -> None:
    os.chdir(folder)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(_SOCKET)
    listening.listen()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while True:
        way, _ = listening.accept()
        threading.Thread(target=_attend, args=(way,), daemon=True).start()


if __name__ == "__main__":
    _listen(Path(sys.argv[1]))
