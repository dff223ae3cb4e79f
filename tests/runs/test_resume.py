import dataclasses
import json
import signal

import pytest

from lit_gan.errors import UserError
from lit_gan.runs import resume
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.resume import choose_run_folder

_CONFIG = {"model": {"lr": 0.1, "k": 1}, "seed": 0}
_OTHER = {"model": {"lr": 0.2, "k": 1}, "seed": 0}

pytestmark = pytest.mark.usefixtures("queue")  # whether or not this machine has a Slurm


def _run(root, status, reason="", *, config=None, started=None, **environ):
    """A run that is over; what it leaves behind."""
    folder, _ = choose_run_folder(root, "mnist", config or _CONFIG, "never", environ=environ)
    folder.mark(status, reason)
    record = folder.read_record()
    folder.release()
    if started is not None:
        dataclasses.replace(record, started=f"2014-06-{started:02}T00:00:00+00:00").write(folder.status)
    return folder


def _choose(root, config=None, *arguments, **environ):
    folder, resumed = choose_run_folder(root, "mnist", config or _CONFIG, *arguments, environ=environ)
    folder.release()
    return folder.path, resumed


@pytest.mark.parametrize(
    ("status", "reason", "resumed"),
    [
        ("running", "", True),  # killed: nobody marked it
        ("stopped", "preempted", True),
        ("failed", "No space left on device", True),
        ("failed", "nan: loss_d at round 120", False),
        ("finished", "", False),
    ],
)
def test_auto_goes_on_with_what_can_go_on(tmp_path, status, reason, resumed):
    earlier = _run(tmp_path, status, reason)
    path, went_on = _choose(tmp_path)
    assert went_on is resumed
    assert (path == earlier.path) is resumed
    if resumed:
        record = earlier.read_record()
        assert (record.status, record.reason, record.resumed) == ("running", "", 1)


def test_auto_takes_the_newest_of_the_same_configuration_and_leaves_the_living(tmp_path):
    _run(tmp_path, "stopped", started=1)
    wanted = _run(tmp_path, "stopped", started=3)
    second = _run(tmp_path, "stopped", started=2)
    _run(tmp_path, "stopped", started=4, config=_OTHER)
    folder, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={})
    assert folder.path == wanted.path
    assert _choose(tmp_path) == (second.path, True)
    folder.release()


def test_auto_without_an_earlier_run_starts_one(tmp_path):
    path, resumed = _choose(tmp_path)
    assert not resumed
    assert path.parent == tmp_path / "mnist"


def test_never_starts_a_new_run(tmp_path):
    earlier = _run(tmp_path, "stopped")
    path, resumed = _choose(tmp_path, _CONFIG, "never")
    assert not resumed
    assert path != earlier.path


def test_a_path_goes_on_with_that_run_even_an_older_one(tmp_path):
    earlier = _run(tmp_path, "stopped", started=1)
    _run(tmp_path, "stopped", started=2)
    assert _choose(tmp_path, _CONFIG, str(earlier.path)) == (earlier.path, True)
    earlier = _run(tmp_path, "stopped", started=1)
    assert _choose(tmp_path, _CONFIG, earlier.path, earlier.path) == (earlier.path, True)


def test_a_path_of_a_finished_run_is_refused_with_what_may_be_meant(tmp_path):
    finished = _run(tmp_path, "finished", started=1)
    expected = r"the run has finished, and nothing is left to train: .*--ckpt_path .* --trainer\.max_epochs N.*--init_f"
    for config in (_CONFIG, _OTHER):
        with pytest.raises(UserError, match=expected):
            _choose(tmp_path, config, str(finished.path))
    assert finished.read_record().status == "finished"


def test_a_path_that_is_no_run_is_told(tmp_path):
    with pytest.raises(UserError, match=r"--resume atuo: expected auto, never or the path of a run folder"):
        _choose(tmp_path, _CONFIG, "atuo")
    with pytest.raises(UserError, match=r"is not a run folder"):
        _choose(tmp_path, _CONFIG, str(tmp_path))


@pytest.mark.parametrize("by", ["resume", "run_dir"])
def test_a_run_of_another_configuration_is_told_with_what_differs(tmp_path, by):
    earlier = _run(tmp_path, "stopped")
    arguments = (str(earlier.path),) if by == "resume" else ("auto", earlier.path)
    expected = r"holds a run of another configuration \(model\.lr: got 0\.2, expected 0\.1\): give that"
    with pytest.raises(UserError, match=expected):
        _choose(tmp_path, _OTHER, *arguments)
    assert earlier.read_record().status == "stopped"
    assert not earlier.is_alive()


def test_two_different_folders_cannot_both_be_meant(tmp_path):
    earlier = _run(tmp_path, "stopped")
    with pytest.raises(UserError, match=r"--resume .* and --run_dir .* name two folders: give only --resume PATH"):
        _choose(tmp_path, _CONFIG, str(earlier.path), tmp_path / "other")


@pytest.mark.parametrize("status", ["stopped", "finished"])
def test_an_explicit_folder_is_begun_and_then_gone_on_with(tmp_path, status):
    mine = tmp_path / "mine"
    folder, resumed = choose_run_folder(tmp_path, "mnist", _CONFIG, "auto", mine, environ={})
    assert (folder.path, resumed) == (mine, False)
    folder.mark(status)
    folder.release()
    assert _choose(tmp_path, _CONFIG, "auto", mine) == (mine, True)
    with pytest.raises(UserError, match="holds a run already"):
        _choose(tmp_path, _CONFIG, "never", mine)


def test_an_explicit_folder_wins_over_an_earlier_run(tmp_path):
    _run(tmp_path, "stopped")
    assert _choose(tmp_path, _CONFIG, "auto", tmp_path / "mine") == (tmp_path / "mine", False)


@pytest.mark.parametrize("by", ["resume", "run_dir"])
def test_an_explicit_folder_that_is_alive_is_told(tmp_path, by):
    folder, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={})
    arguments = (str(folder.path),) if by == "resume" else ("auto", folder.path)
    with pytest.raises(UserError, match=r"is being written by process \d+ on \S+: wait for it to end or stop it"):
        _choose(tmp_path, _CONFIG, *arguments)
    folder.release()


def test_a_run_of_a_sweep_is_its_own_and_no_other(tmp_path):
    earlier = _run(tmp_path, "stopped", WANDB_RUN_ID="trial1")
    path, resumed = _choose(tmp_path, WANDB_RUN_ID="trial2")
    assert (path.name, resumed) == ("trial2", False)
    assert _choose(tmp_path, WANDB_RUN_ID="trial1") == (earlier.path, True)


def test_a_requeued_slurm_job_goes_on_with_its_own_run(tmp_path):
    mine = _run(tmp_path, "stopped", started=1, SLURM_JOB_ID="7")
    newer = _run(tmp_path, "stopped", started=2, SLURM_JOB_ID="8")
    assert _choose(tmp_path, SLURM_JOB_ID="7") == (mine.path, True)
    assert _choose(tmp_path, SLURM_JOB_ID="9") == (newer.path, True)  # the same command, submitted again


def _array_task(task, array="7"):
    return {"SLURM_JOB_ID": f"{int(array) + int(task)}", "SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task}


def test_a_task_of_an_array_never_takes_a_siblings_run_and_finds_its_own(tmp_path, queue):
    mine = _run(tmp_path, "stopped", "preempted", started=1, **_array_task("1"))
    theirs = _run(tmp_path, "stopped", "preempted", started=2, **_array_task("2"))
    with pytest.warns(
        UserWarning, match=rf"^{theirs.path} is left to Slurm job 7_2, another task of this array"
    ) as told:
        path, resumed = _choose(tmp_path, **_array_task("3"))
    assert (path.name, resumed, len(told)) == ("slurm-7_3", False, 1)
    assert str(told[0].message).endswith(f": --resume {theirs.path} goes on with it here all the same (and 1 more).")
    assert _choose(tmp_path, **_array_task("1")) == (mine.path, True)
    assert not queue.asked  # that they are siblings says it all


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "REQUEUE_HOLD"])
@pytest.mark.parametrize("who", [{}, {"SLURM_JOB_ID": "9"}], ids=["terminal", "another job"])
def test_the_run_of_a_job_in_the_queue_is_left_to_it(tmp_path, queue, state, who):
    waiting = _run(tmp_path, "stopped", "preempted", SLURM_JOB_ID="7")
    queue.holds("7", state)
    expected = rf"^{waiting.path} is left to Slurm job 7, which is still in the queue: --resume {waiting.path} goes on"
    with pytest.warns(UserWarning, match=expected):
        path, resumed = _choose(tmp_path, **who)
    assert path != waiting.path
    assert not resumed
    assert queue.asked == ["-h -o %T -j 7"]
    assert _choose(tmp_path, SLURM_JOB_ID="7") == (waiting.path, True)


@pytest.mark.parametrize("ended", ["long ago", "just now"])
@pytest.mark.parametrize("who", [{}, {"SLURM_JOB_ID": "9"}, _array_task("2", "8")], ids=["terminal", "job", "task"])
def test_the_run_of_a_job_that_is_gone_is_gone_on_with(tmp_path, queue, ended, who):
    timed_out = _run(tmp_path, "stopped", "preempted", **_array_task("1"))
    if ended == "just now":
        queue.holds("7_1", "")
    assert _choose(tmp_path, **who) == (timed_out.path, True)
    assert queue.asked == ["-h -o %T -j 7_1"]


def test_a_run_belongs_to_whoever_went_on_with_it_last(tmp_path, queue):
    earlier = _run(tmp_path, "stopped", SLURM_JOB_ID="7")
    assert _choose(tmp_path, SLURM_JOB_ID="8") == (earlier.path, True)
    assert earlier.path.name == "slurm-7"  # its name does not say it
    queue.holds("8")
    with pytest.warns(UserWarning, match="is left to Slurm job 8"):
        assert not _choose(tmp_path, SLURM_JOB_ID="7")[1]
    assert _choose(tmp_path, _CONFIG, str(earlier.path)) == (earlier.path, True)
    assert earlier.read_record().owner is None  # a terminal's, since it was asked for by its path


def test_a_folder_that_a_job_was_given_belongs_to_the_job(tmp_path, queue):
    folder, _ = choose_run_folder(
        tmp_path, "mnist", _CONFIG, "auto", tmp_path / "mnist" / "mine", environ={"SLURM_JOB_ID": "7"}
    )
    folder.mark("stopped", "preempted")
    folder.release()
    queue.holds("7")
    with pytest.warns(UserWarning, match=r"mine is left to Slurm job 7"):
        assert not _choose(tmp_path)[1]


@pytest.mark.parametrize(
    ("status", "reason", "left"),
    [("stopped", "preempted", True), ("running", "", True), ("stopped", "interrupted", False), ("failed", "x", False)],
)
@pytest.mark.parametrize("how", ["unreachable", "absent"])
def test_without_an_answer_of_squeue_what_may_come_back_is_left_alone(
    tmp_path, queue, monkeypatch, how, status, reason, left
):
    runs = [_run(tmp_path, status, reason, started=day, SLURM_JOB_ID=f"{day}") for day in (1, 2)]
    queue.fails("unreachable")
    if how == "absent":
        monkeypatch.setenv("PATH", str(tmp_path))
    if left:
        expected = rf"^{runs[1].path} is left to Slurm job 2, which may come back \(squeue cannot be asked\): --resume"
        with pytest.warns(UserWarning, match=expected):
            assert not _choose(tmp_path)[1]
    else:
        assert _choose(tmp_path) == (runs[1].path, True)
    assert len(queue.asked) == (how == "unreachable")  # once in vain is enough


def test_the_queue_is_asked_only_about_runs_that_could_be_taken(tmp_path, queue):
    _run(tmp_path, "finished", SLURM_JOB_ID="1")
    _run(tmp_path, "failed", "nan: loss_d", SLURM_JOB_ID="2")
    _run(tmp_path, "stopped", config=_OTHER, SLURM_JOB_ID="3")
    alive, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={"SLURM_JOB_ID": "4"})
    _choose(tmp_path)  # a terminal's, newer than what follows
    _run(tmp_path, "stopped", started=1, SLURM_JOB_ID="5")
    assert _choose(tmp_path)[1]
    alive.release()
    assert not queue.asked


def test_a_terminal_leaves_the_trial_of_an_agent_alone(tmp_path):
    trial = _run(tmp_path, "stopped", "preempted", WANDB_RUN_ID="3fa9x2")
    expected = rf"^{trial.path} is left to W&B run 3fa9x2, which only its own WANDB_RUN_ID goes on with: --resume"
    with pytest.warns(UserWarning, match=expected):
        path, resumed = _choose(tmp_path)
    assert (path == trial.path, resumed) == (False, False)
    assert _choose(tmp_path, WANDB_RUN_ID="3fa9x2") == (trial.path, True)


def test_a_run_that_cannot_be_looked_at_is_passed_over(tmp_path):
    earlier = _run(tmp_path, "stopped")
    earlier.lock.unlink()
    earlier.lock.symlink_to(earlier.lock)
    assert not _choose(tmp_path)[1]


def test_a_broken_record_is_left_aside_with_a_warning(tmp_path):
    earlier = _run(tmp_path, "stopped")
    broken = _run(tmp_path, "stopped")
    broken.status.write_text("{")
    with pytest.warns(UserWarning, match=rf"Left aside .*{broken.path.name}/run\.json is not the record"):
        assert _choose(tmp_path) == (earlier.path, True)


@pytest.mark.parametrize("change", [{"status": "finished"}, {"owner": "slurm:7"}])
def test_a_run_that_ends_or_is_taken_while_it_is_being_chosen_is_not_gone_on_with(tmp_path, monkeypatch, change):
    earlier = _run(tmp_path, "stopped")

    def and_then_it_changes(group, wanted, mine):
        seen = earlier.read_record()
        dataclasses.replace(seen, **change).write(earlier.status)
        return [(RunFolder(earlier.path), seen)]

    monkeypatch.setattr(resume, "_resumable", and_then_it_changes)
    path, resumed = _choose(tmp_path)
    assert not resumed
    assert path != earlier.path
    assert dataclasses.replace(earlier.read_record(), **change) == earlier.read_record()


def test_torchrun_needs_a_folder_that_all_ranks_know(tmp_path):
    launched = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}
    _run(tmp_path, "stopped")
    for rank in "01":
        with pytest.raises(UserError, match="--run_dir PATH is required when torchrun"):
            _choose(tmp_path, RANK=rank, **launched)


@pytest.mark.parametrize("by", ["run_dir", "resume", "wandb", "wandb never"])
def test_ranks_of_torchrun_meet_in_one_folder(tmp_path, by):
    environ = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}
    arguments = ()
    if by == "run_dir":
        arguments = ("auto", tmp_path / "a")
    elif by == "resume":
        arguments = (str(_run(tmp_path, "stopped").path),)
    else:
        environ["WANDB_RUN_ID"] = "trial1"
        arguments = ("never",) if by == "wandb never" else ()
    second, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, *arguments, environ={**environ, "RANK": "1"})
    first, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, *arguments, environ={**environ, "RANK": "0"})
    assert first.path == second.path
    first.release()


def test_a_rank_that_rank_zero_started_gets_its_folder_and_sees_its_checkpoints(tmp_path):
    environ = {}
    first, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, environ=environ)
    second, resumed = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={**environ, "LOCAL_RANK": "1"})
    assert (second.path, resumed) == (first.path, False)
    (first.checkpoints / "last.ckpt").touch()
    _, resumed = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={**environ, "LOCAL_RANK": "1"})
    assert resumed
    first.release()


def test_ranks_of_srun_find_what_rank_zero_chose(tmp_path):
    older = _run(tmp_path, "stopped", SLURM_JOB_ID="6")
    environ = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}
    first, resumed = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={**environ, "SLURM_PROCID": "0"})
    second, _ = choose_run_folder(tmp_path, "mnist", _CONFIG, environ={**environ, "SLURM_PROCID": "1"})
    assert first.path == second.path == older.path
    assert resumed
    first.release()


def test_a_rank_of_srun_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(resume, "_POLL_SECONDS", 0.01)
    # The folder of the job's first life is not rank 0's choice of this one.
    _run(tmp_path, "running", SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    with pytest.raises(UserError, match=r"Rank 0 of this srun has taken no run folder under .*mnist within"):
        _choose(tmp_path, SLURM_JOB_ID="7", SLURM_STEP_ID="0", SLURM_RESTART_COUNT="1", SLURM_PROCID="1")


_CONTENDER = """
import json, sys, warnings
from lit_gan.errors import UserError
from lit_gan.runs import choose_run_folder
warnings.filterwarnings("ignore", ".* is left to Slurm job")
print("ready", flush=True)
for line in sys.stdin:
    turn = json.loads(line)
    try:
        config = {"turn": turn["number"]}
        folder, resumed = choose_run_folder(sys.argv[1], "mnist", config, environ=turn["environ"])
    except UserError as error:
        print(json.dumps([str(error), None]), flush=True)
        continue
    print(json.dumps([str(folder.path), resumed]), flush=True)
    sys.stdin.readline()
    folder.release()
"""


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["new", "resumable", "job in the queue", "same Slurm job", "same W&B run"])
def test_processes_started_at_once_never_share_a_folder(tmp_path, queue, start_python, scene):
    processes = [start_python(_CONTENDER, tmp_path) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for number in range(15):
        if scene in ("resumable", "job in the queue"):
            stopped = _run(tmp_path, "stopped", "preempted", config={"turn": number}, SLURM_JOB_ID=f"{number}")
        if scene == "job in the queue":
            queue.holds(f"{number}")
        environ = {
            "same Slurm job": {"SLURM_JOB_ID": f"{number}"},
            "same W&B run": {"WANDB_RUN_ID": f"w{number}"},
        }
        turn = json.dumps({"number": number, "environ": environ.get(scene, {})}) + "\n"
        for process in processes:
            process.stdin.write(turn)
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in processes]
        if scene == "same W&B run":
            assert sorted("being written by process" in text for text, _ in answers) == [False, True, True, True]
        else:
            assert len({path for path, _ in answers}) == 4
            assert sorted(resumed for _, resumed in answers) == [False, False, False, scene == "resumable"]
        if scene == "job in the queue":
            assert str(stopped.path) not in [path for path, _ in answers]
        for process, (_, resumed) in zip(processes, answers, strict=True):
            if resumed is not None:
                process.stdin.write("\n")
                process.stdin.flush()


@pytest.mark.slow
def test_tasks_of_an_array_started_again_at_once_go_on_each_with_its_own(tmp_path, start_python):
    tasks = [_array_task(f"{number}") for number in range(4)]
    runs = [_run(tmp_path, "stopped", "preempted", config={"turn": 0}, **task) for task in tasks]
    processes = [start_python(_CONTENDER, tmp_path) for _ in tasks]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process, task in zip(processes, tasks, strict=True):
        process.stdin.write(json.dumps({"number": 0, "environ": task}) + "\n")
        process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for process in processes]
    assert answers == [[str(run.path), True] for run in runs]


@pytest.mark.slow
def test_the_run_of_a_killed_process_is_gone_on_with_at_once(tmp_path, start_python):
    process = start_python(_CONTENDER, tmp_path)
    process.stdin.write('{"number": 0, "environ": {}}\n')
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    path, resumed = json.loads(process.stdout.readline())
    assert not resumed
    alive, resumed = _choose(tmp_path, {"turn": 0})
    assert not resumed
    assert str(alive) != path
    RunFolder(alive).status.unlink()
    process.send_signal(signal.SIGKILL)
    process.wait()
    went_on, resumed = _choose(tmp_path, {"turn": 0})
    assert (str(went_on), resumed) == (path, True)
