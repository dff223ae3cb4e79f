"""Any logger of Lightning's gets numbers, configuration and pictures, under `Run` and under a plain Trainer."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from requirements import require
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan import Run
from lit_gan.callbacks import SampleGrid, TrainingFilm
from lit_gan.loggers.lightnings import give_picture

_RATE = "model/players/generator/groups/0/lr"
_STEPS = [0, 1, 2, 3]


class OwnLogger(Logger):
    """As somebody writes one for a tracker of their own: numbers, and nothing else."""

    name, version = "own", "0"

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[int | None, set[str]]] = []
        self.configuration: Any = None

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.numbers.append((step, set(metrics)))

    def log_hyperparams(self, params: Any, *arguments: Any) -> None:
        self.configuration = params


class PicturesToo(OwnLogger):
    """The same with W&B's method for pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[tuple[str, int, torch.Size]] = []

    def log_image(self, key: str, images: list[torch.Tensor], step: int) -> None:
        self.pictures.append((key, step, images[0].shape))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _train(logger: Any, *, plainly: bool = False) -> Trainer:
    """Four rounds, a grid after the second and at the end, a film."""
    watching = [SampleGrid(num_samples=4, every_n_rounds=2), TrainingFilm(num_samples=4, every_n_rounds=2)]
    settings = {"max_steps": 4, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    settings |= {"log_every_n_steps": 1, "logger": logger, "callbacks": watching}
    made = trainer(**settings) if plainly else Run("run", wandb="off", report=False).trainer(**settings)
    made.fit(linear_gan().double(), loader(examples(8), batch_size=4))
    return made


@pytest.fixture
def mlflow_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MLFlowLogger:
    require("mlflow", None if find_spec("mlflow") else "mlflow is not installed: `pip install mlflow-skinny`")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a server, or a database, asks for more packages
    return MLFlowLogger("digits", save_dir=str(tmp_path / "mlruns"), log_model="all")


def test_csv() -> None:
    _train(CSVLogger("table"))
    folder = Path("table/lightning_logs/version_0")
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert "train/loss_d" in rows[0].split(",")
    assert len(rows) == 1 + len(_STEPS)
    assert yaml.safe_load((folder / "hparams.yaml").read_text())["model"]["class_path"] == "lit_gan.gan.GAN"


def test_tensorboard() -> None:
    _train(TensorBoardLogger("board"))
    folder = Path("board/lightning_logs/version_0")
    board = EventAccumulator(str(folder)).Reload()
    assert [each.step for each in board.Scalars("train/loss_d")] == _STEPS
    assert [each.step for each in board.Images("samples")] == [1, 3]
    assert yaml.safe_load((folder / "hparams.yaml").read_text())["model"]["class_path"] == "lit_gan.gan.GAN"


def test_mlflow(mlflow_logger: MLFlowLogger) -> None:
    _train(mlflow_logger)
    client, run = mlflow_logger.experiment, str(mlflow_logger.run_id)
    assert [each.step for each in client.get_metric_history(run, "train/loss_d")] == _STEPS
    data = client.get_run(run).data
    assert data.params[_RATE] == "0.5"
    assert data.params["model/class_path"] == "lit_gan.gan.GAN"
    pictures = [each.path for each in client.list_artifacts(run, "images")]
    for index in (1, 3):
        assert [path for path in pictures if re.fullmatch(rf"images/samples[+%]step[+%]{index}[+%].+\.png", path)]
    assert "last" in {each.path for each in client.list_artifacts(run)}  # the checkpoints, since log_model="all"
    assert client.get_run(run).info.status == "FINISHED"


def test_files_of_a_plain_training_do_not_stand_among_mlflows_experiments(mlflow_logger: MLFlowLogger) -> None:
    _train(mlflow_logger, plainly=True)
    folder = Path("mlruns", str(mlflow_logger.name), str(mlflow_logger.version))
    assert sorted(path.name for path in (folder / "samples").iterdir()) == ["round-000002.png", "round-000004.png"]
    assert (folder / "film" / "training.gif").is_file()
    assert {path.name for path in Path("mlruns").iterdir()} <= {"0", "models", ".trash", str(mlflow_logger.name)}


def test_wandb_with_a_plain_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, shown = WandbLogger(mode="disabled"), []
    monkeypatch.setattr(logger, "log_image", lambda key, images, step: shown.append((key, step)))
    _train(logger, plainly=True)
    assert shown == [("samples", 2), ("samples", 4)]


@pytest.mark.parametrize("plainly", [False, True])
def test_a_logger_of_ones_own_that_takes_no_pictures_is_told_of_once(
    plainly: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = OwnLogger()
    place = Path("samples" if plainly else "run/samples")
    _train(logger, plainly=plainly)
    assert [step for step, names in logger.numbers if "train/loss_d" in names] == _STEPS
    said = [line for line in capsys.readouterr().out.splitlines() if "pictures" in line]
    [line] = said
    assert line.startswith(f"lit-gan: OwnLogger cannot be given pictures: those of SampleGrid are in {place} alone (")
    if not plainly:
        assert logger.configuration["model"]["class_path"] == "lit_gan.gan.GAN"


def test_one_with_the_method_for_pictures_gets_them(capsys: pytest.CaptureFixture[str]) -> None:
    logger = PicturesToo()
    trained = _train(logger)
    assert [(key, step) for key, step, _ in logger.pictures] == [("samples", 2), ("samples", 4)]
    assert {shape[0] for _, _, shape in logger.pictures} == {3}
    assert "cannot be given pictures" not in capsys.readouterr().out
    assert logger in trained.loggers


def test_a_table_is_missed_by_nobody() -> None:
    assert give_picture(CSVLogger("table"), "samples", torch.zeros(3, 4, 4), 1)
    assert not give_picture(OwnLogger(), "samples", torch.zeros(3, 4, 4), 1)
