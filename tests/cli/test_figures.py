"""`lit-gan figures`: what applies to a run is drawn, what does not is told, and what is missing as well."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import QUIET, lit_gan
from PIL import Image
from shared_runs import trained_once

from lit_gan.callbacks import TrainingFilm

_SMALL = ("--rows=2", "--columns=3", "--steps=3", "--format=png,svg")


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """Three rounds of `toy`."""

    def train() -> int:
        film = ("--trainer.callbacks.init_args.every_n_rounds=1", "--data.init_args.num_train=600")
        ending = lit_gan("fit", "--config=toy", *QUIET, "--wandb=off", "--run_dir=run", "--trainer.max_epochs=1", *film)
        assert (ending.code, ending.err) == (0, "")
        return ending.code

    folder, _ = trained_once(tmp_path_factory, "toy", train)
    return Path(shutil.copytree(folder / "run", "toy"))


def _figures(*arguments: Any) -> list[str]:
    ending = lit_gan("figures", *arguments)
    assert (ending.code, ending.err) == (0, "")
    return ending.out.splitlines()


def test_what_applies_to_a_run_of_images_is_drawn_and_the_rest_is_told(finished_run: Path) -> None:
    lines = _figures(finished_run, *_SMALL)
    folder = f"{finished_run}/figures"
    assert lines[:4] == [f"{folder}/figure-{number}.{kind}" for number in (2, 3) for kind in ("png", "svg")]
    assert lines[4:6] == [f"{folder}/memorization.{kind}" for kind in ("png", "svg")]
    assert lines[6] == (
        "lit-gan: no figure-1: it is of a game on a known density of one dimension (lit-gan fit --config toy)."
    )
    assert len(lines) == 8
    assert lines[7].startswith("lit-gan: no film: there are not two pictures in film/ or samples/: train with ")
    assert f"--trainer.callbacks+=lit_gan.callbacks.{TrainingFilm.__name__}, or with" in lines[7]
    for line in lines[:6]:
        assert Path(line).stat().st_size > 1000


def test_the_same_run_has_the_same_files(finished_run: Path) -> None:
    for out in ("once", "twice"):
        _figures(finished_run, *_SMALL, "--format=png,pdf,svg", f"--out={out}")
    names = sorted(path.name for path in Path("once").iterdir())
    assert len(names) == 9
    for name in names:
        assert Path("once", name).read_bytes() == Path("twice", name).read_bytes(), name
    again = _figures(finished_run / "checkpoints" / "last.ckpt", *_SMALL, "--out=thrice")
    assert Path("thrice/figure-2.png").read_bytes() == Path("once/figure-2.png").read_bytes(), again


def test_grids_of_samples_are_a_film_of_a_run_that_has_taken_none(finished_run: Path) -> None:
    [grid] = (finished_run / "samples").glob("round-*.png")
    shutil.copy(grid, grid.with_name("round-000004.png"))
    assert f"{finished_run}/figures/film.webp" in _figures(finished_run, *_SMALL, "--film=webp")
    with Image.open(finished_run / "figures" / "film.webp") as film:
        assert film.n_frames == 2


def test_the_figure_of_a_game_and_its_film(toy: Path) -> None:
    assert (toy / "film" / "training.gif").is_file()
    lines = _figures(toy, "--format=svg")
    assert lines == [
        "toy/figures/figure-1.svg",
        "toy/figures/film.gif",
        "lit-gan: no figure-2: the samples are points, not pictures.",
        "lit-gan: no figure-3: the samples are points, not pictures.",
    ]
    with Image.open(toy / "figures" / "film.gif") as film:
        assert film.n_frames == 4
    shutil.rmtree(toy / "film")
    lines = _figures(toy, "--format=svg")
    assert lines[0] == "toy/figures/figure-1.svg"
    assert lines[-1].startswith("lit-gan: no film: ")


def test_a_run_of_an_earlier_version_has_its_figures() -> None:
    run = Path(shutil.copytree(Path(__file__).with_name("run_of_version_0_1_0"), "run"))
    lines = _figures(run, *_SMALL)
    assert [line for line in lines if "figure-2" in line or "figure-3" in line][:4] == lines[:4]


def _rewritten(run: Path, change: Any) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def _gone(config: dict[str, Any]) -> None:
    config["data"] = {"class_path": "lit_gan.data.MNISTDataModule", "init_args": {"root": "/nowhere"}}


@pytest.mark.parametrize(
    ("change", "options", "why"),
    [
        (_gone, [], "MNIST: not found: /nowhere/MNIST/raw/"),
        (_gone, [], ": give --root DIR, where they are now."),
        (_gone, ["--root=elsewhere"], ": --root elsewhere does not hold them."),
        (lambda config: config.update(from_python=True), [], "was trained from Python"),
        (lambda config: config.pop("data"), [], "/config.yaml says nothing of the data."),
    ],
)
def test_without_data_the_rest_is_drawn(finished_run: Path, change: Any, options: list[str], why: str) -> None:
    _rewritten(finished_run, change)
    lines = _figures(finished_run, *_SMALL, *options)
    [line] = [line for line in lines if line.startswith("lit-gan: no figure-2: ")]
    assert why in line
    assert lines[0].endswith("figure-3.png")


def test_data_that_name_what_may_not_be_imported_are_refused(finished_run: Path) -> None:
    _rewritten(finished_run, lambda config: config["data"].update(class_path="subprocess.Popen"))
    assert "names subprocess.Popen as its data" in lit_gan("figures", finished_run).line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows=0"], "--rows 0: expected at least 1."),
        (["--columns=0"], "--columns 0: expected at least 1."),
        (["--steps=1"], "--steps 1: expected at least 2."),
        (["--seconds=0"], "--seconds 0.0: expected a number above 0."),
        (["--format=png,jpg"], "--format png,jpg: expected some of png, pdf, svg, with commas between."),
        (["--film=mp4"], "--film = mp4: expected gif or webp."),
        (["--out=a_file"], "--out a_file: that is a file: expected a folder, which is made if it is not there."),
        (["--colums=3"], "--colums=3: no such option; did you mean --columns?"),
    ],
)
def test_options_that_cannot_be_are_told(options: list[str], message: str, finished_run: Path) -> None:
    Path("a_file").touch()
    assert message in lit_gan("figures", finished_run, *options).line
    assert not (finished_run / "figures").exists()


def test_what_is_no_run_or_has_nothing_to_draw_is_told(finished_run: Path) -> None:
    assert lit_gan("figures", "runs/none").line.startswith("runs/none does not exist: give the path of a checkpoint")
    assert lit_gan("figures", "").line == "expected a run folder, got an empty name."
    alone = shutil.copy(finished_run / "checkpoints" / "last.ckpt", "alone.ckpt")
    assert lit_gan("figures", alone).line == (
        "alone.ckpt is no run folder (it has no run.json): expected one, such as runs/quickstart/ID; `lit-gan sample` "
        "draws from a checkpoint alone."
    )
    shutil.rmtree(finished_run / "checkpoints")
    assert "holds no checkpoint that can be read" in lit_gan("figures", finished_run).line


def test_a_module_that_is_no_gan_is_told(finished_run: Path) -> None:
    last = finished_run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    content["hyper_parameters"]["_class_path"] = "torch.nn.Linear"
    torch.save(content, last)
    assert "holds a torch.nn.Linear, which is no GAN" in lit_gan("figures", finished_run).line


def test_it_is_light_to_start(finished_run: Path) -> None:
    ending = lit_gan("figures", "--help")
    assert ending.code == 0
    assert "--format LIST" in ending.out
