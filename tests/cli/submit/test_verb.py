"""`lit-gan submit`: what is refused before anything is queued, what is said, and the same job on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import lit_gan
from trainings import ENVIRON

from lit_gan.cluster import torchrun
from lit_gan.cluster.template import SITE_VARIABLE
from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_file import load_sweep
from lit_gan.tuning.sweep_layout import SweepLayout

_FIT = ("fit", "--config", "quickstart", "--trainer.accelerator=cpu")
_SWEEP_ON_CPUS = """
method: grid
metric: {name: val/parzen_nll}
parameters: {seed_everything: {values: [1, 2]}}
program: lit-gan
command: ["${env}", "${program}", fit, --config, quickstart, --trainer.accelerator=cpu, "${args}"]
"""
_TEXTS = ("partition", "account", "qos", "constraint", "mem", "logs", "container", "template")
_LINE = "as in `lit-gan submit --nodes 2 --devices 4 -- fit --config mnist`"


@pytest.fixture(autouse=True)
def _no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SITE_VARIABLE, raising=False)


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slurm's program, which takes anything; what it took stands in the file."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    program = folder / "sbatch"
    program.write_text(f"#!/bin/sh\ncat > {folder}/script\necho 4711\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "script"


def _refused(*arguments: str) -> str:
    return lit_gan("submit", *arguments).line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), f"there is no command: expected one behind --, {_LINE}, or --sweep FILE."),
        (("--nodes=2", "--"), f"there is no command: expected one behind --, {_LINE}, or --sweep FILE."),
        (("--nodes=2", "fit"), "fit: expected -- before the command, as in `lit-gan submit -- fit --config mnist`."),
        (("--node=2", "--", *_FIT), "--node=2: no such option; did you mean --nodes?"),
        (("--", "sample", "x.ckpt"), f"sample: expected one of fit, validate, test, predict behind --, {_LINE}."),
        (("--", "fit", "--help"), "the command only asks something: run it here, without `submit`."),
        (("--nodes=0", "--", *_FIT), "--nodes 0: expected at least 1."),
        (("--devices=-1", "--", *_FIT), "--devices -1: expected at least 1."),
        (("--cpus-per-task=0", "--", *_FIT), "--cpus-per-task 0: expected at least 1."),
        (
            ("--nodes=two", "--", *_FIT),
            "argument --nodes: invalid int value: 'two'; `lit-gan submit --help` lists the ",
        ),
        (("--print", "--local", "--", *_FIT), "argument --local: not allowed with argument --print; `lit-gan submit -"),
        (("--signal-seconds=0", "--", *_FIT), "--signal-seconds 0: expected 1 to 65535."),
        (("--time=4h", "--", *_FIT), "--time 4h: expected MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS"),
        (
            ("--time=2", "--", *_FIT),
            "--time 2: 120 s, and the job is told to stop 90 s before the end (--signal-second",
        ),
        (("--array=4-1", "--", *_FIT), "--array 4-1: expected numbers and ranges with commas between them"),
        (
            ("--job-name=my job", "--", *_FIT),
            "--job-name my job: expected letters, digits and '.', '_', '-', '+', ':'.",
        ),
        (
            ("--job-name=bash", "--", *_FIT),
            "--job-name bash: Lightning takes a job of that name for a terminal; choose",
        ),
        (("--logs=%j", "--", *_FIT), "--logs %j: expected a folder: %j and its like belong to the files in it."),
        (("--storage=a", "--", *_FIT), "--storage a: that is for the trials of a sweep; give --sweep FILE."),
        (("--count=3", "--", *_FIT), "--count 3: that is for the trials of a sweep; give --sweep FILE."),
        (("--partition=a\nb", "--", *_FIT), "--partition 'a\\nb': expected a text of one line."),
        *((("--" + name + "=", "--", *_FIT), f"--{name} '': expected a text of one line.") for name in _TEXTS),
        (
            ("--sbatch=-N 2", "--", *_FIT),
            "--sbatch -N 2: expected a long option of sbatch, as in --sbatch reservation=",
        ),
        (("--sbatch=nodes=2", "--", *_FIT), "--sbatch nodes=2: use --nodes for it."),
        (("--sbatch=ntasks=2", "--", *_FIT), "--sbatch ntasks=2: use --nodes and --devices for it."),
        (("--sbatch=no-requeue", "--", *_FIT), "--sbatch no-requeue: use a template of your own (--template) for it."),
        (
            ("--sbatch=test-only", "--", *_FIT),
            "--sbatch test-only: nothing would be queued; --print shows the script, for `sbatch --test-only` to judge.",
        ),
        (
            ("--sbatch=wait", "--", *_FIT),
            "--sbatch wait: this command ends when the job is queued; --print shows the script, for `sbatch --wait`",
        ),
        (
            ("--sbatch=chdir=/tmp", "--", *_FIT),
            "--sbatch chdir=/tmp: a job runs in the folder that it is submitted from, as its paths are meant; change",
        ),
        (("--sbatch=parsable", "--", *_FIT), "--sbatch parsable: leave it out; the number of the job is alone on the"),
        (("--sbatch=quiet", "--", *_FIT), "--sbatch quiet: leave it out; what is told beside the number of the job is"),
        (("--container=no.sif", "--", *_FIT), "--container no.sif: no such file; expected an image, or docker://NAME"),
        (("--template=no.j2", "--", *_FIT), "--template no.j2: no such file; expected a Jinja2 template of a script"),
    ],
)
def test_an_option_that_cannot_be_used_is_told(arguments: tuple[str, ...], told: str) -> None:
    assert _refused(*arguments).startswith(told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--", *_FIT, "--trainer.max_epoch=3"),
            "--trainer.max_epoch: no such option; did you mean --trainer.max_e",
        ),
        (("--", "fit", "--config", "mnits"), "--config mnits: no such file, and no shipped configuration of that name"),
        (("--", "test", "runs/none"), "runs/none does not exist: "),
        (
            ("--nodes=4", "--", *_FIT, "--trainer.num_nodes=2"),
            "--nodes 4 against --trainer.num_nodes 2 of the command or its configuration: give one, or equal ones.",
        ),
        (
            ("--devices=8", "--", *_FIT, "--trainer.devices=2"),
            "--devices 8 against --trainer.devices 2 of the command or its configuration: give one, or equal ones.",
        ),
        (("--", *_FIT, "--trainer.devices=0"), "--trainer.devices 0: expected at least 1, or auto."),
        (
            ("--no-gpus", "--", *_FIT, "--trainer.accelerator=gpu"),
            "--no-gpus against --trainer.accelerator gpu: leave one of them out.",
        ),
        (
            ("--", *_FIT, "--resume=never"),
            "--resume never: after a requeue the job would begin anew; give --run_dir PA",
        ),
        (
            ("--", *_FIT, "--seed_everything", "%a"),
            "%a stands for the number of an array's task: expected --array SPEC (%%a for the text itself).",
        ),
        (
            ("--array=0-2", "--", *_FIT),
            "--array 0-2: nothing differs between the tasks; write %a where the task's number belongs, as",
        ),
        (("--array=0-2", "--", *_FIT, "--run_dir=a"), "--array 0-2: nothing differs between the tasks"),
        (("--array=0-2%1", "--", *_FIT), "--array 0-2%1: nothing differs between the tasks"),
        (("--array=0-2", "--", *_FIT, "--seed_everything=%ax"), "--seed_everything: expected true or false or a whole"),
    ],
)
def test_a_command_that_would_fail_in_the_job_is_told_before(arguments: tuple[str, ...], told: str) -> None:
    assert _refused(*arguments).startswith(told)


def test_the_tasks_of_an_array_are_not_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    told = "--array with WANDB_RUN_ID set: all tasks would be that one run; unset it."
    assert _refused("--array=0-2", "--", *_FIT, "--seed_everything=%a") == told


def test_predictions_are_of_one_process(finished_run: Path) -> None:
    told = _refused("--devices=2", "--", "predict", str(finished_run), "--trainer.devices=auto")
    assert told == "predict is of one process: expected --nodes 1 and --devices 1."


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--sweep=digits_quick", "--", *_FIT),
            "--sweep digits_quick has a command of its own: leave out what follows",
        ),
        (
            ("--sweep=digits_qick",),
            "--sweep digits_qick: no such file; expected a sweep file, one of ",
        ),
        (
            ("--sweep=a/b/c1b2c3d4", "--count=3"),
            "--count 3: a job runs one trial of a sweep at W&B; expected as many ta",
        ),
        (
            ("--sweep=a/b/c1b2c3d4", "--storage=x.journal"),
            "--storage x.journal: a sweep at W&B has no journal; leave it out.",
        ),
        (
            ("--sweep=digits_quick", "--container=docker://x"),
            "--container with --sweep: a trial in an image can start no",
        ),
        (("--sweep=digits_quick", "--count=0"), "--count 0: expected at least 1."),
        (
            ("--sweep=list.yaml",),
            "list.yaml: expected the keys of a sweep (method, metric, parameters, command)",
        ),
        (("--sweep=broken.yaml",), "broken.yaml"),
    ],
)
def test_a_sweep_that_is_none_is_told(arguments: tuple[str, ...], told: str) -> None:
    Path("list.yaml").write_text("- a\n")
    Path("broken.yaml").write_text("a: [\n")
    assert _refused(*arguments).startswith(told)


def test_how_many_trials_there_are_must_be_said_somewhere() -> None:
    Path("own.yaml").write_text(_SWEEP_ON_CPUS.replace("method: grid", "method: random"))
    told = "--count: expected how many trials there are: a random sweep has no end of its own."
    assert _refused("--sweep=own.yaml") == told
    assert _script("--sweep=own.yaml", "--count=5")[-1].endswith("--workers 1 --count 5")


def test_the_journal_of_a_sweep_is_looked_at_before_its_workers_are_queued(sbatch: Path) -> None:
    own = Path("own.yaml")
    own.write_text(_SWEEP_ON_CPUS)
    options = ("--sweep=own.yaml", "--storage=here/mine.journal")
    assert _script(*options)[-1].endswith("sweep own.yaml --storage here/mine.journal --workers 1")
    assert not Path("here").exists()

    study = SweepStudy.begin(load_sweep(own), SweepLayout(Path("here/mine.journal")))
    for number in range(2):
        assert lit_gan("submit", *options).code == 0
        sbatch.unlink()
        study.take("me", 2)
        study.complete(number, 0.5)
    over = "--storage here/mine.journal: all 2 trials are over; give a larger --count, or another file."
    assert _refused(*options) == over
    own.write_text(_SWEEP_ON_CPUS.replace("[1, 2]", "[1, 3]"))
    assert _refused(*options).startswith("--storage here/mine.journal was begun with other parameters in own: ")
    assert not sbatch.exists()


def test_an_option_of_a_sweep_that_there_is_not_is_told() -> None:
    Path("own.yaml").write_text(_SWEEP_ON_CPUS.replace("seed_everything", "trainer.max_epoch"))
    assert _refused("--sweep=own.yaml").startswith("own.yaml: --trainer.max_epoch: no such option")


def test_without_slurm_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _refused("--", *_FIT) == (
        "sbatch cannot be run (No such file or directory): expected a login node of a Slurm cluster; --print shows the "
        "script, and --local runs the job on this machine."
    )


def test_a_folder_of_logs_that_cannot_be_made_is_told(sbatch: Path) -> None:
    Path("taken").touch()
    assert _refused("--logs=taken", "--", *_FIT) == "--logs taken: cannot be made (File exists)."
    assert not sbatch.exists()


def test_the_number_is_alone_on_the_first_line_and_the_log_is_told_beside(sbatch: Path) -> None:
    ending = lit_gan("submit", "--nodes=2", "--job-name=gan", "--logs=a/b", "--", *_FIT)
    assert (ending.code, ending.out) == (0, "4711\n")
    assert ending.err.splitlines() == [
        "lit-gan: job 4711 (gan, 2 x 1 processes) is queued",
        "  follow  tail -F a/b/gan-4711.out",
        "  state   squeue -j 4711",
        "  cancel  scancel 4711",
    ]
    assert Path("a/b").is_dir()
    printed = lit_gan("submit", "--nodes=2", "--job-name=gan", "--logs=a/b", "--print", "--", *_FIT)
    assert sbatch.read_text() == printed.out.replace(" --print", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--print", "--sweep=ada/gan/a1b2c3d4"]])
def test_what_needs_no_torch_answers_at_once(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom lit_gan.cli.main import main\n"
        f"assert main(['submit', *{arguments}]) == 0\n"
        "assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    environ = {**os.environ, **ENVIRON}
    shown = subprocess.run([sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True)
    assert shown.stdout.startswith(("usage: lit-gan submit", "#!/bin/bash"))


@pytest.mark.usefixtures("sbatch")
@pytest.mark.parametrize(("array", "log"), [(None, "'my logs/mnist-4711.out'"), ("1-3", "'my logs/mnist-4711_'*.out")])
def test_the_command_that_follows_can_be_pasted(array: str | None, log: str) -> None:
    options, seed = ([], "1") if array is None else ([f"--array={array}"], "%a")
    ending = lit_gan("submit", "--logs=my logs", *options, "--", "fit", "--config=mnist", f"--seed_everything={seed}")
    assert ending.err.splitlines()[1] == f"  follow  tail -F {log}"


@pytest.mark.usefixtures("sbatch")
def test_the_logs_of_an_array_are_told_together() -> None:
    ending = lit_gan("submit", "--array=1-3", "--", "fit", "--config=mnist", "--seed_everything=%a")
    assert ending.out == "4711\n"
    assert ending.err.splitlines()[:2] == [
        "lit-gan: job 4711 (mnist, 1 x 1 GPUs) is queued",
        "  follow  tail -F runs/slurm/mnist-4711_*.out",
    ]


def _script(*arguments: str) -> list[str]:
    ending = lit_gan("submit", "--print", *arguments)
    assert (ending.code, ending.err) == (0, "")
    return ending.out.splitlines()


@pytest.mark.parametrize("devices", ["--trainer.devices=2", "--trainer.devices=0,1", "--trainer.devices=[3,1]"])
def test_machines_that_the_command_names_need_no_option(devices: str) -> None:
    script = _script("--", *_FIT, devices, "--trainer.num_nodes=3")
    assert {"#SBATCH --nodes=3", "#SBATCH --ntasks-per-node=2"} <= set(script)
    assert script[-1].count("--trainer.devices") == script[-1].count("--trainer.num_nodes") == 1


def test_machines_that_a_configuration_names_need_no_option() -> None:
    Path("mine.yaml").write_text("trainer: {devices: 4, num_nodes: 2, accelerator: cpu}")
    script = _script("--", "fit", "--config=quickstart", "--config=mine.yaml")
    assert {"#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=4"} <= set(script)
    assert not any("gpu:" in line for line in script)


@pytest.mark.parametrize("devices", ["auto", "-1"])
def test_as_many_devices_as_there_are_means_those_of_the_job(devices: str) -> None:
    script = _script("--devices=4", "--", "fit", "--config=mnist", f"--trainer.devices={devices}")
    assert "#SBATCH --gres=gpu:4" in script
    assert script[-1].endswith(f"--trainer.devices={devices} --trainer.num_nodes=1 --trainer.devices=4")


@pytest.mark.parametrize(
    ("config", "options"), [("", ("--trainer.devices=auto",)), ("", ("--trainer.devices", "-1")), ("auto", ())]
)
def test_as_many_devices_as_there_are_is_told_to_be_one_where_no_number_is_given(
    config: str, options: tuple[str, ...]
) -> None:
    Path("mine.yaml").write_text(f"trainer: {{devices: {config or 1}}}")
    ending = lit_gan("submit", "--print", "--", *_FIT, "--config=mine.yaml", *options)
    told = "lit-gan: --trainer.devices auto: one device on each machine is taken; --devices N asks for more.\n"
    assert (ending.code, ending.err) == (0, told)
    assert ending.out.splitlines()[-1].endswith("--trainer.devices=1")


@pytest.mark.parametrize(
    ("options", "lines"),
    [((), ["#SBATCH --gres=gpu:2"]), (("--no-gpus",), []), (("--sbatch=gpus-per-task=h100:1",), [])],
)
def test_gpus_are_asked_for_unless_that_is_settled_otherwise(options: tuple[str, ...], lines: list[str]) -> None:
    script = _script("--devices=2", *options, "--", "fit", "--config=mnist")
    assert [line for line in script if "--gres" in line and line.startswith("#SBATCH")] == lines


def test_a_chain_of_tasks_goes_on_with_one_run() -> None:
    assert "#SBATCH --array=1-5%1" in _script("--array=1-5%1", "--", *_FIT, "--run_dir=runs/long")


@pytest.mark.parametrize("as_parameter", [False, True])
def test_the_sweep_of_a_file_may_train_on_cpus(as_parameter: bool) -> None:
    sweep = _SWEEP_ON_CPUS
    if as_parameter:
        sweep = sweep.replace(" --trainer.accelerator=cpu,", "")
        sweep = sweep.replace("parameters: {", "parameters: {trainer.accelerator: {value: cpu}, ")
        assert sweep.count("accelerator") == 1
    Path("own.yaml").write_text(sweep)
    script = _script("--sweep=own.yaml", "--devices=2")
    assert not any("gpu:" in line for line in script)
    assert script[-1].endswith("-m lit_gan sweep own.yaml --storage runs/own.journal --workers 1")


def test_a_site_has_a_template_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("site.j2").write_text("#!/bin/sh\nmodule load lit-gan\n{{ job.command }}\n")
    monkeypatch.setenv(SITE_VARIABLE, "site.j2")
    assert _script("--", *_FIT)[1] == "module load lit-gan"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--nodes=2", "--", *_FIT), "--nodes 2 with --local: this is one machine."),
        (
            ("--array=0-1", "--", *_FIT, "--seed_everything=%a"),
            "--array with --local: this machine runs the command onc",
        ),
        (
            ("--container=docker://x", "--", *_FIT),
            "--container with --local: this machine runs the command once, and it",
        ),
    ],
)
def test_what_this_machine_cannot_do_is_told(arguments: tuple[str, ...], told: str) -> None:
    assert _refused("--local", *arguments).startswith(told)


class _Became(BaseException):
    """What the process would have become."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> None:
    def execv(file: str, command: list[str]) -> None:
        assert file == sys.executable
        raise _Became(command[1:], os.environ.get("OMP_NUM_THREADS"))

    monkeypatch.setattr(os, "execv", execv)


@pytest.mark.usefixtures("became")
def test_on_one_device_the_process_becomes_the_command() -> None:
    with pytest.raises(_Became) as became:
        lit_gan("submit", "--local", "--time=1:00:00", "--cpus-per-task=3", "--", *_FIT, "--run_dir=100%%a")
    told = ["--trainer.num_nodes=1", "--trainer.devices=1"]
    assert became.value.args == (["-m", "lit_gan", *_FIT, "--run_dir=100%a", *told], "3")


@pytest.mark.usefixtures("became")
def test_a_sweep_becomes_its_worker() -> None:
    with pytest.raises(_Became) as became:
        lit_gan("submit", "--local", "--sweep=a/b/c1b2c3d4", "--devices=2")
    assert became.value.args[0] == ["-m", "wandb", "agent", "--count", "1", "--forward-signals", "a/b/c1b2c3d4"]


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What torchrun would have been asked for, and what it says that a stopped run ended with."""
    asked: list[Any] = []

    def run_ranks(arguments: list[str], processes: int, stopped: Any) -> int:
        asked.extend([arguments, processes, stopped])
        return 75

    monkeypatch.setattr(torchrun, "run_ranks", run_ranks)
    return asked


def test_on_several_devices_a_run_folder_is_made_up_once(ranks: list[Any]) -> None:
    ending = lit_gan("submit", "--local", "--devices=2", "--", *_FIT)
    arguments, processes, _ = ranks
    run_dir = arguments[-1].removeprefix("--run_dir=")
    assert (ending.code, processes) == (75, 2)
    assert Path(run_dir).parent == Path("runs/quickstart")
    assert ending.err == f"lit-gan: the run folder is {run_dir}; with --run_dir {run_dir} the run goes on\n"


@pytest.mark.parametrize("own", ["--run_dir=mine", "--resume=mine"])
def test_a_run_folder_of_the_users_stays(ranks: list[Any], own: str) -> None:
    ending = lit_gan("submit", "--local", "--devices=2", "--", *_FIT, own)
    arguments, _, stopped = ranks
    assert (ending.err, [word for word in arguments if "mine" in word]) == ("", [own])
    Path("mine").mkdir()
    assert stopped() is None


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("stopped", "preempted", 75),
        ("stopped", "interrupted", 130),
        ("stopped", "stopped by the tracker", 0),
        ("stopped", "it could not go on", None),
        ("failed", "nan", None),
        ("running", "", None),
    ],
)
def test_the_record_of_a_stopped_run_says_how_it_ended(
    ranks: list[Any], finished_run: Path, status: str, reason: str, code: int | None
) -> None:
    file = finished_run / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": status, "reason": reason}))
    lit_gan("submit", "--local", "--devices=2", "--", *_FIT, f"--run_dir={finished_run}")
    assert ranks[2]() == code
