"""Verbs, exit codes, and how little is imported for the help."""

import errno
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import lit_gan

import lit_gan as package
from lit_gan.callbacks.stop_signals import StopSignals
from lit_gan.cli import main as main_module
from lit_gan.cli import srun
from lit_gan.engine import c_library
from lit_gan.errors import DISK_FULL, RunError, RunStopped, UserError

_ROOT = Path(package.__file__).parents[1]


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"]])
def test_help_names_verbs_and_configurations(arguments: list[str]) -> None:
    ending = lit_gan(*arguments)
    assert ending.code == 0
    for name in ("fit", "validate", "test", "predict", "sample", "quickstart", "cifar10_conv"):
        assert name in ending.out


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option: str) -> None:
    assert lit_gan(option).out == f"lit-gan {package.__version__}\n"


def test_unknown_verb_is_told() -> None:
    assert lit_gan("trian").line.startswith("unknown command 'trian': expected one of fit, validate, test, predict")


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "sample"])
def test_every_verb_has_a_help(verb: str) -> None:
    ending = lit_gan(verb, "--help")
    assert ending.code == 0
    assert "usage: lit-gan" in ending.out


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (UserError("one\n  thing"), 2, "lit-gan: error: one thing\n"),
        (KeyboardInterrupt(), 130, "lit-gan: stopped by Ctrl-C.\n"),
        (RunError("nan: at\n  round 3"), 1, "lit-gan: failed: nan: at round 3\n"),
        (RunStopped("interrupted"), 130, ""),
        (RunStopped("preempted"), 75, ""),
        (RunStopped("stopped by the tracker"), 0, ""),
    ],
)
def test_endings_become_exit_codes(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verb(arguments: list[str]) -> int:
        raise raised

    monkeypatch.setattr(main_module, "_dispatch", verb)
    ending = lit_gan("fit")
    assert (ending.code, ending.err) == (code, said)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_no_rank_of_a_preempted_run_can_be_killed_on_its_way_out(rank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def verb(arguments: list[str]) -> int:
        raise RunStopped("preempted")

    kept: list[str] = []
    monkeypatch.setattr(main_module, "_dispatch", verb)
    monkeypatch.setattr(srun, "keep_the_exit_code", lambda: kept.append(rank))
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_PROCID": rank}.items():
        monkeypatch.setenv(name, value)
    assert lit_gan("fit").code == (75 if rank == "0" else 0)
    assert rank in kept


def test_a_command_gives_the_signals_back_to_the_program_that_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def verb(arguments: list[str]) -> int:
        StopSignals().listen()
        raise UserError("refused")

    monkeypatch.setattr(main_module, "_dispatch", verb)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    assert lit_gan("fit").code == 2
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_process_of_its_own_heeds_no_second_signal_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    signals = StopSignals()

    def verb(arguments: list[str]) -> int:
        signals.listen()
        raise RunStopped("preempted")

    monkeypatch.setattr(main_module, "_dispatch", verb)
    try:
        assert main_module.main() == 75
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.flag
    finally:
        signals.restore()


def test_a_failure_that_nobody_foresaw_is_one_line_and_its_traceback_can_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def verb(arguments: list[str]) -> int:
        raise RuntimeError("a bug\non two lines.")

    monkeypatch.setattr(main_module, "_dispatch", verb)
    monkeypatch.chdir(Path(__file__).parent)
    ending = lit_gan("fit")
    place = f"test_main.py, line {verb.__code__.co_firstlineno + 1}, in verb"
    told = (
        f"lit-gan: failed: RuntimeError: a bug on two lines ({place}); LIT_GAN_TRACEBACK=1 shows the whole traceback."
    )
    assert (ending.code, ending.err) == (1, f"{told}\n")
    monkeypatch.setenv("LIT_GAN_TRACEBACK", "1")
    lines = lit_gan("fit").err.splitlines()
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", told)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["trian"]])
def test_nothing_heavy_is_imported_before_a_verb_is_known(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom lit_gan.cli.main import main\n"
        f"main({arguments})\n"
        "heavy = {'torch', 'lightning', 'numpy', 'scipy', 'sklearn', 'torchvision', 'wandb', 'jsonargparse', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=_ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("own", [True, False])
def test_no_collection_looks_for_garbage_among_what_is_imported(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(name: str) -> SimpleNamespace:
        collects.append(gc.isenabled())
        return SimpleNamespace(main=name)

    collects: list[bool] = []
    if own:  # a program that calls a command has imported torch, and what else there is, is its own
        monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(main_module, "import_module", importing)
    frozen = gc.get_freeze_count()
    assert main_module._imported("runs") == "lit_gan.cli.runs"
    assert (collects, gc.isenabled(), gc.get_freeze_count() > frozen) == ([not own], True, own)


@pytest.mark.parametrize("own", [True, False])
def test_a_process_of_its_own_does_not_take_torch_down(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that calls a command goes on after it."""
    told: list[bool] = []
    monkeypatch.setattr(c_library, "end_without_destructors", lambda: told.append(True))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # a process of its own heeds who reads it
    monkeypatch.setattr(sys, "argv", ["lit-gan", "--version"])
    assert main_module.main(None if own else ["--version"]) == 0
    assert told == [True] * own


def test_python_m_lit_gan_is_the_same() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "lit_gan", "trian"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("lit-gan: error: unknown command 'trian'")


@pytest.mark.parametrize(("kind", "code"), [(RunError, 1), (UserError, 2)])
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("sweep", ["LIT_GAN_SWEEP", "WANDB_SWEEP_ID", None])
def test_only_the_worker_that_started_a_trial_is_told_of_a_full_disk_by_another_code(
    kind: type[Exception], code: int, reason: int, sweep: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verb(arguments: list[str]) -> int:
        try:
            raise OSError(reason, os.strerror(reason))
        except OSError as error:
            raise kind("last.ckpt was not written") from error

    monkeypatch.setattr(main_module, "_dispatch", verb)
    if sweep is not None:
        monkeypatch.setenv(sweep, "s")

    left = sweep == "LIT_GAN_SWEEP" and reason != errno.EIO
    assert lit_gan("fit").code == (DISK_FULL if left else code)


@pytest.mark.parametrize("sweep", ["LIT_GAN_SWEEP", None])
def test_an_error_that_is_told_out_of_its_own_causes_ends_the_command(
    sweep: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an argument's class says lies behind the parser's report, out of which it is raised: a circle."""

    def verb(arguments: list[str]) -> int:
        told, report = UserError("lr = -1"), ValueError("a report")
        report.__cause__ = told
        raise told from report

    monkeypatch.setattr(main_module, "_dispatch", verb)
    if sweep is not None:
        monkeypatch.setenv(sweep, "s")
    assert lit_gan("fit").line == "lr = -1"


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict"])
def test_the_help_of_a_verb_is_for_its_users(verb: str) -> None:
    text = lit_gan(verb, "--help", "all").out
    assert "--wandb" in text
    assert not any(word in text for word in ("Args:", "Returns:"))


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "baselines"])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_of_a_verb_begins_with_a_page(verb: str, option: str) -> None:
    ending = lit_gan(verb, option)
    assert ending.code == 0
    lines = ending.out.splitlines()
    assert lines[0].startswith(f"usage: lit-gan {verb} ")
    assert lines[1].startswith(f"       lit-gan {verb} --help CLASS")
    assert lines[2].startswith(f"       lit-gan {verb} --help all")
    assert f"  lit-gan {verb} " in ending.out
    assert len(lines) < 30
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "baselines", "sample", "sweep", "submit"])
def test_the_help_of_a_verb_imports_nothing_heavy(verb: str) -> None:
    program = (
        "import sys\nfrom lit_gan.cli.main import main\n"
        f"assert main([{verb!r}, '--help']) == 0\n"
        "heavy = {'torch', 'lightning', 'scipy', 'sklearn', 'torchvision', 'wandb', 'optuna'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=_ROOT, check=True, capture_output=True)


_OBJECTIVE = "  objective: Objective | None (default: NonSaturating)"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("lit_gan.GAN", ["lit_gan.GAN: A generator", "  generator: nn.Module (required)", "  clip_d: float | None"]),
        ("ConditionalGAN", ["lit_gan.ConditionalGAN: ", "  num_classes: int | None (default: null)", _OBJECTIVE]),
        ("lit_gan.networks.MLPGenerator", ["  latent_size: int (default: 100)"]),
        ("Hinge", ["lit_gan.objectives.Hinge: The hinge loss for D", "  no arguments"]),
        ("torch.optim.Adam", ["  weight_decay: float (default: 0)"]),
        ("EarlyStopping", ["lightning.pytorch.callbacks.EarlyStopping: ", "  monitor: str (required)"]),
        ("own_modules.Strange", ["own_modules.Strange: "]),
    ],
)
def test_the_help_of_a_class_lists_its_arguments(name: str, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "own_modules.Strange":
        module = type(sys)("own_modules")
        vars(module)["Strange"] = type("Strange", (), {"__init__": lambda self, width=3: None, "__doc__": "Mine."})
        monkeypatch.setitem(sys.modules, "own_modules", module)
        lines = [f"{lines[0]}Mine.", "  width (default: 3)"]
    ending = lit_gan("fit", "--help", name)
    assert ending.code == 0
    for line in lines:
        assert any(each.startswith(line) for each in ending.out.splitlines()), ending.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Hingee", "--help Hingee: there is no such class; did you mean lit_gan.objectives.Hinge?"),
        ("lit_gan.Nothing", "--help lit_gan.Nothing: there is no such class; "),
        ("no_such.Class", "--help no_such.Class: No module named 'no_such': expected"),
        ("..", "--help ..: "),
        ("3", "--help 3: there is no such class; "),
    ],
)
def test_the_help_of_what_is_no_class_is_refused(name: str, message: str) -> None:
    assert lit_gan("fit", "--help", name).line.startswith(message)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("tran", "fit"), ("train", "fit"), ("fitt", "fit"), ("evaluate", "validate"), ("generate", "sample")],
)
def test_a_misspelt_verb_is_told_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert lit_gan(typed).line.endswith(f"; did you mean {meant}?")


def test_a_help_whose_reader_has_left_ends_quietly() -> None:
    command = f"{sys.executable} -m lit_gan fit --help | true"
    ran = subprocess.run(command, shell=True, cwd=_ROOT, capture_output=True, text=True, check=False)  # noqa: S602
    assert ran.stderr == ""


def test_a_line_that_quotes_a_whole_file_is_cut() -> None:
    line = lit_gan("x" * 100_000).line
    assert len(line) < 4_100
    assert line.endswith("xxx...")
