"""In an allocation of several tasks `lit-gan fit` becomes `srun`; nowhere else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import lit_gan
from slurm_cluster import SlurmCluster
from trainings import ENVIRON

import lit_gan as package
from lit_gan.cli import srun

_ROOT = Path(package.__file__).parents[1]
_OPTIONS = ["--config", "quickstart", "--run_dir", "a b"]
_COMMAND = [sys.executable, "-m", "lit_gan"]
_BATCH = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "job.sh", "SLURM_NNODES": "2", "SLURM_PROCID": "0"}

# A training in its place, in the processes that the job starts: what is to be seen is who was started, and how.
_STUB = """
import atexit, os, time
from pathlib import Path

def main(verb, arguments):
    names = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURMD_NODENAME")
    rank = [os.environ.get(name, "-") for name in names]
    print("rank", *rank, "of", os.environ["SLURM_JOB_ID"], verb, arguments, flush=True)
    return end_together(int(os.environ["ENDS"])) if "ENDS" in os.environ else 0

def end_together(code):
    mine = os.environ["SLURM_PROCID"]
    Path(mine).touch()
    while not (Path("0").exists() and Path("1").exists()):
        time.sleep(0.01)
    if mine == "0":
        atexit.register(time.sleep, 2)  # srun tells it meanwhile that the other one is gone
    return code
"""
_PATCH = """
from lit_gan.cli import main

main._VERBS["fit"] = ("stub", "")
"""


class _Became(BaseException):
    """What the process would have become."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process does not really become another one, and says which."""

    def execvp(file: str, command: list[str]) -> None:
        assert file == command[0]
        raise _Became(command)

    monkeypatch.setattr(os, "execvp", execvp)


def _allocate(monkeypatch: pytest.MonkeyPatch, **environ: str) -> None:
    for name, value in {**_BATCH, **environ}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("became")
@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2"}, []),
        ({"SLURM_NTASKS_PER_NODE": "2"}, []),
        # Lightning takes no allocation that does not say how many tasks there are on a node.
        ({"SLURM_NTASKS": "4"}, ["--ntasks-per-node=2"]),
        ({}, ["--ntasks-per-node=1"]),
        ({"SLURM_NTASKS": "3"}, []),
    ],
)
def test_the_same_command_is_started_by_srun(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], options: list[str]
) -> None:
    _allocate(monkeypatch, **environ)
    with pytest.raises(_Became) as became:
        lit_gan("fit", "--config", "mnist", "--data.init_args.root=a b")
    expected = ["srun", "--kill-on-bad-exit=1", *options, *_COMMAND]
    assert became.value.args[0] == [*expected, "fit", "--config", "mnist", "--data.init_args.root=a b"]


@pytest.mark.usefixtures("became")
@pytest.mark.parametrize(("given", "own"), [("8", None), ("8", "4"), (None, None)])
def test_the_cpus_of_a_task_are_handed_on(monkeypatch: pytest.MonkeyPatch, given: str | None, own: str | None) -> None:
    _allocate(monkeypatch, **{"SLURM_CPUS_PER_TASK": given} if given else {})
    monkeypatch.setenv("SRUN_CPUS_PER_TASK", own or "")  # so that it is put back in any case
    if own is None:
        monkeypatch.delenv("SRUN_CPUS_PER_TASK")
    with pytest.raises(_Became):
        srun.start_again_under_srun(["fit"])
    assert os.environ.get("SRUN_CPUS_PER_TASK") == (own or given)


@pytest.mark.usefixtures("became")
@pytest.mark.parametrize("question", ["--help", "-h", "--print_config=skip_null", "--model.help=lit_gan.GAN"])
def test_a_question_is_answered_once(monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    _allocate(monkeypatch)
    srun.start_again_under_srun(["fit", question])


@pytest.mark.usefixtures("became")
@pytest.mark.parametrize("change", [{"SLURM_STEP_ID": "0"}, {"RANK": "0"}, {"SLURM_NNODES": "1"}])
def test_elsewhere_the_process_goes_on_itself(monkeypatch: pytest.MonkeyPatch, change: dict[str, str]) -> None:
    _allocate(monkeypatch, **change)
    assert lit_gan("fit", "--config", "nope").line.startswith("--config nope: ")


@pytest.mark.usefixtures("became")
def test_other_verbs_are_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    _allocate(monkeypatch)
    assert lit_gan("predict").line.startswith("`lit-gan predict` needs something trained")


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_evaluation_is_of_all_ranks(monkeypatch: pytest.MonkeyPatch, verb: str, became: None) -> None:
    _allocate(monkeypatch)
    Path("runs/mnist/ID").mkdir(parents=True)  # one that is not there is told once, and not by every rank
    with pytest.raises(_Became) as call:
        lit_gan(verb, "runs/mnist/ID")
    assert call.value.args[0][-2:] == [verb, "runs/mnist/ID"]


_FAKE_SRUN = """#!/bin/sh
trap 'echo USR2 >> "$SAID"; exit 0' USR2
trap 'echo USR1 >> "$SAID"; exit 75' USR1
echo ready >> "$SAID"
while :; do sleep 0.05; done
"""
_TRIAL = "import sys\nfrom lit_gan.cli.main import main\nsys.exit(main(['fit', '--config', 'quickstart']))"


@pytest.mark.parametrize(
    ("sent", "said", "code"), [("SIGTERM", "USR2", 0), ("SIGINT", "USR2", 0), ("SIGUSR1", "USR1", 75)]
)
def test_a_trial_hands_its_agents_signals_on_in_words_that_srun_knows(
    sent: str, said: str, code: int, tmp_path: Path
) -> None:
    script, told = tmp_path / "srun", tmp_path / "said"
    script.write_text(_FAKE_SRUN)
    script.chmod(0o755)
    environ = {**os.environ, **_BATCH, **ENVIRON, "LIT_GAN_SWEEP": "s", "WANDB_RUN_ID": "t", "SAID": str(told)}
    environ["PATH"] = f"{tmp_path}{os.pathsep}{environ['PATH']}"
    process = subprocess.Popen([sys.executable, "-c", _TRIAL], env=environ, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not told.exists() or "ready" not in told.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.Signals[sent])
    _, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    assert told.read_text().split() == ["ready", said]


def test_without_srun_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _allocate(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    ending = lit_gan("fit", "--config", "quickstart")
    assert ending.code == 2
    told, error = ending.err.splitlines()
    assert told == "lit-gan: 2 tasks in this Slurm allocation: starting again under srun"
    assert error == (
        "lit-gan: error: 2 tasks are allocated by Slurm, and there is no srun here to start them: start the command "
        "itself by srun, or ask Slurm for one task (--ntasks=1)."
    )


@pytest.fixture
def stubbed(tmp_path: Path) -> dict[str, str]:
    """An environment in which `lit-gan fit` only says who runs it."""
    (tmp_path / "stub.py").write_text(_STUB)
    (tmp_path / "sitecustomize.py").write_text(_PATCH)
    return {"PYTHONPATH": f"{tmp_path}{os.pathsep}{_ROOT}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "ranks"),
    [
        (["--nodes=2", "--ntasks-per-node=1"], ["rank 0 2 1 n1", "rank 1 2 1 n2"]),
        (["--nodes=2"], ["rank 0 2 1 n1", "rank 1 2 1 n2"]),
        (["--nodes=1", "--ntasks=2"], ["rank 0 2 2 n1", "rank 1 2 2 n1"]),
        (["--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2"], ["rank 0 2 1 n1", "rank 1 2 1 n2"]),
    ],
)
def test_a_plain_fit_in_a_job_of_two_tasks_is_two_ranks(
    slurm: SlurmCluster, stubbed: dict[str, str], options: list[str], ranks: list[str]
) -> None:
    job = slurm.submit(f"{' '.join(_COMMAND)} fit --config quickstart --run_dir 'a b'", *options, environ=stubbed)
    job.wait_for("COMPLETED")
    told, *lines = job.output.splitlines()
    assert told == "lit-gan: 2 tasks in this Slurm allocation: starting again under srun"
    assert sorted(lines) == [f"{rank} of {job.number} fit {_OPTIONS}" for rank in ranks]


@pytest.mark.slow
def test_ranks_that_end_together_end_with_their_own_exit_code(
    slurm: SlurmCluster, stubbed: dict[str, str], tmp_path: Path
) -> None:
    job = slurm.submit(
        f"{' '.join(_COMMAND)} fit --config quickstart", "--nodes=2", environ={**stubbed, "ENDS": "75"}, cwd=tmp_path
    )
    job.wait_for("FAILED")
    assert job.shown("ExitCode") == "75:0", job.output


def test_a_process_without_other_ranks_can_be_ended_by_sigterm_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    _allocate(monkeypatch, SLURM_STEP_ID="0", SLURM_NTASKS="1")
    before = signal.getsignal(signal.SIGTERM)
    assert lit_gan("trian").code == 2
    srun.keep_the_exit_code()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
def test_a_job_of_one_task_is_the_process_itself(slurm: SlurmCluster, stubbed: dict[str, str]) -> None:
    job = slurm.submit(
        f"{' '.join(_COMMAND)} fit --config quickstart",
        "--nodes=1",
        "--exclusive",  # which makes SLURM_TASKS_PER_NODE the number of CPUs
        environ=stubbed,
    )
    job.wait_for("COMPLETED")
    assert job.output.splitlines() == [f"rank 0 - - n1 of {job.number} fit ['--config', 'quickstart']"]
