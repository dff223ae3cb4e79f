import errno
import json
import os

import pytest

from lit_gan.errors import UserError
from lit_gan.runs import atomic_write
from lit_gan.runs.folder import FolderInUse, RunFolder
from lit_gan.runs.record import RunRecord


def _anything(found):
    """Takes whatever is there."""


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"WANDB_RUN_ID": "3fa9", "SLURM_JOB_ID": "7"}, "3fa9"),
        ({"SLURM_JOB_ID": "7"}, "slurm-7"),
        ({"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "slurm-7_2"),
    ],
)
def test_the_environment_names_the_run(tmp_path, environ, name):
    folder = RunFolder.create(tmp_path, "mnist", {"lr": 0.1}, environ=environ)
    assert folder.path == tmp_path / "mnist" / name
    assert environ["LIT_GAN_RUN_DIR"] == str(folder.path)
    folder.release()
    assert "LIT_GAN_RUN_DIR" not in environ


def test_an_explicit_folder_comes_before_any_id_and_may_hold_a_jobs_own_output(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "slurm.out").write_text("")
    folder = RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "here", environ={"WANDB_RUN_ID": "3fa9"})
    assert folder.path == tmp_path / "here"
    assert folder.read_record().status == "running"
    folder.release()


def test_a_taken_id_is_counted_on(tmp_path):
    folders = [RunFolder.create(tmp_path, "mnist", {}, environ={"SLURM_JOB_ID": "7"}) for _ in range(3)]
    assert [folder.path.name for folder in folders] == ["slurm-7", "slurm-7-2", "slurm-7-3"]
    for folder in folders:
        folder.release()


def test_a_relative_path_outlives_a_change_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create("runs", "mnist", {}, environ={"WANDB_RUN_ID": "a"})
    monkeypatch.chdir("/")
    folder.mark("stopped")
    assert json.loads((tmp_path / "runs/mnist/a/run.json").read_text())["status"] == "stopped"
    folder.release()


@pytest.mark.parametrize(
    "environ",
    [
        {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
        {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"},
        {"LOCAL_RANK": "1"},
        {"SLURM_PROCID": "1", "SLURM_JOB_ID": "7"},
    ],
)
def test_ranks_that_cannot_agree_on_a_folder_need_run_dir(tmp_path, environ):
    with pytest.raises(UserError, match=r"^--run_dir PATH is required when torchrun .* give the same PATH to all"):
        RunFolder.create(tmp_path, "mnist", {}, environ=environ)
    assert list(tmp_path.iterdir()) == []


def test_ranks_that_rank_zero_starts_find_its_folder_and_write_nothing_of_its_record(tmp_path):
    environ = {}
    first = RunFolder.create(tmp_path, "mnist", {}, environ=environ)
    second = RunFolder.create(tmp_path, "mnist", {}, environ={**environ, "LOCAL_RANK": "1"})
    assert second.path == first.path
    before = first.status.read_bytes()
    second.mark("finished")
    second.beat()
    assert first.status.read_bytes() == before
    first.release()


def test_ranks_of_torchrun_share_the_explicit_folder(tmp_path):
    environ = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}
    ranks = [
        RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "a", environ={**environ, "RANK": rank})
        for rank in "01"
    ]
    assert {rank.path for rank in ranks} == {tmp_path / "a"}
    ranks[0].mark("finished")
    assert ranks[1].read_record().status == "finished"
    ranks[0].release()


def test_a_run_is_never_written_over(tmp_path):
    RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "a", environ={}).release()
    with pytest.raises(UserError, match=r"--run_dir .*/a holds a run already.*--resume auto"):
        RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "a", environ={})


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "checkpoints"])
def test_files_of_something_else_are_never_written_over(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"holds {name} but no run\.json.*give a new or an empty folder"):
        RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path, environ={})
    assert not (tmp_path / "run.json").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file cannot be used as a run folder \(File exists\).*--run_dir PATH"):
        RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "file", environ={})
    with pytest.raises(UserError, match=r"cannot be used as a run folder \(Not a directory\)"):
        RunFolder.create(tmp_path / "file", "mnist", {}, environ={})


def test_only_a_run_can_be_opened(tmp_path):
    with pytest.raises(UserError, match=r"is not a run folder \(it has no run\.json\)"):
        RunFolder.open(tmp_path)
    with pytest.raises(UserError, match=r"is not a run folder \(it has no run\.json\)"):
        RunFolder(tmp_path).read_record()


def test_who_only_opens_a_folder_does_not_mark_it(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    folder.release()
    with pytest.raises(RuntimeError, match="not the writer"):
        RunFolder.open(folder.path).mark("finished")


def test_folders_inside_are_made_when_asked_for(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "run.lock"]
    assert folder.metrics.name == "metrics.csv"
    for inside in (folder.checkpoints, folder.samples, folder.wandb):
        assert inside.is_dir()
        assert inside.parent == folder.path
    folder.release()


def test_configuration_and_environment_are_written(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    folder.write_config("seed: 1\n")
    folder.write_environment(seed=1)
    assert folder.config.read_text() == "seed: 1\n"
    assert json.loads(folder.environment.read_text())["seed"] == 1
    folder.release()


def test_a_folder_is_alive_from_taking_to_release(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    seen = RunFolder.open(folder.path)
    assert seen.is_alive()
    folder.release()
    assert not seen.is_alive()
    assert not RunFolder(tmp_path / "none").is_alive()


def test_a_run_of_another_machine_is_alive_by_its_heartbeat(tmp_path):
    record = json.loads(json.dumps(RunRecord.first({}).__dict__)) | {"host": "elsewhere", "pid": 12}
    (tmp_path / "run.json").write_text(json.dumps(record))
    folder = RunFolder.open(tmp_path)
    assert folder.is_alive()
    with pytest.raises(FolderInUse, match=r"is being written by process 12 on elsewhere: wait .*--run_dir"):
        folder.take({}, check=_anything, environ={})
    record["heartbeat"] = "2014-06-10T00:00:00+00:00"
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert not folder.is_alive()
    assert folder.take({}, check=_anything, environ={})
    folder.release()


def test_a_taken_folder_names_its_writer(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    with pytest.raises(FolderInUse, match=rf"is being written by process {os.getpid()} on "):
        RunFolder(folder.path).take({}, check=_anything, environ={})
    folder.release()


def test_a_refusal_under_the_lock_gives_the_lock_back(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    folder.release()
    before = folder.status.read_bytes()

    def refuse(found):
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        folder.take({}, check=refuse, environ={})
    assert not folder.is_alive()
    assert folder.status.read_bytes() == before


def test_a_full_disk_at_the_start_is_told_with_the_path_and_holds_no_lock(tmp_path, monkeypatch):
    def full(descriptor, data, offset):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic_write, "write_all", full)
    with pytest.raises(OSError, match=r"No space left on device: .*run\.json"):
        RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "a", environ={})
    assert not RunFolder(tmp_path / "a").is_alive()


def test_a_folder_of_another_user_is_told(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    folder.release()

    def denied():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder.lock))

    monkeypatch.setattr(folder._lock, "acquire", denied)  # by permissions alone, root could not run this test
    with pytest.raises(UserError, match=r"cannot be used as a run folder \(Permission denied\)"):
        folder.take({}, check=_anything, environ={})


def test_a_rank_that_comes_first_and_makes_the_folder_of_checkpoints_is_not_in_the_way(tmp_path):
    joined = RunFolder.join(tmp_path / "run", environ={})
    assert joined.checkpoints.is_dir()
    folder = RunFolder.create(tmp_path, "mnist", {}, run_dir=tmp_path / "run", environ={})
    assert folder.status.is_file()
    folder.release()
