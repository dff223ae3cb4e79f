"""Handing a script over, and what comes back."""

from pathlib import Path

import pytest

from lit_gan.cluster.sbatch import environment_of_a_job, submit
from lit_gan.errors import UserError


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a program in the stead of Slurm's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = tmp_path / "sbatch"
    program.touch(mode=0o755)
    return program


def test_the_script_is_its_input_and_the_number_its_answer(sbatch: Path, tmp_path: Path) -> None:
    sbatch.write_text(f'#!/bin/sh\ncat > {tmp_path}/got\necho "$@" > {tmp_path}/options\necho 4711\n')
    assert submit("#!/bin/sh\ntrue\n") == "4711"
    assert (tmp_path / "got").read_text() == "#!/bin/sh\ntrue\n"
    assert (tmp_path / "options").read_text() == "--parsable\n"


def test_the_name_of_a_cluster_is_left_out_and_the_words_of_the_site_go_on(
    sbatch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sbatch.write_text('#!/bin/sh\necho "Welcome." >&2\necho "4711;big"\n')
    assert submit("#!/bin/sh\n") == "4711"
    assert capsys.readouterr().err == "Welcome.\n"


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("sbatch: error: invalid partition\nsbatch: error: Batch job failed", "invalid partition; Batch job failed"),
        ("", "exit code 1"),
    ],
)
def test_a_refusal_is_told_in_one_line(sbatch: Path, says: str, told: str) -> None:
    sbatch.write_text(f'#!/bin/sh\nprintf "{says}" >&2\nexit 1\n')
    with pytest.raises(UserError) as refusal:
        submit("#!/bin/sh\n")
    assert str(refusal.value) == f"sbatch refuses the job: {told}"


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ('echo "sbatch: Job 9 to start at noon" >&2', "sbatch: Job 9 to start at noon"),
        ("echo Welcome.", "Welcome."),
        ("true", "nothing"),
    ],
)
def test_an_answer_without_a_number_is_told(
    sbatch: Path, capsys: pytest.CaptureFixture[str], says: str, told: str
) -> None:
    sbatch.write_text(f"#!/bin/sh\n{says}\n")
    with pytest.raises(UserError) as refusal:
        submit("#!/bin/sh\n")
    assert str(refusal.value) == (
        f"sbatch names no job: expected its number, got {told}; squeue --me shows what is queued."
    )
    assert capsys.readouterr().err == ""


def test_without_sbatch_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^sbatch cannot be run \(No such file or directory\).*--print shows.*--local"):
        submit("#!/bin/sh\n")


def test_a_job_from_within_a_job_knows_nothing_of_it() -> None:
    within = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SRUN_CPUS_PER_TASK": "1", "SLURM_CONF": "/a", "HOME": "/b"}
    assert environment_of_a_job(within) == {"SLURM_CONF": "/a", "HOME": "/b"}
    outside = {"SLURM_TIMELIMIT": "9", "HOME": "/b"}
    assert environment_of_a_job(outside) == outside
