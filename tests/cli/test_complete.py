"""`lit-gan complete`: a picture, a mask, several completions, by a checkpoint alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SHORT, lit_gan, metrics
from PIL import Image


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inpainting")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ending = lit_gan("fit", "--config=digits_inpainting", *SHORT, "--trainer.max_steps=2", "--run_dir=run")
        assert (ending.code, ending.err) == (0, "")
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(levels).save("seven.png")
    return Path(shutil.copytree(trained, "run"))


def test_what_is_visible_stays_and_each_completion_is_another(run: Path) -> None:
    alone = shutil.copy(run / "checkpoints/last.ckpt", "alone.ckpt")
    shutil.rmtree(run)
    ending = lit_gan("complete", alone, "--image=seven.png", "--mask=left-half", "--num=5", "--out=all.pt")
    assert (ending.code, ending.out, ending.err) == (0, "lit-gan: wrote 5 completions to all.pt\n", "")
    completed = torch.load("all.pt", weights_only=True)
    assert completed.shape == (5, 1, 8, 8)
    given = torch.arange(64.0).view(8, 8) * 4 / 255
    assert torch.equal(completed[:, 0, :, :4], given[:, :4].expand(5, -1, -1))
    assert (completed[:, 0, :, 4:].std(dim=0) > 0).all()


def test_the_picture_has_the_image_what_is_visible_and_the_completions(run: Path) -> None:
    assert lit_gan("complete", run, "--image=seven.png", "--mask=top-half", "--num=3", "--out=row.png").code == 0
    with Image.open("row.png") as picture:
        assert picture.width == 5 * (8 * ((picture.height - 4) // 8) + 2) + 2
        assert picture.text == {"Description": "an image, what is visible of it (top-half), and 3 completions"}
    for number in ("", "-2"):
        ending = lit_gan("complete", run, "--image=seven.png", "--mask=nothing")
        assert ending.out == f"lit-gan: wrote 8 completions to run/completions{number}.png\n"


def test_a_mask_is_a_picture_white_where_the_image_stays(run: Path) -> None:
    visible = np.zeros((8, 8), dtype=np.uint8)
    visible[2:5, 1:] = 255
    Image.fromarray(visible).save("mask.png")
    assert lit_gan("complete", run, "--image=seven.png", "--mask=mask.png", "--num=2", "--out=all.pt").code == 0
    completed = torch.load("all.pt", weights_only=True)[:, 0]
    same = (completed[0] == completed[1]).numpy()
    assert (same == (visible > 0)).all()


def test_the_run_has_its_picture_and_a_test_its_numbers(run: Path) -> None:
    assert len(list((run / "samples").glob("completion-000002.png"))) == 1
    ending = lit_gan("test", run, "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false")
    assert (ending.code, ending.err) == (0, "")
    row = metrics(run)[-1]
    names = {
        *("error", "error_best", "spread", "error_mean_fill", "error_nearest", "agreement", "entropy"),
        *("parzen_nll", "parzen_nll_mean_fill", "parzen_nll_nearest"),
    }
    masks = ("pixels", "stripes", "border", "left_half", "top_half")
    assert {f"test/completion_{name}_{mask}" for name in names for mask in masks} <= set(row)
    assert float(row["test/classifier_accuracy"]) > 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image=none.png", "--mask=left-half"], "--image none.png: there is no such file: expected a picture."),
        (["--image=seven.png", "--mask=left"], "--mask left: expected one of left-half, right-half,"),
        (["--image=seven.png", "--mask=small.png"], "--mask small.png has 4 x 6 pixels (height x width): expected"),
        (["--image=text.png", "--mask=left-half"], "--image text.png: expected a picture that can be read:"),
        (["--image=seven.png", "--mask=left-half", "--num=0"], "--num 0: expected at least 1 completion."),
        (["--image=seven.png", "--mask=left-half", "--out=x.txt"], "--out x.txt: expected a file that ends in one of"),
        (["--image=seven.png", "--mask=left-half", f"--seed={2**70}"], "expected a whole number of at most 63 bits."),
        (["--image=seven.png"], "the following arguments are required: --mask"),
    ],
)
def test_what_cannot_be_is_told(options: list[str], message: str, run: Path) -> None:
    Image.fromarray(np.zeros((4, 6), dtype=np.uint8)).save("small.png")
    Path("text.png").write_text("no picture")
    assert message in lit_gan("complete", run, *options).line
    assert not list(Path(run).glob("completions*"))


def test_a_checkpoint_of_another_kind_is_told(finished_run: Path) -> None:
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save("zero.png")
    line = lit_gan("complete", finished_run, "--image=zero.png", "--mask=left-half").line
    assert "holds a GAN, which completes nothing: expected an InpaintingGAN" in line
