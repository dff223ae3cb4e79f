"""`lit-gan sweep` on the command line: what is refused before anything starts, and a real sweep of real trainings."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import SHORT, checkpoint, fit, lit_gan, metrics
from documents import ROOT, blocks, commands
from fake_sweep import started, states, study_of, with_options, write
from rich.console import Console
from rich.text import Text
from trainings import ENVIRON, record, rows

from lit_gan.cli.main import main
from lit_gan.cli.output import Unread
from lit_gan.cli.parsing.shipped import find
from lit_gan.cli.sweep import verb as sweep_command
from lit_gan.cli.sweep.check import check_options, points_to_check
from lit_gan.cli.sweep.display import live_trials
from lit_gan.installation import install_command
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.search_space import search_space
from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_file import load_sweep
from lit_gan.tuning.sweep_layout import SweepLayout

JOURNAL = Path("runs/s.journal")
_PAGE = ROOT / "docs" / "how-to" / "sweeps.md"
_FIT = ["${program}", "fit", "--config", "quickstart", "${args}"]


@pytest.fixture(autouse=True)
def _the_package_of_this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the trials, which are processes of their own."""
    monkeypatch.setenv("PYTHONPATH", ENVIRON["PYTHONPATH"])


def real(**changes: Any) -> Path:
    return write(Path("s.yaml"), **{"program": "lit-gan", "command": _FIT, **changes})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["nope"],
            "FILE nope: no such file, and no shipped sweep of that name: expected a path to a YAML file or one of",
        ),
        (["s.yaml", "--workers=0"], "--workers 0: expected at least 1."),
        (["s.yaml", "--count=0"], "--count 0: expected at least 1."),
        (["s.yaml", "--cuont=1"], "--cuont=1: no such option; did you mean --count?"),
        ([], "the following arguments are required: FILE; `lit-gan sweep --help` lists the options."),
    ],
)
def test_wrong_options_are_told(options: list[str], message: str) -> None:
    write(Path("s.yaml"))

    assert lit_gan("sweep", *options).line.startswith(message)
    assert not Path("runs").exists()


def test_help_lists_the_options() -> None:
    ending = lit_gan("sweep", "--help")

    assert ending.code == 0
    assert all(option in ending.out for option in ("FILE", "--storage", "--workers", "--count"))


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_sweep_without_an_end_needs_a_count(method: str) -> None:
    write(Path("s.yaml"), method=method)

    line = lit_gan("sweep", "s.yaml").line

    assert line == f"--count: expected how many trials there are: a {method} sweep has no end of its own."


def test_without_optuna_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_command, "find_spec", lambda name: None)

    line = lit_gan("sweep", "digits_quick").line

    assert line == f"`lit-gan sweep` needs Optuna, which is not installed: {install_command('sweep')}."


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"model.init_args.optimizer_g.init_args.lrr": {"value": 1}},
            "s.yaml: --model.init_args.optimizer_g.init_args.lrr: no such",
        ),
        ({"trainer.max_epochs": {"values": ["x"]}}, "s.yaml: --trainer.max_epochs: expected a whole number"),
        ({"trainer.max_epochs": {"values": [1, 2, "x"]}}, "s.yaml: --trainer.max_epochs: expected a whole number"),
        ({"parzen.sgima": {"min": 0.1, "max": 0.2}}, "s.yaml: --parzen.sgima: no such option"),
    ],
)
def test_a_parameter_that_is_no_option_is_told_before_there_is_a_journal(
    parameters: dict[str, Any], message: str
) -> None:
    real(method="random", parameters=parameters)

    assert lit_gan("sweep", "s.yaml", "--count=1").line.startswith(message)
    assert not Path("runs").exists()


def test_a_config_that_there_is_not_is_told_before_there_is_a_journal() -> None:
    real(command=["${program}", "fit", "--config", "nope", "${args}"], parameters={"trainer.max_epochs": {"value": 1}})

    assert lit_gan("sweep", "s.yaml").line.startswith("s.yaml: --config nope: no such file")
    assert not Path("runs").exists()


def test_the_journal_of_another_sweep_is_told() -> None:
    write(Path("s.yaml"), parameters={"x": {"values": [0.5]}})
    assert lit_gan("sweep", "s.yaml").code == 0
    write(Path("s.yaml"), parameters={"x": {"values": [0.6]}})

    assert lit_gan("sweep", "s.yaml").line.startswith("--storage runs/s.journal was begun with other parameters in s")


def test_a_sweep_of_which_nothing_is_left_is_a_failure() -> None:
    write(Path("s.yaml"), parameters={"x": {"values": [1, 2]}}, command=with_options("--code=1", "--error=boo"))

    ending = lit_gan("sweep", "s.yaml")

    assert ending.code == 1
    assert ending.err == ("lit-gan: failed: none of 2 trials ran to its end; what they printed is in runs/s.workers.\n")
    assert ending.out.count("failed: x=") == 2


def test_a_sweep_that_is_over_says_so_again_and_a_larger_count_goes_on() -> None:
    write(Path("s.yaml"), method="random", parameters={"x": {"min": 0.0, "max": 1.0}})
    first = lit_gan("sweep", "s.yaml", "--count=2", "--storage=here.journal")
    again = lit_gan("sweep", "s.yaml", "--count=2", "--storage=here.journal")
    more = lit_gan("sweep", "s.yaml", "--count=3", "--storage=here.journal")

    assert (first.code, again.code, more.code) == (0, 0, 0)
    assert "lit-gan: going on with here.journal: 2 of 2 trials are over." in again.out
    assert again.out.endswith(first.out[first.out.index("lit-gan: the best of 2 trials") :])
    assert "lit-gan: the best of 3 trials" in more.out
    assert {path.name for path in Path().glob("*.yaml")} == {"s.yaml", "best.yaml", "here.best.yaml"}


@pytest.mark.parametrize(
    ("width", "terminal", "expected"),
    [
        (100, "xterm", "│   0 * │ complete │ 0.5 │"),
        (20, "xterm", "trial 0 complete: x=0.5: val/score 0.5"),
        (100, "dumb", "trial 0 complete: x=0.5: val/score 0.5"),
        (100, "unknown", "trial 0 complete: x=0.5: val/score 0.5"),
    ],
)
def test_a_terminal_gets_a_table_if_it_can_draw_one(width: int, terminal: str, expected: str) -> None:
    layout = SweepLayout(JOURNAL)
    study = SweepStudy.begin(load_sweep(write(Path("s.yaml"), parameters={"x": {"values": [0.5]}})), layout)
    trial = study.take("host-1", 1)
    assert trial is not None
    study.complete(trial.number, 0.5)
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=width, height=25, _environ={"TERM": terminal})

    with live_trials(study, {"x": "x"}, console) as show:
        show()

    plain = Text.from_ansi(shown.getvalue()).plain
    assert expected in plain
    assert ("┃ trial" in plain) == (expected[0] == "│")


@pytest.mark.parametrize("stream", [lambda shown: shown, Unread], ids=["a program's", "the command's"])
def test_an_output_that_cannot_encode_a_value_ends_no_sweep(
    stream: Callable[[io.TextIOWrapper], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("s.yaml"), parameters={"x": {"values": [0.5]}, "name": {"value": "é"}})
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream(shown))

    code = main(["sweep", "s.yaml"])

    shown.seek(0)
    assert (code, "name=\\xe9" in shown.read()) == (0, True)


def test_no_more_than_eight_points_are_parsed() -> None:
    space = search_space({"a": {"values": list(range(100))}, "b": {"min": 0.0, "max": 1.0}, "c": {"value": "x"}})

    points = points_to_check(space)

    assert [point["a"] for point in points] == list(range(8))
    assert [point["b"] for point in points] == [0.0, 1.0] * 4
    assert {point["c"] for point in points} == {"x"}


def test_the_sweep_on_the_page_can_be_run() -> None:
    [block] = [block for block in blocks(_PAGE) if block.language == "yaml"]
    Path(block.title).write_text(block.text)
    sweep = load_sweep(Path(block.title))

    check_options(sweep, block.title)

    assert ["sweep", block.title, "--storage", "runs/rates.journal", "--workers", "2", "--count", "30"] in commands(
        _PAGE
    )


@pytest.mark.slow
def test_a_real_sweep_that_is_killed_loses_no_trial_and_no_bit() -> None:
    (_, name, *options), train_best = commands(_PAGE)[:2]
    shipped = yaml.safe_load(find(name, "sweeps").read_text())
    place = shipped["command"].index("${args}")
    short = [*SHORT, "--parzen.num_samples=50", "--trainer.max_epochs=15"]
    shipped["command"][place:place] = short
    Path("s.yaml").write_text(yaml.safe_dump(shipped))

    with started(Path("s.yaml"), *options) as command:
        command.wait_until(lambda: _rows_of_trial(0) > 10, "the first trial is in the middle", 200)
        command.process.kill()
        command.wait()
    with started(Path("s.yaml"), *options) as command:
        code, out, err = command.wait(400)
    study = study_of(JOURNAL)

    assert (code, err) == (0, "")
    assert states(study) == ["COMPLETE"] * 4
    points = {tuple(trial.params.values()) for trial in study.trials()}
    assert points == {(0.05, 0.05), (0.05, 0.1), (0.1, 0.05), (0.1, 0.1)}
    run = TrialRun(study.run_id(0)).folder
    assert run is not None
    assert record(run)["resumed"] == 1
    assert "lit-gan: the best of 4 trials is" in out

    # The killed trial has the weights and the numbers of one that nobody touched.
    point = [f"--{name}={value}" for name, value in study.trials()[0].params.items()]
    assert fit(*point, *short, "--run_dir=undisturbed").code == 0
    before, after = checkpoint(Path("undisturbed"))["state_dict"], checkpoint(run)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)
    kept = [{key: value for key, value in row.items() if not key.startswith("perf/")} for row in metrics(run)]
    assert kept == [
        {key: value for key, value in row.items() if not key.startswith("perf/")}
        for row in metrics(Path("undisturbed"))
    ]

    # The best configuration trains.
    assert lit_gan(*train_best, "--trainer.max_epochs=1", "--run_dir=again").code == 0


def _rows_of_trial(number: int) -> int:
    return max((rows(folder) for folder in Path("runs").glob(f"quickstart/*-{number:03d}")), default=0)
