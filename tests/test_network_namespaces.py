"""The two hosts that tests run on have a network between them, and nothing else."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from network_namespaces import NetworkNamespaces, NoNamespacesError
from waiting import wait_until

_ALL_REDUCE = """
import os, socket, torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(total)
print(f"rank {dist.get_rank()} of {dist.get_world_size()}: {total.item()}")
dist.destroy_process_group()
"""

_LISTEN = """
import socket, sys
server = socket.create_server((sys.argv[1], 4000))
print("listening", flush=True)
server.accept()[0].sendall(b"heard")
"""

_ASK = """
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], 4000), 60).recv(5).decode())
except ConnectionRefusedError:
    sys.exit("refused")
"""


@pytest.mark.slow
def test_ranks_of_torchrun_on_two_hosts_reduce_together(two_hosts: NetworkNamespaces, tmp_path: Path) -> None:
    script = tmp_path / "all_reduce.py"
    script.write_text(_ALL_REDUCE)
    ranks = [two_hosts.torchrun(host, script) for host in (0, 1)]
    for number, rank in enumerate(ranks):
        assert rank.wait() == 0, rank.output
        assert f"rank {number} of 2: 3.0" in rank.output


@pytest.mark.parametrize(("address", "code"), [("10.77.0.1", 0), ("127.0.0.1", 1)])
def test_only_the_cable_leads_from_one_host_to_the_other(two_hosts: NetworkNamespaces, address: str, code: int) -> None:
    listening = two_hosts.start(0, sys.executable, "-c", _LISTEN, address)
    while "listening" not in listening.output:
        assert listening.process.poll() is None, listening.output
        time.sleep(0.02)
    ask = two_hosts.start(1, sys.executable, "-c", _ASK, address)
    assert ask.wait() == code, ask.output
    assert ask.output == ("heard\n" if code == 0 else "refused\n")


def test_nothing_of_the_hosts_is_left(two_hosts: NetworkNamespaces, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    with NetworkNamespaces(tmp_path / "more") as more:  # beside another pair with the same addresses
        unheard = more.start(1, "sleep", "1000")  # it may not even have entered its host when that goes
        sleeping = more.start(0, "sh", "-c", "sleep 1000 & echo $!; wait")
        wait_until(lambda: sleeping.output.endswith("\n"), "the process has a child")
    assert sleeping.process.returncode == unheard.process.returncode == -9
    assert not Path("/proc", sleeping.output.strip(), "exe").exists()
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert not any(name in listed for name in more.names)
    assert all(name in listed for name in two_hosts.names)


def test_what_cannot_be_made_is_told_and_leaves_nothing(
    two_hosts: NetworkNamespaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = NetworkNamespaces(tmp_path)
    broken.addresses = ("10.77.0.1", "10.77.0.300")
    with pytest.raises(NoNamespacesError, match=r"^ip -n \S+ addr add 10.77.0.300/24 dev veth0: .*"):
        broken.__enter__()
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert not any(name in listed for name in broken.names)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(NoNamespacesError, match="there is no ip"):
        broken.__enter__()
