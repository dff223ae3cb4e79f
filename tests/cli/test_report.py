"""`lit-gan report`: what was trained, on a page."""

import json
import re
from pathlib import Path

import pytest
import torch
from command_line import QUIET, SHORT, fit, lit_gan, the_run

from lit_gan import GAN, Run
from lit_gan.data import DigitsDataModule, ToyDataModule
from lit_gan.data.mixtures import Line
from lit_gan.evaluation.ceilings import RealImages
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.metrics import PrecisionRecall
from lit_gan.networks import MLPDiscriminator, MLPGenerator


def test_a_training_ends_with_its_page_and_its_score() -> None:
    shown = [option for option in SHORT if option not in ("--report=false", "--parzen.num_samples=0")]
    ending = lit_gan("fit", "--config=quickstart", *shown, "--parzen.num_samples=50", "--trainer.max_epochs=1")
    run = the_run()
    assert ending.code == 0
    assert ending.out.splitlines()[-1] == f"  report     {run}/report.html"
    score = next(line for line in ending.out.splitlines() if line.startswith("  score"))
    scores = json.loads((run / "scores.json").read_text())["val"]
    own, real = scores["rows"]["this run"], scores["rows"]["training images"]
    assert score == (
        f"  score      {own['log_likelihood']:.1f} ± {own['error']:.1f} nats on 150 held-out images; "
        f"real images {real['log_likelihood']:.1f} ± {real['error']:.1f}"
    )
    assert (scores["rounds"], own["centres"], real["centres"]) == (4, 50, 50)
    assert real["this_run_minus_it"] == pytest.approx(own["log_likelihood"] - real["log_likelihood"])
    page = (run / "report.html").read_text()
    assert "finished after 4 rounds" in page
    assert "shipped configuration quickstart" in page
    assert (run / "figures" / "figure-2.pdf").exists()
    assert f'alt="figure 2 of quickstart/{run.name}"' in page


def test_numbers_of_metrics_end_up_beside_those_of_real_images(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = ("--evaluation.metrics+=lit_gan.metrics.PrecisionRecall", "--evaluation.num_samples=200")
    often = "--evaluation.every_n_epochs=1"
    ending = fit("--report=true", *looks, often, epochs=1)
    run = the_run()
    assert (ending.code, ending.err) == (0, "")
    assert "lit-gan: PrecisionRecall looks at real images in the place of samples, once for these data." in ending.out
    real = RealImages(DigitsDataModule(), 200, "train").measured_by(ImageMetrics([PrecisionRecall()], "evaluation"), 0)
    found = json.loads((run / "scores.json").read_text())["val"]["real_images"]
    assert {name: each["value"] for name, each in found.items()} == real.values
    assert found["recall"] == {
        "value": real.values["recall"], "images": 200, "beside": 1200, "samples": 200, "reference": 1200,
    }  # fmt: skip
    assert "(200 : 1,200)</td>" in (run / "report.html").read_text()
    assert "memorization" in (run / "report.html").read_text()
    again = lit_gan("test", run, *QUIET, *looks)
    assert (again.code, "looks at real images" in again.out) == (0, False)  # it is known
    assert json.loads((run / "scores.json").read_text())["test"]["real_images"] == found

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("lit_gan.evaluation.ceilings.RealImages.measured_by", broken)
    with pytest.warns(
        UserWarning, match=r"^PrecisionRecall has no number of real images .*\(ZeroDivisionError: by zero"
    ):
        assert lit_gan("test", run, *QUIET, *looks, "--evaluation.num_samples=100").code == 0


def test_no_page_is_written_where_none_is_wanted(finished_run: Path) -> None:
    assert not (finished_run / "report.html").exists()


def test_a_page_of_a_finished_run(finished_run: Path) -> None:
    ending = lit_gan("report", finished_run)
    assert (ending.code, ending.err) == (0, "")
    assert ending.out.startswith(f"lit-gan: wrote {finished_run}/report.html (0.")
    assert lit_gan("report", finished_run, "--format=json").code == 0
    assert json.loads((finished_run / "report.json").read_text())["runs"][0]["rounds"] == 8


def test_a_page_that_cannot_be_written_is_told(finished_run: Path) -> None:
    ending = lit_gan("report", finished_run, "--out=/proc/report.html")
    assert ending.code == 2
    assert re.fullmatch(r"/proc/report\.html: cannot be written \(.+\): give --out FILE\.", ending.line)
    (finished_run / "report.html").mkdir()
    line = lit_gan("report", finished_run).line
    assert line == f"{finished_run}/report.html: cannot be written (Is a directory): give --out FILE."


def test_a_page_of_several_goes_to_the_working_directory(finished_run: Path) -> None:
    other = finished_run.with_name("other")
    finished_run.joinpath("run.json").read_text()
    other.mkdir()
    for name in ("run.json", "metrics.csv"):
        (other / name).write_bytes((finished_run / name).read_bytes())
    ending = lit_gan("report", finished_run, other, "--format=md")
    assert ending.out.startswith("lit-gan: wrote report.md (")
    assert Path("report.md").read_text().startswith("# 2 runs compared\n")


def test_a_test_is_kept_beside_real_images_too(finished_run: Path) -> None:
    assert lit_gan("test", finished_run, "--parzen.num_samples=50", "--trainer.enable_progress_bar=false").code == 0
    scores = json.loads((finished_run / "scores.json").read_text())["test"]
    assert (scores["rounds"], set(scores["rows"])) == (8, {"this run", "training images"})


def test_a_page_that_cannot_be_written_fails_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> str:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("lit_gan.session.report.write_report", broken)
    monkeypatch.setattr("lit_gan.figures.of_run.draw_figures", broken)
    with pytest.warns(UserWarning, match="tries again") as told:
        ending = fit("--report=true", epochs=1)
    run = the_run()
    assert [str(each.message) for each in told] == [
        f"No figures were drawn (ZeroDivisionError: by zero); `lit-gan figures {run}` tries again.",
        f"The report was not written (ZeroDivisionError: by zero); `lit-gan report {run}` tries again.",
    ]
    assert ending.code == 0
    assert "report" not in ending.out.splitlines()[-1]


def test_a_game_whose_density_is_known_keeps_its_weights_and_shows_figure_1(tmp_path: Path) -> None:
    gan = GAN(
        MLPGenerator((1, 1, 1), latent_size=1, hidden=(4,), output_activation="linear"),
        MLPDiscriminator((1, 1, 1), hidden=(4,)),
    )
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    Run(tmp_path / "one", wandb="off").trainer(max_steps=2, **quiet).fit(gan, ToyDataModule(Line(num_modes=1, std=1.0)))
    kept = torch.load(tmp_path / "one/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, kept[name]) for name, value in gan.state_dict().items())
    assert "figure 1 of" in (tmp_path / "one" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere does not exist: expected a run folder, such as runs/mnist/ID."),
        (["."], ". is not a run folder (it has no run.json): give the path of one, such as runs/mnist/ID."),
        ([".", "--out=there"], "--out there is a folder: expected a file, such as there/report.html."),
        (
            [".", "--out=no/such/x.html"],
            "--out no/such/x.html: there is no folder no/such; make it, or give another file.",
        ),
        ([".", "--format=pdf"], "argument --format: invalid choice: 'pdf' (choose from"),
        ([], "the following arguments are required: RUN; `lit-gan report --help` lists the options."),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], line: str) -> None:
    Path("there").mkdir()
    assert lit_gan("report", *arguments).line.startswith(line)
