"""`lit-gan runs`: a table, a comparison, and what is not needed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import lit_gan

from lit_gan.runs.record import RunRecord


def _make(name: str, status: Any = "finished", config: dict[str, Any] | None = None, score: float = -4.0) -> Path:
    folder = Path("runs", name)
    (folder / "checkpoints").mkdir(parents=True)
    RunRecord.first(config or {}).marked(status, "").write(folder / "run.json")
    (folder / "metrics.csv").write_text(f"step,epoch,train/loss_d,val/parzen_nll\n9,0,1,{score}\n")
    for weights in ("last", "previous", "best-000010"):
        (folder / "checkpoints" / f"{weights}.ckpt").write_bytes(b"." * 500)
    (folder / "environment.json").write_text(json.dumps({"argv": ["/bin/lit-gan", "fit", "--config", name]}))
    return folder


def _first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.startswith("runs/")]


def test_a_table_shows_how_each_run_stands_and_what_sets_it_apart() -> None:
    _make("mnist/one", config={"model": {"init_args": {"lr": 0.1}}})
    _make("mnist/two", "stopped", config={"model": {"init_args": {"lr": 0.25, "hidden": list(range(100))}}})
    _make("quickstart/three", config={"model": {"init_args": {"lr": 7}}})
    ending = lit_gan("runs")
    assert (ending.code, ending.err) == (0, "")
    lines = {line.split()[0]: line.split() for line in ending.out.splitlines()}
    assert lines["runs/mnist/one"][1:5] == ["finished", "10", "4.0", "nats"]
    assert lines["runs/mnist/one"][-2:] == ["lr=0.1,", "hidden=none"]
    assert lines["runs/mnist/two"][-1].endswith("...")
    assert lines["runs/mnist/two"][1] == "stopped*"
    assert "lr=" not in " ".join(lines["runs/quickstart/three"])  # of its configuration it is the only one
    assert ending.out.endswith("* the same command continues it; `lit-gan runs RUN` shows the command.\n")


def test_a_finished_training_is_in_it(finished_run: Path) -> None:
    words = next(line.split() for line in lit_gan("runs").out.splitlines() if line.startswith("runs/"))
    assert words[:3] == [str(finished_run), "finished", "8"]


@pytest.mark.parametrize(
    ("sort", "first"), [("started", "b"), ("name", "a"), ("score", "a"), ("status", "b"), ("rounds", "c")]
)
def test_it_is_sorted_as_asked(sort: str, first: str) -> None:
    for name, score in (("c", -1.0), ("a", -9.0), ("b", -2.0)):
        _make(f"x/{name}", score=score)
    with Path("runs/x/c/metrics.csv").open("a") as file:
        file.write("99,0,1,\n")
    assert _first_words(lit_gan("runs", "--sort", sort).out)[0] == f"runs/x/{first}"


def test_where_larger_is_better_the_largest_comes_first() -> None:
    for name, value in (("a", 0.1), ("b", 0.9)):
        folder = _make(f"x/{name}", config={"checkpoint": {"monitor": "val/accuracy", "mode": "max"}})
        (folder / "metrics.csv").write_text(f"step,epoch,val/accuracy\n9,0,{value}\n")
    assert _first_words(lit_gan("runs", "--sort=score").out) == ["runs/x/b", "runs/x/a"]


def test_json_is_a_list_with_everything() -> None:
    _make("a/one", "stopped", config={"lr": 1})
    _make("a/two", config={"lr": 2})
    found = json.loads(lit_gan("runs", "--json", "--sort=name").out)
    assert [(run["path"], run["status"], run["continues"], run["differs"]) for run in found] == [
        ("runs/a/one", "stopped", True, {"lr": 1}),
        ("runs/a/two", "finished", False, {"lr": 2}),
    ]
    assert (found[0]["best"], found[0]["best_round"], found[0]["rounds"]) == (-4.0, 10, 10)


def test_named_runs_are_compared() -> None:
    one, two = _make("a/one", "stopped", config={"lr": 1}), _make("b/two", config={"lr": 2}, score=3.5)
    ending = lit_gan("runs", one, two, "--sort=name")
    rows = {line.split("  ")[0].strip(): line.split() for line in ending.out.splitlines() if line.strip()}
    assert rows["lr"] == ["lr", "1", "2"]
    assert rows["val/parzen_nll"] == ["val/parzen_nll", "-4", "3.5"]
    assert rows["best score"][2:] == ["4.0", "nats", "(round", "10)", "-3.5", "nats", "(round", "10)"]
    assert "train/loss_d" not in rows
    assert ending.out.endswith("runs/a/one goes on by: lit-gan fit --config a/one\n")


def test_what_is_not_needed_is_told_and_stays() -> None:
    folder = _make("a/one")
    ending = lit_gan("runs", "--prune")
    assert ending.out.splitlines()[-1] == (
        "lit-gan: --prune --yes would delete these 2 files, 1 kB; the best weights of each run stay."
    )
    assert "500 B  runs/a/one/checkpoints/last.ckpt" in ending.out
    assert len(list(folder.glob("checkpoints/*.ckpt"))) == 3


def test_it_goes_where_that_was_wanted() -> None:
    folder, other = _make("a/one"), _make("a/two")
    ending = lit_gan("runs", folder, "--prune", "--yes")
    assert ending.out == "lit-gan: deleted weights of finished runs but the best: 1 kB.\n"
    assert [path.name for path in folder.glob("checkpoints/*.ckpt")] == ["best-000010.ckpt"]
    assert len(list(other.glob("checkpoints/*.ckpt"))) == 3
    nothing = "lit-gan: nothing to delete: no finished run holds weights beside its best.\n"
    assert lit_gan("runs", folder, "--prune", "--yes").out == nothing


def test_what_another_run_reads_stays_where_one_run_is_named() -> None:
    folder = _make("a/one")
    _make("a/two", config={"init_from": str(folder)})
    assert "nothing to delete" in lit_gan("runs", folder, "--prune", "--yes").out


@pytest.mark.parametrize(
    ("inside", "named"), [(".", "runs"), (".", "runs/a"), (".", "runs/a/one"), ("runs", "."), ("runs", "a"), ("/", "")]
)
def test_what_a_run_elsewhere_reads_stays_whatever_folder_is_named_and_from_wherever(
    inside: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _make("a/one")
    _make("b/two", config={"init_from": "runs/a/one/checkpoints/last.ckpt"})
    named = named or str(folder.absolute())
    monkeypatch.chdir(inside)
    shown = lit_gan("runs", named, "--prune").out
    assert "one/checkpoints/previous.ckpt" in shown
    assert "one/checkpoints/last.ckpt" not in shown


def test_a_run_that_is_named_in_another_way_is_pruned_once() -> None:
    folder = _make("a/one")
    _make("a/two")
    ending = lit_gan("runs", folder / ".." / "one", "--prune")
    assert "would delete these 2 files, 1 kB;" in ending.out


def test_a_record_elsewhere_that_cannot_be_read_is_told_for_it_may_name_what_would_go() -> None:
    folder = _make("a/one")
    _make("b/two").joinpath("run.json").write_text("no json")
    assert "b/two/run.json is not the record of a run" in lit_gan("runs", folder, "--prune").err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere: there is no such folder; expected one with runs in it, or a run folder."),
        (["file"], "file is a file: expected a folder with runs in it, or a run folder."),
        (["runs", "--yes"], "--yes: expected --prune with it, which it is the answer to."),
        (
            ["runs/a/one", "runs/a"],
            "runs/a is no run folder (it has no run.json), as runs/a/one is: expected runs to compare.",
        ),
        (["--sort", "beauty"], "argument --sort: invalid choice: 'beauty' (choose from"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], line: str) -> None:
    _make("a/one")
    Path("file").touch()
    assert lit_gan("runs", *arguments).line.startswith(line)


def test_a_record_that_cannot_be_read_is_told_beside_the_table() -> None:
    _make("a/one")
    _make("a/two").joinpath("run.json").write_text("no json")
    ending = lit_gan("runs")
    assert (ending.code, _first_words(ending.out)) == (0, ["runs/a/one"])
    assert ending.err.startswith("lit-gan: left out: ")
    assert "a/two/run.json is not the record of a run (JSONDecodeError" in ending.err


def test_no_runs_are_no_error() -> None:
    Path("runs").mkdir()
    assert lit_gan("runs").out == "lit-gan: no runs there; `lit-gan fit --config quickstart` makes one.\n"


@pytest.mark.slow
def test_nothing_heavy_is_imported() -> None:
    code = "import sys; from lit_gan.cli.main import main; main(['runs']); print(sorted(sys.modules))"
    Path("runs").mkdir()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = said.stdout.splitlines()[-1]
    assert "'lit_gan.runs.summary'" in modules
    assert not [name for name in ("torch", "lightning", "matplotlib", "numpy", "wandb") if f"'{name}'" in modules]
