"""Metrics and quantities that a command is asked for: what is missing is one line, what is logged can be read."""

from pathlib import Path

import pytest
from command_line import fit, lit_gan, metrics, the_run

_FID = "{}: {{metrics: [{{class_path: torchmetrics.image.fid.FrechetInceptionDistance}}]}}\n"


@pytest.mark.parametrize(("verb", "section"), [("fit", "evaluation"), ("fit", "parzen"), ("baselines", "parzen")])
def test_a_metric_whose_package_is_missing_is_one_line_with_what_to_install(
    verb: str, section: str, tmp_path: Path
) -> None:
    (tmp_path / "fid.yaml").write_text(_FID.format(section))
    more = f"--config={tmp_path / 'fid.yaml'}"
    ending = fit(more) if verb == "fit" else lit_gan("baselines", "--config=quickstart", more)
    assert ending.line.startswith(
        "torchmetrics.image.fid.FrechetInceptionDistance cannot be built: FrechetInceptionDistance metric requires that"
    )
    assert ending.line.endswith("or `pip install torch-fidelity`.")
    assert not Path("runs").exists()


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
def test_what_a_class_says_of_its_arguments_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "kid.yaml").write_text(
        "parzen: {metrics: [{class_path: torchmetrics.image.kid.KernelInceptionDistance, init_args: {subsets: -1}}]}\n"
    )
    line = fit(f"--config={tmp_path / 'kid.yaml'}").line
    assert line.startswith("torchmetrics.image.kid.KernelInceptionDistance cannot be built: ")


@pytest.mark.parametrize(("option", "kind"), [("sample_grid", "SampleGrid"), ("interpolation", "Interpolation")])
def test_nothing_where_a_number_is_needed_is_one_line(option: str, kind: str, tmp_path: Path) -> None:
    """The parser takes a null of a file for a value that is not given."""
    (tmp_path / "null.yaml").write_text(f"{option}: {{every_n_rounds: null}}\n")
    line = fit(f"--config={tmp_path / 'null.yaml'}").line
    assert f".{kind} cannot be built: TypeError: '<' not supported between" in line
    assert not Path("runs").exists()


@pytest.mark.filterwarnings("ignore:under .* may grow ever steeper")
def test_a_critic_s_run_logs_no_quantity_of_probabilities() -> None:
    assert fit("--model.init_args.objective=lit_gan.objectives.Wasserstein", epochs=1).code == 0
    names = {name for row in metrics(the_run()) for name in row}
    assert {"train/loss_d", "train/loss_g", "val/loss_d", "val/loss_g"} <= names
    assert not {name for name in names if name.partition("/")[2] in ("value", "jsd_bound", "d_real", "d_fake")}
