"""`fit` over two hosts that torchrun connects: one run, and the same bits as on one host."""

from pathlib import Path

import pytest
from network_namespaces import NetworkNamespaces
from trainings import COMMAND, ENVIRON, ROUNDS, Training, record, rows

from benchmarks.resume import differences

pytestmark = pytest.mark.slow


def test_two_hosts_train_one_run_with_the_bits_of_one_host(
    two_hosts: NetworkNamespaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing = "--trainer.callbacks+=own_modules.HashOfEachRank"
    work, local = tmp_path / "hosts", tmp_path / "local"
    for folder in (work, local):
        folder.mkdir()
    monkeypatch.chdir(work)
    command = [*COMMAND[1:], "--run_dir=run", "--trainer.num_nodes=2", "--trainer.devices=1", hashing]
    # Fresh interpreters under torchrun on two hosts: test_network_namespaces.py.
    started = [two_hosts.torchrun(host, *command, environ=ENVIRON, forked=True) for host in (0, 1)]
    assert [one.wait() for one in started] == [0, 0], "\n".join(one.output for one in started)

    assert [path.parent.name for path in work.rglob("run.json")] == ["run"]
    assert record(work / "run")["status"] == "finished"
    assert rows(work / "run") == ROUNDS
    here, there = ((work / f"rank-{rank}.txt").read_text() for rank in (0, 1))
    assert here == there
    assert "lit-gan: finished" in started[0].output
    assert "lit-gan: finished" not in started[1].output

    monkeypatch.chdir(local)
    alone = Training.start(local / "run", hashing)
    try:
        assert alone.wait() == 0, alone.err
    finally:
        alone.kill()
    assert [(local / f"rank-{rank}.txt").read_text() for rank in (0, 1)] == [here, here]
    assert differences(work / "run", local / "run") == []
