"""Taking back what a refused command made, and nothing else."""

from pathlib import Path

from lit_gan.session.recording import UnusedRun


def _made(run: Path) -> Path:
    run = run.absolute()
    (run / "checkpoints").mkdir(parents=True)
    (run / "run.json").touch()
    return run


def test_a_folder_goes_with_the_parents_that_were_made_for_it() -> None:
    Path("kept").mkdir()
    unused = UnusedRun(Path("kept/runs/mnist"))
    unused.remove(_made(Path("kept/runs/mnist/1")))
    assert list(Path("kept").iterdir()) == []


def test_another_run_made_meanwhile_stays() -> None:
    unused = UnusedRun(Path("runs/mnist"))
    run = _made(Path("runs/mnist/1"))
    _made(Path("runs/mnist/2"))
    unused.remove(run)
    assert [path.name for path in Path("runs/mnist").iterdir()] == ["2"]


def test_what_was_in_a_named_folder_stays() -> None:
    Path("mine/samples").mkdir(parents=True)
    Path("mine/notes.txt").touch()
    unused = UnusedRun(Path("mine"))
    unused.remove(_made(Path("mine")))
    assert sorted(path.name for path in Path("mine").iterdir()) == ["notes.txt", "samples"]


def test_a_folder_that_the_environment_names_stays_with_what_is_in_it() -> None:
    Path("runs/mnist/3fa9x2").mkdir(parents=True)
    Path("runs/mnist/3fa9x2/notes.txt").touch()
    unused = UnusedRun(Path("runs/mnist"))
    run = Path("runs/mnist/3fa9x2").absolute()
    (run / "run.json").touch()
    unused.remove(run)
    assert [path.name for path in run.iterdir()] == ["notes.txt"]
