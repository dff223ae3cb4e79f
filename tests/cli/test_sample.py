"""`lit-gan sample`: a checkpoint, no data."""

import shutil
from pathlib import Path

import pytest
import torch
from command_line import SHORT, lit_gan, the_run
from PIL import Image


@pytest.fixture
def _conditional() -> None:
    options = ("--config=quickstart_conditional", *SHORT, "--trainer.max_steps=1")
    assert lit_gan("fit", *options).code == 0


def test_a_grid_is_drawn_from_a_run(finished_run: Path) -> None:
    ending = lit_gan("sample", finished_run, "--num=6", "--columns=3", "--out=grid.png")
    assert (ending.code, ending.out, ending.err) == (0, "lit-gan: wrote 6 samples to grid.png\n", "")
    with Image.open("grid.png") as picture:
        assert picture.size == (3 * 34 + 2, 2 * 34 + 2)


def test_a_checkpoint_alone_is_enough(finished_run: Path) -> None:
    alone = shutil.copy(finished_run / "checkpoints/last.ckpt", "alone.ckpt")
    shutil.rmtree("runs")
    assert lit_gan("sample", alone).code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["alone.ckpt", "samples.png"]


def test_the_seed_decides(finished_run: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert lit_gan("sample", finished_run, "--num=2", f"--seed={seed}", f"--out={name}.pt").code == 0
    a, b, c = (torch.load(f"{name}.pt", weights_only=True) for name in "abc")
    assert a.shape == (2, 1, 8, 8)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.usefixtures("_conditional")
def test_a_condition_is_one_class_for_all() -> None:
    run = the_run()
    for name, condition in (("a", ["--condition=3"]), ("b", ["--condition=4"]), ("c", [])):
        assert lit_gan("sample", run, "--num=4", f"--out={name}.pt", *condition).code == 0
    a, b, c = (torch.load(f"{name}.pt", weights_only=True) for name in "abc")
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)
    assert lit_gan("sample", run, "--condition=10").line == "--condition 10: expected a class from 0 to 9."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num=0"], "num = 0: expected at least 1 sample."),
        (["--num=x"], "argument --num: invalid int value: 'x'; `lit-gan sample --help` lists the options."),
        (["--num=1000000000000"], "--num 1000000000000: so many samples do not fit into memory; draw fewer."),
        (["--seed=9223372036854775808"], "--seed 9223372036854775808: expected a whole number of at most 63 bits."),
        (["--columns=0"], "--columns 0: expected at least 1."),
        (
            ["--out=x.foo"],
            "--out x.foo: expected a file that ends in one of .png, .jpg, .jpeg, .bmp, .gif, .webp, .pt.",
        ),
        (["--out=nowhere/x.png"], "--out nowhere/x.png: cannot be written: there is no folder nowhere."),
        (["--condition=3"], "--condition 3: the checkpoint holds a GAN, which takes none."),
        (["--nmu=3"], "--nmu=3: no such option; did you mean --num?"),
    ],
)
def test_what_cannot_be_drawn_is_told(options: list[str], message: str, finished_run: Path) -> None:
    assert lit_gan("sample", finished_run, *options).line == message


def test_a_target_that_is_a_folder_is_told(finished_run: Path) -> None:
    Path("grid.png").mkdir()
    assert lit_gan("sample", finished_run, "--out=grid.png").line.startswith("--out grid.png: cannot be written: ")


def test_a_module_that_is_no_gan_is_told() -> None:
    data = "--data=lit_gan.data.DigitsDataModule"
    assert lit_gan("fit", "--model=own_modules.OwnModule", data, *SHORT, "--trainer.max_steps=1").code == 0
    assert "holds a own_modules.OwnModule, which is no GAN" in lit_gan("sample", the_run()).line


def test_a_class_whose_module_is_not_there_is_named(finished_run: Path) -> None:
    path = finished_run / "checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["_class_path"] = "their_module.TheirGAN"
    torch.save(checkpoint, path)
    line = lit_gan("sample", path).line
    assert "holds a their_module.TheirGAN, and its module cannot be imported" in line
    assert "or to lie in the working directory" in line
