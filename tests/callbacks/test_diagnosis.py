"""A disease is told once, in the run that has it, wherever that is stopped, and is kept in the run folder."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import fit, lit_gan, the_run
from lightning.pytorch import Callback
from tiny_gan import examples, linear_gan, loader, trainer
from torchmetrics import Metric

from lit_gan.augmentation import InstanceNoise
from lit_gan.callbacks import Diagnosis, GenerativeEvaluation, PlayerMonitor
from lit_gan.callbacks.diagnosis import DiagnosisWarning, _wait
from lit_gan.coordination import AccuracyBand, FixedSteps
from lit_gan.evaluation.diagnosis import Finding
from lit_gan.metrics import ParzenWarning
from lit_gan.objectives import Minimax

#: A generator whose samples are all alike for longer than these trainings are.
ALIKE = ("--model.init_args.generator.init_args.weight_init=0.001", "--parzen.num_samples=100")


EVERY_FOUR: dict[str, Any] = {"val_check_interval": 4, "check_val_every_n_epoch": None}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A disease has to last ten rounds, not a thousand."""
    monkeypatch.setattr("lit_gan.callbacks.diagnosis.ROUNDS", 10)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("impatient")
def test_a_training_tells_it_once_and_every_checkpoint_knows_what_was_told() -> None:
    with pytest.warns(DiagnosisWarning, match="has collapsed") as caught:
        ending = fit(*ALIKE, epochs=6)
    assert ending.code == 0, ending.err
    # Nor does the Parzen score tell it, in other words.
    [line] = [str(each.message) for each in caught if "collapse" in str(each.message)]
    assert line == (
        "the generator has collapsed after round 12: 100% of the samples are near-duplicates of others "
        "(val/near_duplicates; real images 0%). Try --model.init_args.optimizer_d.init_args.lr 0.4, or "
        "--model.init_args.coordination.init_args.k 2."
    )
    run = the_run()
    [kept] = json.loads((run / "diagnosis.json").read_text())
    assert str(Finding(**kept)) == line
    for checkpoint in (run / "checkpoints").glob("*.ckpt"):
        content = torch.load(checkpoint, weights_only=True)
        assert len(content["callbacks"]["Diagnosis"]["findings"]) == (content["global_step"] >= 12)


@pytest.mark.usefixtures("impatient")
@pytest.mark.filterwarnings("ignore::lit_gan.callbacks.diagnosis.DiagnosisWarning")
def test_a_run_that_goes_on_has_told_what_it_told_before_its_checkpoint(tmp_path: Path) -> None:
    sick, data = Numbers(near_duplicates=1.0, near_duplicates_real=0.0), loader(examples(96), batch_size=4)

    def train(rounds: int, checkpoint: Path | None = None) -> tuple[Diagnosis, Any]:
        own = Diagnosis(str(tmp_path))
        run = trainer(max_steps=rounds, callbacks=[sick, own], **EVERY_FOUR)
        run.fit(linear_gan(), data, data, ckpt_path=checkpoint, weights_only=True)
        return own, run

    for rounds, name in ((8, "early"), (16, "late")):
        train(rounds)[1].save_checkpoint(tmp_path / name)
    known = (tmp_path / "diagnosis.json").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("error", DiagnosisWarning)
        own, _ = train(32, tmp_path / "late")
    assert [finding.round for finding in own.findings] == [12]
    assert (tmp_path / "diagnosis.json").read_text() == known
    # From before it: what was told then has not happened, and is told when it does.
    own, _ = train(9, tmp_path / "early")
    assert (own.findings, (tmp_path / "diagnosis.json").exists()) == ([], False)
    with pytest.warns(DiagnosisWarning, match="after round 12"):
        train(16, tmp_path / "early")


class Numbers(Callback):
    """Logs what a validation is to have seen."""

    def __init__(self, **numbers: float) -> None:
        self.numbers = {f"val/{name}": value for name, value in numbers.items()}

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log_dict(self.numbers)


def trained(rounds: int, *callbacks: Callback, **gan: Any) -> Diagnosis:
    own, data = Diagnosis(), loader(examples(96), batch_size=4)
    trainer(max_steps=rounds, callbacks=[*callbacks, own], **EVERY_FOUR).fit(linear_gan(**gan), data, data)
    return own


@pytest.mark.usefixtures("impatient")
@pytest.mark.filterwarnings("ignore::lit_gan.callbacks.diagnosis.DiagnosisWarning")
def test_it_knows_the_settings_that_the_remedy_depends_on() -> None:
    sick = Numbers(near_duplicates=1.0, near_duplicates_real=0.0)
    [collapse] = trained(12, sick, PlayerMonitor(), coordination=FixedSteps(2)).findings
    k, rate = "--model.init_args.coordination.init_args.k 3", "--model.init_args.optimizer_d.init_args.lr 2"
    assert collapse.remedy == f"{rate}, or {k}"
    [collapse] = trained(12, sick, PlayerMonitor(), coordination=AccuracyBand()).findings
    assert collapse.remedy == rate
    heart = Numbers(memorization=1.0, memorization_real=0.4)
    assert "DiffAugment" in trained(12, heart).findings[0].remedy
    assert "DiffAugment" not in trained(12, heart, augment=InstanceNoise(0.1)).findings[0].remedy


@pytest.mark.usefixtures("impatient")
def test_a_healthy_training_is_told_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    own = Diagnosis(str(tmp_path))
    run = trainer(max_steps=24, callbacks=[own], **EVERY_FOUR)
    data = loader(examples(96), batch_size=4)
    run.fit(linear_gan(objective=Minimax()), data, data)
    assert own.findings == []
    assert not (tmp_path / "diagnosis.json").exists()


@pytest.mark.usefixtures("impatient")
def test_a_number_that_a_validation_left_out_is_not_read_again() -> None:
    class Bad(Metric):
        name = "memorization"
        full_state_update = False

        def update(self, images: torch.Tensor) -> None:
            """Whatever they are."""

        def compute(self) -> torch.Tensor:
            return torch.tensor(1.0)

    rare = GenerativeEvaluation([Bad()], num_samples=4, every_n_epochs=2)

    class Ranged(Callback):
        def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
            pl_module.value_range = (-1.0, 2.0)

    own = trained(48, Ranged(), rare)
    seen = [row["step"] for row in own.state_dict()["validations"] if "val/memorization" in row]
    assert seen == [47]


def test_a_state_is_plain_and_comes_back() -> None:
    one, other = Diagnosis(), Diagnosis()
    one.findings = [Finding("collapse", 1000, "evidence", "remedy")]
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert other.findings == one.findings
    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("row", ["x", 3.5, None, {}, {"step": "last"}, {"step": 1, "train/d_real": [1.0]}])
def test_a_state_of_something_else_is_refused_when_it_is_taken_back(row: Any) -> None:
    with pytest.raises((TypeError, KeyError, ValueError)):
        Diagnosis().load_state_dict(
            {"findings": [], "rounds": [], "validations": [{"step": 0, "val/d_real": 0.5}, row]}
        )


def test_an_evaluation_apart_from_training_tells_it_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit(*ALIKE, epochs=1).code == 0
    with pytest.warns(ParzenWarning, match="the generator has collapsed: its samples lie"):
        assert lit_gan("validate", the_run(), "--trainer.accelerator=cpu", *ALIKE[1:]).code == 0


_G, _D = "--model.init_args.optimizer_g", "--model.init_args.optimizer_d"
COURSES = {
    "healthy": ("quickstart", ()),
    "collapse": ("quickstart", (f"{_G}=Adam", f"{_G}.init_args.lr=0.002", f"{_D}.init_args.lr=0.02")),
    "discriminator wins": ("quickstart_conditional", ("--model.init_args.generator.init_args.weight_init=0.05",)),
}


@pytest.mark.slow
@pytest.mark.parametrize("course", COURSES)
@pytest.mark.filterwarnings("ignore::lit_gan.callbacks.diagnosis.DiagnosisWarning")
def test_real_trainings(course: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the page, the first 432 rounds of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lit_gan.callbacks.diagnosis.ROUNDS", 300)
    config, options = COURSES[course]
    quiet = ("--parzen.num_samples=300", "--sample_grid.num_samples=0", "--evaluation.metrics=[]", "--wandb=off")
    bare = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--report=false")
    length = ("--trainer.max_epochs=36", "--trainer.check_val_every_n_epoch=6", "--trainer.accelerator=cpu")
    ending = lit_gan("fit", "--config", config, *options, *quiet, *bare, *length)
    assert ending.code == 0, ending.err
    file = the_run() / "diagnosis.json"
    found = [each["disease"] for each in json.loads(file.read_text())] if file.exists() else []
    assert found == ([] if course == "healthy" else [course])


@pytest.mark.parametrize(
    ("planned", "wait"), [(500, 1000), (20_000, 1000), (125_000, 6250), (10**6, 10_000), (-1, 1000)]
)
def test_a_long_training_has_a_long_start(planned: int, wait: int) -> None:
    assert _wait(trainer(max_steps=planned, max_epochs=-1)) == wait
