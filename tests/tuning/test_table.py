"""The table of trials, and the lines in its place."""

import io
from collections.abc import Sequence

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from lit_gan.tuning.table import TrialLines, table_of

NAMES = {"model.init_args.lr": "lr", "latent": "latent"}


def trial(number: int, state: TrialState, value: float | None = None, **attributes: object) -> FrozenTrial:
    choices = {name: CategoricalDistribution([0.0512345, "Uniform"]) for name in NAMES}
    made = create_trial(
        state=state,
        value=value,
        params=dict(zip(NAMES, (0.0512345, "Uniform"), strict=True)),
        distributions=choices,
        user_attrs=attributes,
    )
    made.number = number
    return made


def shown(trials: Sequence[FrozenTrial], best: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table_of(trials, NAMES, "val/score", best, console))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_row_says_how_a_trial_stands() -> None:
    table = shown(
        [
            trial(0, TrialState.COMPLETE, -123.456789, round=400, worker="host-1"),
            trial(1, TrialState.RUNNING, worker="host-2"),
            trial(2, TrialState.RUNNING, worker=""),
            trial(3, TrialState.FAIL, error="boo"),
        ],
        best=0,
    )

    rows = [line.replace(" ", "") for line in table.splitlines() if "│" in line]
    assert rows[0].startswith("│0*│complete│0.05123│Uniform│-123.46│400│0:00│host-1│")
    assert rows[1].startswith("│1│running│0.05123│Uniform││0│")
    assert rows[2].startswith("│2│left│")
    assert rows[3].startswith("│3│failed│")


def test_nothing_in_a_table_is_read_as_markup() -> None:
    names = {"net": "net[/]", "act": "act[bold]"}
    made = create_trial(
        state=TrialState.COMPLETE,
        value=1.0,
        params={"net": "[relu]", "act": "[/x]"},
        distributions={"net": CategoricalDistribution(["[relu]"]), "act": CategoricalDistribution(["[/x]"])},
        user_attrs={"worker": "[host]"},
    )
    console = Console(file=io.StringIO(), width=120)
    console.print(table_of([made], names, "val[/y]", None, console))
    table = console.file.getvalue()  # type: ignore[attr-defined]

    for text in ("net[/]", "act[bold]", "val[/y]", "[relu]", "[/x]", "[host]"):
        assert f" {text} " in table


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (100, ["trial", "state", "lr", "latent", "val/score", "rounds", "time", "worker"]),
        (60, ["trial", "state", "lr", "latent", "val/score", "rounds"]),
        (45, ["trial", "state", "val/score", "rounds"]),
        (33, ["trial", "state", "val/score"]),
    ],
)
def test_a_trial_stays_one_line_on_a_narrow_terminal(width: int, columns: list[str]) -> None:
    console = Console(record=True, file=io.StringIO(), width=width)
    trials = [trial(number, TrialState.RUNNING, worker="a-machine-1-4711") for number in range(12)]
    table = table_of(trials, NAMES, "val/score", None, console)
    assert table is not None

    console.print(table)

    lines = console.export_text().splitlines()
    assert len(lines) == 12 + 4
    assert lines[1].replace("┃", " ").split() == columns
    assert all(f"│ {number:>5} │ running " in line for number, line in enumerate(lines[3:-1]))


def test_there_is_no_table_where_nothing_fits() -> None:
    console = Console(file=io.StringIO(), width=30)

    assert table_of([trial(0, TrialState.COMPLETE, 0.25)], NAMES, "val/score", None, console) is None


def test_a_value_of_several_lines_is_one_line_of_the_table() -> None:
    name = "model.init_args.lr"
    made = create_trial(
        state=TrialState.RUNNING, params={name: "a\nb"}, distributions={name: CategoricalDistribution(["a\nb"])}
    )

    assert " a b │" in shown([made])


def test_a_line_is_said_for_each_change() -> None:
    console = Console(file=io.StringIO(), width=40)
    lines = TrialLines(console, NAMES, "val/score")

    lines.print_changes([trial(0, TrialState.RUNNING, worker="host-1")])
    lines.print_changes([trial(0, TrialState.RUNNING, worker="host-1")])
    lines.print_changes([trial(0, TrialState.COMPLETE, 0.25, round=400), trial(1, TrialState.FAIL, error="[no] luck")])

    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "trial 0 running on host-1: lr=0.05123, latent=Uniform",
        "trial 0 complete: lr=0.05123, latent=Uniform: val/score 0.25 after 400 rounds",
        "trial 1 failed: lr=0.05123, latent=Uniform: [no] luck",
    ]
