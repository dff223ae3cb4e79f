"""`validate`, `test` and `predict`: on a run folder, on a checkpoint in it, and on one that lies anywhere."""

import shutil
import signal
from pathlib import Path

import pytest
import torch
from command_line import QUIET, fit, lit_gan, metrics, resolved, the_run
from trainings import record


@pytest.mark.parametrize("named", ["{}", "{}/checkpoints/last.ckpt", "--ckpt_path={}", "--ckpt_path={}/checkpoints"])
@pytest.mark.parametrize("verb", ["validate", "test"])
def test_numbers_go_to_the_runs_own_metrics(verb: str, named: str, finished_run: Path) -> None:
    before = metrics(finished_run)
    ending = lit_gan(verb, named.format(finished_run), *QUIET)
    assert (ending.code, ending.err) == (0, "")
    after = metrics(finished_run)
    assert [row["step"] for row in after] == [row["step"] for row in before]
    assert after[:-1] == before[:-1]
    # Validation gives the numbers that training ended with; the test adds its own beside them.
    assert before[-1].items() <= after[-1].items()
    assert ("test/loss_d" in after[-1]) is (verb == "test")
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]


def test_evaluation_leaves_record_and_checkpoint_alone(finished_run: Path) -> None:
    names = ("run.json", "config.yaml", "checkpoints/last.ckpt")
    before = [(finished_run / name).read_bytes() for name in names]
    assert lit_gan("test", finished_run, *QUIET).code == 0
    assert [(finished_run / name).read_bytes() for name in names] == before


@pytest.mark.parametrize("start", ["--ckpt_path", "--init_from"])
def test_what_a_run_started_from_is_no_matter_of_what_starts_from_the_run(start: str, finished_run: Path) -> None:
    """Its configuration names a file that is there."""
    from_it = f"{start}={finished_run / 'checkpoints' / 'last.ckpt'}"
    assert fit(from_it, "--run_dir=second", epochs=3).code == 0
    ending = lit_gan("test", "second", *QUIET)
    assert (ending.code, ending.err) == (0, "")
    assert "test/loss_d" in metrics(Path("second"))[-1]
    third = lit_gan("fit", "--ckpt_path=second", "--run_dir=third", "--trainer.max_epochs=4", "--report=false", *QUIET)
    assert (third.code, third.err) == (0, "")
    assert "init_from" not in resolved(Path("third"))


def test_flags_beat_the_checkpoint(finished_run: Path) -> None:
    assert lit_gan("validate", finished_run, *QUIET).code == 0
    logistic = metrics(finished_run)[-1]["val/loss_d"]
    squares = "--model.init_args.objective=lit_gan.objectives.LeastSquares"
    assert lit_gan("validate", finished_run, *QUIET, squares).code == 0
    assert metrics(finished_run)[-1]["val/loss_d"] != logistic


def test_a_flag_that_changes_the_architecture_is_told(finished_run: Path) -> None:
    ending = lit_gan("test", finished_run, *QUIET, "--model.init_args.generator.init_args.hidden=[3]")
    assert "last.ckpt does not fit the model: " in ending.line
    assert "generator.hidden" in ending.line


@pytest.mark.parametrize("data", ["--config=quickstart", "--data=lit_gan.data.DigitsDataModule"])
def test_a_checkpoint_outside_any_run_needs_only_data(data: str, finished_run: Path) -> None:
    alone = shutil.copy(finished_run / "checkpoints/last.ckpt", "alone.ckpt")
    shutil.rmtree("runs")
    ending = lit_gan("test", alone, data, *QUIET)
    assert (ending.code, ending.err) == (0, "")
    assert "test/loss_d" in ending.out
    assert sorted(path.name for path in Path().iterdir()) == ["alone.ckpt"]


def test_the_model_is_the_checkpoints_whatever_the_configuration_says(finished_run: Path) -> None:
    assert fit("--model.init_args.generator.init_args.hidden=[16]", "--run_dir=small", epochs=1).code == 0
    alone = shutil.copy("small/checkpoints/last.ckpt", "alone.ckpt")
    assert lit_gan("test", alone, "--config=quickstart", *QUIET).code == 0


def test_without_data_a_checkpoint_outside_any_run_is_told_so(finished_run: Path) -> None:
    alone = shutil.copy(finished_run / "checkpoints/last.ckpt", "alone.ckpt")
    assert lit_gan("test", alone).line.startswith("required, and not given: data (use --config NAME, or the options)")


def test_a_moved_run_folder_is_still_one(finished_run: Path) -> None:
    shutil.move(finished_run, "moved")
    assert lit_gan("test", "moved", *QUIET).code == 0
    assert "test/loss_d" in metrics(Path("moved"))[-1]


@pytest.mark.parametrize("num", [1, 7, 1003])
def test_predict_writes_that_many_samples(num: int, finished_run: Path) -> None:
    ending = lit_gan("predict", finished_run, f"--num_samples={num}", *QUIET)
    target = finished_run / "samples.pt"
    assert ending.out.endswith(f"lit-gan: wrote {num} samples to {target}\n")
    samples = torch.load(target, weights_only=True)
    assert samples.shape == (num, 1, 8, 8)
    assert 0 <= samples.min() < samples.max() <= 1


def test_predict_writes_where_it_is_told_and_the_same_again(finished_run: Path) -> None:
    for name in ("a.pt", "b.pt"):
        assert lit_gan("predict", finished_run, "--num_samples=5", f"--out={name}", *QUIET).code == 0
    assert torch.equal(torch.load("a.pt", weights_only=True), torch.load("b.pt", weights_only=True))
    assert not (the_run() / "samples.pt").exists()
    ending = lit_gan("predict", finished_run, "--num_samples=6", "--out=a.pt", *QUIET)
    assert ending.out.endswith("lit-gan: wrote 6 samples to a.pt (the older file of that name is replaced)\n")
    assert len(torch.load("a.pt", weights_only=True)) == 6


def test_predict_leaves_older_samples_of_the_run_alone(finished_run: Path) -> None:
    for num, name in ((2, "samples.pt"), (3, "samples-2.pt")):
        ending = lit_gan("predict", finished_run, f"--num_samples={num}", *QUIET)
        assert ending.out.endswith(f"lit-gan: wrote {num} samples to {finished_run / name}\n")
    assert [len(torch.load(finished_run / name, weights_only=True)) for name in ("samples.pt", "samples-2.pt")] == [
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num_samples=0"], "--num_samples 0: expected at least 1."),
        (["--out=nowhere/x.pt"], "--out nowhere/x.pt: cannot be written: there is no folder nowhere."),
        (["--out=x.npy"], "--out x.npy: expected a file that ends in one of .pt."),
    ],
)
def test_predict_says_what_it_cannot_do(options: list[str], message: str, finished_run: Path) -> None:
    assert lit_gan("predict", finished_run, *options, *QUIET).line == message


def test_predict_from_a_checkpoint_outside_any_run_needs_a_target(finished_run: Path) -> None:
    alone = shutil.copy(finished_run / "checkpoints/last.ckpt", "alone.ckpt")
    ending = lit_gan("predict", alone, "--data=lit_gan.data.DigitsDataModule", *QUIET)
    assert ending.line == "--out: expected a file for the samples, since the checkpoint lies in no run folder."


@pytest.fixture
def _trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_GAN_SWEEP", "sigmas")
    monkeypatch.setenv("WANDB_RUN_ID", "trial-7")


@pytest.mark.usefixtures("_trial")
def test_in_a_trial_of_a_sweep_the_numbers_have_a_run_folder_of_their_own(finished_run: Path) -> None:
    files = {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()}
    ending = lit_gan("validate", finished_run, *QUIET, "--wandb=off")
    assert (ending.code, ending.err) == (0, "")
    assert {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()} == files
    own = finished_run.parent / "trial-7"
    assert metrics(own)[-1]["step"] == metrics(finished_run)[-1]["step"]
    assert metrics(own)[-1]["val/loss_d"] == metrics(finished_run)[-1]["val/loss_d"]
    assert record(own)["status"] == "finished"
    assert resolved(own)["ckpt_path"] == str(finished_run / "checkpoints" / "last.ckpt")
    # An agent that is given the same trial again evaluates again, in the same place.
    assert lit_gan("validate", finished_run, *QUIET, "--wandb=off").code == 0
    assert record(own)["status"] == "finished"


@pytest.mark.usefixtures("_trial")
def test_a_trial_that_cannot_be_evaluated_leaves_nothing(finished_run: Path) -> None:
    wrong = "--model.init_args.generator.init_args.hidden=[3]"
    assert "does not fit the model" in lit_gan("validate", finished_run, *QUIET, "--wandb=off", wrong).line
    assert [path.name for path in finished_run.parent.iterdir()] == [finished_run.name]


def test_numbers_go_where_the_user_says(finished_run: Path) -> None:
    before = metrics(finished_run)
    assert lit_gan("test", finished_run, *QUIET, "--wandb=off", "--run_dir=elsewhere").code == 0
    assert metrics(finished_run) == before
    assert "test/loss_d" in metrics(Path("elsewhere"))[-1]


@pytest.mark.usefixtures("_trial")
def test_a_preempted_evaluation_ends_at_once_and_is_made_again(finished_run: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    preempted = "--trainer.callbacks+=own_modules.Preempted"
    assert lit_gan("validate", finished_run, *QUIET, "--wandb=off", preempted).code == 75
    own = finished_run.parent / "trial-7"
    assert (record(own)["status"], record(own)["reason"]) == ("stopped", "preempted")
    assert signal.getsignal(signal.SIGUSR1) == before
    assert lit_gan("validate", finished_run, *QUIET, "--wandb=off", preempted).code == 0
    assert record(own)["status"] == "finished"


def test_an_evaluation_into_a_run_is_not_tracked_beside_it(finished_run: Path) -> None:
    for option, value in (("--wandb", "online"), ("--wandb", "offline"), ("--tensorboard", "true")):
        line = lit_gan("test", finished_run, *QUIET, option, value).line
        assert line.startswith(f"{option} {value}: the numbers of an evaluation go to the metrics of the run that is")
        assert line.endswith("give --run_dir PATH, too, for an evaluation that is tracked on its own.")
    (finished_run / "own.yaml").write_text("wandb: online\ntensorboard: true\n")  # what a run's configuration may say
    configs = (f"--config={finished_run / 'config.yaml'}", f"--config={finished_run / 'own.yaml'}")
    assert lit_gan("test", finished_run, *configs, *QUIET).code == 0
    assert not (finished_run / "tensorboard").exists()


def test_wandbs_logger_in_a_configuration_is_the_runs_and_not_the_evaluations(finished_run: Path) -> None:
    before = set(Path().iterdir())
    loggers = "--trainer.logger=[{class_path: WandbLogger},{class_path: CSVLogger,init_args: {save_dir: csv}}]"
    assert lit_gan("test", finished_run, *QUIET, loggers).code == 0
    assert {path.name for path in set(Path().iterdir()) - before} == {"csv"}
    assert list(Path("csv").rglob("metrics.csv"))
    assert not (finished_run / "wandb").exists()
