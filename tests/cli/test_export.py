"""`lit-gan export`: a run becomes a file that needs no lit-gan, with a card beside it."""

import errno
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
import yaml
from command_line import SHORT, lit_gan, the_run
from documents import ROOT, blocks
from PIL import Image

from lit_gan.exporting.card import numbers, without_folders
from lit_gan.generative import GenerativeModule
from lit_gan.reporting.run_data import RunData
from lit_gan.runs.metrics_file import Column, Metrics

_PAGE = ROOT / "docs" / "how-to" / "export.md"
_WITHOUT = "import sys; sys.modules['lit_gan'] = None\n"  # an import of it is an ImportError


def _run_alone(code: str, folder: Path) -> None:
    """Runs code in an interpreter that cannot import lit_gan."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::FutureWarning", "-c", _WITHOUT + code],
        cwd=folder,
        env={"OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def _said_code(out: str) -> str:
    return dedent(out.partition("\n\n")[2]).rstrip("\n")


def test_a_run_becomes_a_file_with_a_card_beside_it(finished_run: Path) -> None:
    ending = lit_gan("export", finished_run, "--format=torchscript")
    assert (ending.code, ending.err) == (0, "")
    file = finished_run / "export" / "generator.pt"
    first, second, third, *_ = ending.out.splitlines()
    assert re.fullmatch(rf"lit-gan: wrote {file}, 0\.\d MB: z \(N, 32\) -> images \(N, 1, 8, 8\) in \[0, 1\]", first)
    assert second == (
        "lit-gan: for 64 latents, and for one alone, its images differ from those of `lit-gan sample` by at most 0: "
        "checked by torch."
    )
    assert third == f"lit-gan: its card is {file}.md. It is loaded, without lit-gan, by"
    assert sorted(each.name for each in file.parent.iterdir()) == [
        "generator.pt",
        "generator.pt.md",
        "generator.pt.png",
    ]
    with Image.open(f"{file}.png") as picture:
        assert picture.text == {"Description": "64 samples, 8 in a row"}
    card = Path(f"{file}.md").read_text()
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "unknown"
    assert f"# {'/'.join(finished_run.parts[-2:])}, generator.pt\n" in body
    assert "![64 samples, 8 in a row](generator.pt.png)" in body
    assert "| Training | 8 rounds |" in body
    assert "| Seed | 0 |" in body
    assert "MLPGenerator of 90,688 parameters: an average of its weights over the rounds" in body
    assert 'torch.jit.load("generator.pt")' in body
    [config] = re.findall(r"## Configuration\n\n```yaml\n(.*?)```", body, re.DOTALL)
    assert yaml.safe_load(config)["data"]["class_path"] == "lit_gan.data.DigitsDataModule"
    again = lit_gan("export", finished_run, "--format=torchscript", "--license=cc-by-4.0")
    assert f"wrote {file} (the older file of that name is replaced), " in again.out
    assert "| Licence | cc-by-4.0 |" in Path(f"{file}.md").read_text()


def test_a_checkpoint_alone_is_enough_and_the_end_of_the_name_says_the_format(finished_run: Path) -> None:
    alone = shutil.copy(finished_run / "checkpoints/last.ckpt", "alone.ckpt")
    shutil.rmtree("runs")
    Path("out").mkdir()
    assert lit_gan("export", alone, "--output=out/digits.safetensors").code == 0
    beside = {f"digits.safetensors{more}" for more in ("", ".json", ".md", ".png")}
    assert {each.name for each in Path("out").iterdir()} == beside
    card = Path("out/digits.safetensors.md").read_text()
    assert "Nothing is known: this is of a checkpoint alone, without its run folder." in card
    assert "A safetensors file holds weights and no computation." in card
    assert lit_gan("export", alone, "--format=torchscript").code == 0
    assert Path("export/generator.pt").is_file()


@pytest.mark.slow
def test_the_lines_that_are_told_and_those_of_the_page_run_where_there_is_no_lit_gan(finished_run: Path) -> None:
    gan = GenerativeModule.load_from_checkpoint(finished_run)
    said = {}
    for name in ("onnx", "torchscript", "safetensors"):
        ending = lit_gan("export", finished_run, f"--format={name}")
        assert (ending.code, ending.err) == (0, "")
        said[name] = _said_code(ending.out)
        assert sum(map(bool, said[name].splitlines())) == (5 if name == "safetensors" else 4)
    folder = finished_run / "export"
    told = {name: code.replace(f"{folder}/", "") for name, code in said.items()}
    page = {block.title: block.text for block in blocks(_PAGE) if block.language == "python"}
    assert told == {name: page[f"from_{name}.py"].rstrip("\n") for name in told}
    keep = "\nnp.save('{}.npy', np.stack([images.reshape(16, 64), np.pad(z, ((0, 0), (0, 32)))]))\n"
    arrays = [told[name] + keep.format(name) for name in ("onnx", "torchscript")]
    weights = told["safetensors"] + "\nimport numpy\nnumpy.save('bias.npy', weights['output.bias'])"
    _run_alone("\n".join([*arrays, weights]), folder)
    for name in ("onnx", "torchscript"):
        images, padded = torch.from_numpy(np.load(folder / f"{name}.npy"))
        torch.testing.assert_close(images.view(16, 1, 8, 8), gan.decode(padded[:, :32]), rtol=0, atol=1e-5)
    with gan.averaged():
        assert np.array_equal(np.load(folder / "bias.npy"), gan.generator.output.bias.detach().numpy())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names: dict[str, object] = {}
        exec(page["with_lit_gan.py"], names)  # noqa: S102 -- the page's own code
    z = gan.latent.sample(3)
    torch.testing.assert_close(names["network"](z), gan.decode(z))  # type: ignore[operator]


@pytest.mark.slow
def test_a_class_is_a_second_input(tmp_path: Path) -> None:
    options = ("--config=quickstart_conditional", *SHORT, "--trainer.max_steps=1", "--trainer.precision=bf16-mixed")
    assert lit_gan("fit", *options).code == 0
    run = the_run()
    ending = lit_gan("export", run, "--out=digits.pt")
    assert "z (N, 32), condition (N) -> images (N, 1, 8, 8) in [0, 1]" in ending.out
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of TorchScript
        exec(_said_code(ending.out), names)  # noqa: S102 -- the command's own lines
    gan = GenerativeModule.load_from_checkpoint(run)
    shown = gan.decode(torch.from_numpy(names["z"]), torch.arange(16) % 10)
    torch.testing.assert_close(names["images"], shown, rtol=0, atol=1e-5)
    card = Path("digits.pt.md").read_text()
    assert "| `condition` | int64 | (N) | the class, 0 to 9: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 |" in card
    with Image.open("digits.pt.png") as picture:
        assert picture.text["Description"].startswith("80 samples, 8 in a row; the rows are of 0, 1, 2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "inputs", "left_out"),
    [
        ("digits_inpainting", "z (N, 32), image (N, 1, 8, 8), mask (N, 1, 8, 8)", ""),
        ("digits_semi_supervised", "z (N, 32)", "its classifier is not in the file: "),
        ("toy", "z (N, 1)", ""),
    ],
)
def test_other_games_export_their_generator(config: str, inputs: str, left_out: str) -> None:
    assert lit_gan("fit", f"--config={config}", *SHORT, "--trainer.max_steps=1").code == 0
    ending = lit_gan("export", the_run(), "--format=torchscript")
    assert ending.code == 0, ending.err
    assert f": {inputs} -> images (N" in ending.out
    assert left_out in ending.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--format: expected onnx, torchscript or safetensors, or --out FILE.onnx, .pt or .safetensors."),
        (
            ["--out=g.foo"],
            "--format: expected onnx, torchscript or safetensors, or --out FILE.onnx, .pt or .safetensors.",
        ),
        (["--out=g.pt", "--format=onnx"], "--out g.pt: expected a file that ends in one of .onnx."),
        (["--out=nowhere/g.pt"], "--out nowhere/g.pt: cannot be written: there is no folder nowhere."),
        (["--out=g.pt", "--license="], "--license '': expected a name in one line, such as cc-by-4.0."),
        (["--fromat=onnx"], "--fromat=onnx: no such option; did you mean --format?"),
    ],
)
def test_what_cannot_be_exported_is_told(options: list[str], message: str, finished_run: Path) -> None:
    assert lit_gan("export", finished_run, *options).line == message


def test_what_cannot_be_written_is_told(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "g.pt")

    monkeypatch.setattr("lit_gan.cli.exporting.replace_atomically", full)
    line = lit_gan("export", finished_run, "--out=g.pt").line
    assert line == "g.pt: cannot be written (No space left on device): give --out FILE."


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("/home/ada/lr=0.1/pictures", ".../pictures"),
        ("/home/ada/lr=/pictures", ".../pictures"),
        ("--data.root=/home/ada/lr=0.1/pictures", "--data.root=.../pictures"),
        ("--own=root=/home/ada/pictures", "--own=root=.../pictures"),
        ("--lr=1/2", "--lr=1/2"),
        ("sets/lr=0.1", "sets/lr=0.1"),
        ("/", ".../"),
    ],
)
def test_no_folder_of_an_absolute_path_is_in_a_card(typed: str, shown: str) -> None:
    assert without_folders([typed]) == [shown]


def test_the_numbers_of_a_card_say_what_they_were_measured_on_and_how_sure_they_are(finished_run: Path) -> None:
    read = RunData.read(finished_run)
    config = {**read.summary.config, "evaluation": {"num_samples": 400}}
    own = {"log_likelihood": 21.52, "error": 0.78, "centres": 10_000, "images": 300}
    real = {"log_likelihood": 29.31, "error": 1.31, "centres": 1_200, "images": 300}
    measures = {"precision": 0.8, "recall": 0.5, "memorization": 0.1, "memorization_real": 0.45, "near_duplicates": 0.0}
    columns = {f"val/{name}": Column([8], [value]) for name, value in measures.items()}
    run = replace(
        read,
        summary=replace(read.summary, config=config),
        scores={"val": {"rows": {"training images": real, "this run": own}}},
        metrics=Metrics(columns, 8, 1, []),
    )
    rows = [(each.name, each.value, each.error, each.n, each.split, each.real) for each in numbers(run)]
    assert rows == [
        ("Parzen log-likelihood, nats", "21.5", "0.78", "10,000 centres, 300 images", "val", ""),
        ("that of training images", "29.3", "1.3", "1,200 centres, 300 images", "val", ""),
        ("precision", "80.0 %", "2.0 %", "400 samples", "val", ""),
        ("recall", "50.0 %", "", "400 samples", "val", ""),
        ("memorisation", "10.0 %", "1.5 %", "400 samples", "val", "45.0 %"),
        ("near-duplicates", "0.0 %", "", "at most 1,000 samples", "val", ""),
    ]
