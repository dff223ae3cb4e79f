"""The pages that ask the reader to write files: the files are written, and the commands run, for two rounds each."""

import ast
import re
import sys
from pathlib import Path
from shutil import make_archive
from typing import Any

import pytest
import torch
import yaml
from documents import ROOT, blocks, commands
from tiny_gan import trainer
from torchvision.utils import save_image

from lit_gan.cli.main import main
from lit_gan.cli.sweep.check import check_options
from lit_gan.gan import GAN
from lit_gan.tuning.sweep_file import load_sweep

_HOW_TO = ROOT / "docs" / "how-to"
_SHORT = [
    "--trainer.max_steps",
    "2",
    "--trainer.log_every_n_steps",
    "1",
    "--trainer.enable_progress_bar",
    "false",
    "--trainer.accelerator",
    "cpu",
    "--report",
    "false",
]
#: And what is measured of them is little.
_QUICK = [*_SHORT, "--parzen.num_samples", "100", "--evaluation.metrics", "[]"]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: Any) -> Path:
    """A reader's folder, where `lit-gan` finds the modules that are written there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])  # what the command adds goes with the test
    return tmp_path


def _write_files(page: Path, folder: Path) -> list[str]:
    files = [block for block in blocks(page) if block.title not in ("", "run")]
    for block in files:
        (folder / block.title).write_text(block.text)
    return [block.title for block in files]


def _runs_of(page: Path) -> list[list[str]]:
    return [arguments for arguments in commands(page) if arguments[0] == "fit"]


def _trained(folder: Path) -> Path:
    [run] = [record.parent for record in (folder / "runs").glob("*/*/run.json")]
    assert (run / "samples" / "round-000002.png").is_file()
    assert (run / "metrics.csv").is_file()
    return run / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize("index", range(2))
def test_the_readers_own_network_and_objective_train_and_are_loaded_again(index: int, reader: Path) -> None:
    page = _HOW_TO / "own-network-and-objective.md"
    assert _write_files(page, reader) == ["my_gan.py", "my_gan.yaml", "train_my_gan.py"]
    runs = _runs_of(page)
    assert len(runs) == 2

    assert main([*runs[index], *_SHORT]) == 0
    gan = GAN.load_from_checkpoint(_trained(reader))

    assert type(gan.generator).__name__ == "Upsampler"
    assert type(gan.objective).__name__ == "SmoothedLabels"
    assert gan.objective.real_label == (0.9, 0.8)[index]
    assert gan.sample(3).shape == (3, 1, 8, 8)


@pytest.mark.parametrize(
    ("index", "parts"),
    [
        (0, ("RelativisticPairing", ["R1", "R2"], "DiffAugment", "FixedSteps")),
        (1, ("NonSaturating", ["R1"], "InstanceNoise", "FixedSteps")),
        (2, ("NonSaturating", [], "NoneType", "AccuracyBand")),
        (3, ("NonSaturating", ["Offset"], "NoneType", "FixedSteps")),
        (4, ("RelativisticPairing", ["R1", "R2"], "AffineColorAugment", "FixedSteps")),
    ],
)
def test_objective_penalties_and_augmentation_train(index: int, parts: tuple[Any, ...], reader: Path) -> None:
    page = _HOW_TO / "objective-penalties-augmentation.md"
    assert _write_files(page, reader) == ["paired.yaml", "my_penalty.py", "five.yaml"]
    runs = _runs_of(page)
    assert len(runs) == 5

    assert main([*runs[index], *_QUICK]) == 0
    gan = GAN.load_from_checkpoint(_trained(reader))

    names = [type(each).__name__ for each in gan.penalties]
    part = [type(each).__name__ for each in (gan.objective, gan.augment, gan.coordination)]
    assert (part[0], names, part[1], part[2]) == parts
    [row] = {row for run in (reader / "runs").glob("*/*/metrics.csv") for row in [run.read_text().partition("\n")[0]]}
    assert all(f"train/penalty_{name.lower()}" in row for name in names)
    scheduled = ("train/weight_r1", "train/weight_r2", "train/beta2_g", "train/beta2_d", "train/augment_probability")
    assert [name in row for name in scheduled] == [index == 4] * len(scheduled)


@pytest.mark.parametrize(
    ("index", "coordination", "optimizer_d", "latent", "callbacks"),
    [
        (0, "FixedSteps", ("SGD", 0.1), "Uniform", ["GeneratorEMA", "Lookahead"]),
        (1, "AccuracyBand", ("SGD", 0.1), "Uniform", ["GeneratorEMA"]),
        (2, "FixedSteps", ("OptimisticAdam", 0.001), "Uniform", ["GeneratorEMA"]),
        (3, "FixedSteps", ("SGD", 0.2), "Uniform", ["GeneratorEMA"]),
        (4, "FixedSteps", ("SGD", 0.1), "Truncated", ["GeneratorEMA"]),
        (5, "FixedSteps", ("SGD", 0.1), "Mixture", ["GeneratorEMA"]),
        (6, "FixedSteps", ("SGD", 0.1), "Normal", ["GeneratorEMA"]),
    ],
)
def test_ways_of_coordination_train(
    index: int, coordination: str, optimizer_d: tuple[str, float], latent: str, callbacks: list[str], reader: Path
) -> None:
    page = _HOW_TO / "coordination.md"
    assert _write_files(page, reader) == ["optimistic.yaml"]
    runs = _runs_of(page)
    assert len(runs) == 7

    assert main([*runs[index], *_QUICK, "--wandb", "off"]) == 0
    run = _trained(reader).parents[1]
    gan = GAN.load_from_checkpoint(run)
    config = yaml.safe_load((run / "config.yaml").read_text())

    assert (type(gan.coordination).__name__, type(gan.latent).__name__) == (coordination, latent)
    [group] = gan.players["discriminator"].build_optimizer().param_groups
    kind = config["model"]["init_args"]["optimizer_d"]["class_path"].rpartition(".")[2]
    assert (kind, group["lr"]) == optimizer_d
    assert [each["class_path"].rpartition(".")[2] for each in config["trainer"]["callbacks"]] == callbacks


def test_the_ways_of_sampling_draw(reader: Path) -> None:
    page = _HOW_TO / "sampling.md"
    assert main(["fit", "--config", "quickstart", *_QUICK, "--wandb", "off"]) == 0
    run = str(_trained(reader).parents[1].relative_to(reader))
    drawn = [arguments for arguments in commands(page) if arguments[0] == "sample"]
    assert [main([run if word == "runs/quickstart/ID" else word for word in arguments]) for arguments in drawn] == [
        0
    ] * 6
    assert all((reader / name).is_file() for name in ("passed.png", "moved.png", "typical.png"))
    [code] = [block.text for block in blocks(page) if block.language == "python"]
    names: dict[str, Any] = {}

    exec(compile(code.replace("runs/quickstart/ID", run), "draw.py", "exec"), names)  # noqa: S102 -- the page's own

    assert names["passed"].shape == names["moved"].shape == (64, 1, 8, 8)


@pytest.mark.parametrize(
    ("page", "file"),
    [(_HOW_TO / "own-network-and-objective.md", "train_my_gan.py"), (ROOT / "docs" / "tutorial.md", "train.py")],
    ids=["own network", "tutorial"],
)
def test_the_python_of_a_page_runs(page: Path, file: str, reader: Path) -> None:
    _write_files(page, reader)
    names: dict[str, Any] = {}

    exec(compile((reader / file).read_text(), file, "exec"), names)  # noqa: S102 -- the page's own code

    assert names["gan"].trainer.global_step == 12
    assert names["gan"].sample(2).shape == (2, 1, 8, 8)


def test_the_python_of_the_readme_runs_and_is_ten_lines(reader: Path) -> None:
    [code] = [block.text for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert len([line for line in code.splitlines() if line]) <= 10
    assert "max_steps=6000" in code
    names: dict[str, Any] = {}

    exec(compile(code.replace("max_steps=6000", "max_steps=2"), "README.md", "exec"), names)  # noqa: S102 -- our own

    assert (reader / "runs" / "mine" / "run.json").is_file()
    assert names["images"].shape == (64, 1, 8, 8)


@pytest.mark.parametrize(("file", "run"), [("train.py", "mine"), ("classifier.py", "classifier")])
def test_the_runs_of_the_page_on_python_train_and_go_on(file: str, run: str, reader: Path, capsys: Any) -> None:
    page = _HOW_TO / "python.md"
    assert _write_files(page, reader) == ["train.py", "classifier.py"]
    for said in ("lit-gan: finished", "lit-gan: finished 0 rounds in this script"):
        exec(compile((reader / file).read_text(), file, "exec"), {"__name__": "page"})  # noqa: S102 -- the page's own code
        assert said in capsys.readouterr().out
    assert (reader / "runs" / run / "metrics.csv").is_file()
    assert (reader / "runs" / run / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize("file", ["vocoder.py", "inversion.py"])
def test_modules_of_the_readers_own_count_rounds(file: str, reader: Path, capsys: Any) -> None:
    assert _write_files(_HOW_TO / "own-module.md", reader) == ["vocoder.py", "inversion.py"]
    exec(compile((reader / file).read_text(), file, "exec"), {"__name__": "page"})  # noqa: S102 -- the page's own code
    assert "12 rounds" in capsys.readouterr().out
    [metrics] = (reader / "runs").glob("*/metrics.csv")
    assert "train/loss" in metrics.read_text()


def _own_data_run(data: str) -> list[str]:
    [run] = [run for run in _runs_of(_HOW_TO / "own-data.md") if data in run]
    return run


def test_a_folder_of_pictures_trains(reader: Path) -> None:
    _write_files(_HOW_TO / "own-data.md", reader)
    (reader / "pictures").mkdir()
    for number in range(60):
        save_image(torch.rand(3, 40, 36), reader / "pictures" / f"{number:03d}.png")

    assert main([*_own_data_run("pictures.yaml"), *_QUICK]) == 0
    assert GAN.load_from_checkpoint(_trained(reader)).sample(2).shape == (2, 1, 32, 32)


def _pictures_of_two_classes(folder: Path) -> None:
    for number in range(60):
        file = folder / "pictures" / ("day", "night")[number % 2] / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_image(torch.rand(3, 20, 18) * (1 - 0.7 * (number % 2)), file)
    make_archive(str(folder / "pictures"), "zip", folder, "pictures")


_INGREDIENTS = {
    "sngan.yaml": {
        "train/augment_probability",
        "train/penalty_le_cam",
        "Hinge",
        "ResNetGenerator",
        "ResNetDiscriminator",
        "AdaptiveAugment",
    },
    "wgan.yaml": {
        "train/penalty_gradient_penalty",
        "Wasserstein",
        "DCGANGenerator",
        "DCGANDiscriminator",
        "AffineColorAugment",
    },
    "r3gan.yaml": {
        *(f"train/{name}" for name in ("penalty_r1", "penalty_r2", "weight_r1", "beta2_g", "augment_probability")),
        *(f"val/{name}" for name in ("precision", "recall", "frechet_distance", "memorization")),
        "RelativisticPairing",
        "R3GANGenerator",
        "R3GANDiscriminator",
        "DiffAugment",
    },
}


@pytest.mark.parametrize("file", _INGREDIENTS)
def test_a_game_of_under_twenty_lines_has_each_ingredient(file: str, reader: Path) -> None:
    page = _HOW_TO / "ingredients.md"
    assert _write_files(page, reader) == [*_INGREDIENTS, "metrics.yaml"]
    assert len((reader / file).read_text().splitlines()) < 20
    _pictures_of_two_classes(reader)
    [run] = [run for run in _runs_of(page) if file in run]

    assert main([*run, *_SHORT, "--data.init_args.batch_size", "12", "--wandb", "off"]) == 0
    folder = _trained(reader).parents[1]
    gan = GAN.load_from_checkpoint(folder)
    parts = (gan.objective, gan.generator, gan.discriminator, gan.augment)
    logged = set((folder / "metrics.csv").read_text().partition("\n")[0].split(","))

    assert _INGREDIENTS[file] <= logged | {type(part).__name__ for part in parts}


def test_rows_with_names_of_their_own_train(reader: Path) -> None:
    _write_files(_HOW_TO / "own-data.md", reader)

    assert main([*_own_data_run("my_photos.Photos"), *_QUICK]) == 0
    assert GAN.load_from_checkpoint(_trained(reader)).sample(2).shape == (2, 1, 8, 8)


def test_a_data_set_in_memory_trains(reader: Path) -> None:
    _write_files(_HOW_TO / "own-data.md", reader)
    [run] = [run for run in _runs_of(_HOW_TO / "own-data.md") if run == ["fit", "--config", "my_data.yaml"]]

    assert main([*run, *_QUICK]) == 0
    assert GAN.load_from_checkpoint(_trained(reader)).sample(2).shape == (2, 1, 4, 8)


def test_any_data_module_trains_with_two_discriminator_steps_per_round(reader: Path) -> None:
    _write_files(_HOW_TO / "own-data.md", reader)

    assert main([*_own_data_run("my_loader.LowerHalves"), *_QUICK]) == 0
    gan = GAN.load_from_checkpoint(_trained(reader))

    assert gan.minibatches_per_round == 2
    assert gan.sample(2).shape == (2, 1, 4, 8)


def test_values_are_taken_from_elsewhere(reader: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = _HOW_TO / "configuration.md"
    assert _write_files(page, reader) == ["mine.yaml", "completed.yaml", "rates.yaml"]
    trained, _, printed = _runs_of(page)
    monkeypatch.setenv("RATE", "0.25")

    assert main(["fit", "--config", "quickstart", "--config", "completed.yaml", *_QUICK, "--run_dir", "completed"]) == 0
    assert main([*trained, *_QUICK]) == 0
    kept = yaml.safe_load((_trained(reader).parents[1] / "config.yaml").read_text())
    capsys.readouterr()
    assert main(printed) == 0
    for content in (kept, yaml.safe_load(capsys.readouterr().out)):
        players = [content["model"]["init_args"][name]["init_args"]["lr"] for name in ("optimizer_g", "optimizer_d")]
        assert (players, content["sample_grid"]["num_samples"]) == ([0.25, 0.25], 100)
    check_options(load_sweep(Path("rates.yaml")), "rates.yaml")


def test_the_conditional_gan_on_its_page_is_the_one_that_is_shipped() -> None:
    def code(text: str) -> list[str]:
        return [line.split("  # ")[0].strip() for line in text.splitlines() if line.strip()]

    [shown] = [block.text for block in blocks(_HOW_TO / "conditional-gan.md") if "class ConditionalGAN" in block.text]
    shipped = code((ROOT / "lit_gan" / "extensions" / "conditional.py").read_text())

    assert [line for line in code(shown) if line not in shipped] == []


def test_the_conditional_gan_has_under_forty_lines() -> None:
    tree = ast.parse((ROOT / "lit_gan" / "extensions" / "conditional.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]

    [gan] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(ast.unparse(gan).splitlines()) < 40


def test_fine_tuning_begins_with_the_weights_of_the_first_run(reader: Path) -> None:
    page = _HOW_TO / "fine-tuning.md"
    assert _write_files(page, reader) == ["one_digit.py", "sevens.yaml"]
    first, second, *of_one_player = _runs_of(page)
    assert main([*first, *_QUICK, "--wandb", "off"]) == 0
    assert main([*second, *_QUICK, "--wandb", "off"]) == 0
    assert [main([*run, *_QUICK, "--wandb", "off"]) for run in of_one_player] == [0, 0]
    [code] = [block.text for block in blocks(page) if block.language == "python" and not block.title]
    names: dict[str, Any] = {}

    exec(compile(code, "fine-tuning.md", "exec"), names)  # noqa: S102 -- the page's own code

    assert (reader / "runs" / "sevens" / "metrics.csv").is_file()
    assert names["gan"].sample(2).shape == (2, 1, 8, 8)


@pytest.mark.slow
def test_an_inference_network_without_data_and_an_inpainting_gan_of_halves_train(reader: Path) -> None:
    assert _write_files(_HOW_TO / "inference.md", reader) == ["from_g_alone.yaml", "pairs.yaml"]
    assert _write_files(_HOW_TO / "inpainting.md", reader) == ["halves.yaml"]
    off = ["--parzen.num_samples", "0", "--wandb", "off"]

    of_pairs, of_halves = ["digits_inference", "pairs.yaml"], ["digits_inpainting", "halves.yaml"]
    for configs in (["quickstart"], ["from_g_alone.yaml"], of_pairs, of_halves):
        given = [word for config in configs for word in ("--config", config)]
        assert main(["fit", *given, *_QUICK, *off]) == 0, configs
    inpainting = GAN.load_from_checkpoint(next((reader / "runs" / "digits_inpainting").iterdir()))
    assert inpainting.masks.weights == {"pixels": 0, "boxes": 1, "halves": 3, "stripes": 0, "nothing": 1}


def _super_resolution(reader: Path) -> dict[str, Any]:
    assert _write_files(_HOW_TO / "g-takes-a-batch.md", reader) == ["super_resolution.py"]
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile((reader / "super_resolution.py").read_text(), "page", "exec"), names)  # noqa: S102 -- the page's own code
    return names


def test_before_round_n_g_learns_to_reconstruct_and_d_stands_still(reader: Path) -> None:
    page, weights = _super_resolution(reader), []
    for start, rounds in ((5, 5), (5, 5), (5, 7), (0, 5)):
        torch.manual_seed(0)
        enlarger = page["Enlarger"]()
        torch.manual_seed(len(weights))
        gan = page["SuperResolution"](enlarger, page["Judge"](), latent=page["Normal"](), start=start)
        begun = [each.detach().clone() for each in gan.discriminator.parameters()]
        trainer(max_steps=rounds, precision="32-true").fit(gan, page["DigitsDataModule"]())
        stood = all(map(torch.equal, begun, gan.discriminator.parameters()))
        assert stood is (rounds <= start)
        weights.append(torch.cat([each.detach().flatten() for each in gan.generator.parameters()]))
    assert torch.equal(weights[0], weights[1])  # whatever D is
    assert not torch.equal(weights[0], weights[3])


@pytest.mark.slow
def test_super_resolution_beats_interpolation(reader: Path, capsys: Any) -> None:
    _write_files(_HOW_TO / "g-takes-a-batch.md", reader)
    file = reader / "super_resolution.py"
    code = file.read_text().replace("rounds = 1200", "rounds = 400")
    exec(compile(code, file.name, "exec"), {"__name__": "__main__"})  # noqa: S102 -- the page's own code
    errors = dict(re.findall(r"mean error of (\w+): (0\.\d+)", capsys.readouterr().out))
    assert float(errors["G"]) < 0.9 * float(errors["bilinear"])


def test_the_python_of_the_page_on_diagnosis_reads_the_metrics_of_any_run(reader: Path) -> None:
    codes = [block.text for block in blocks(_HOW_TO / "diagnosis.md") if block.language == "python"]
    names: dict[str, Any] = {}

    for code in codes:
        exec(compile(code, "diagnosis.py", "exec"), names)  # noqa: S102 -- the page's own

    assert [type(each).__name__ for each in names["trainer"].callbacks][:2] == ["ParzenEvaluation", "Diagnosis"]
    rows = [f"{step},{step / 10000},1.0,0.0" for step in range(99, 2000, 100)]
    (reader / "metrics.csv").write_text(
        "\n".join(["step,train/d_lead,val/near_duplicates,val/near_duplicates_real", *rows, ""])
    )
    assert [finding.disease for finding in names["findings"]("metrics.csv")] == ["collapse"]
