"""`lit-gan sample`: a checkpoint, no data."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SHORT, lit_gan, the_run
from PIL import Image

from lit_gan.callbacks.pictures import grid_image
from lit_gan.cli.drawing import _condition
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.generative import GenerativeModule
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator


@pytest.fixture
def _conditional() -> None:
    options = ("--config=quickstart_conditional", *SHORT, "--trainer.max_steps=1")
    assert lit_gan("fit", *options).code == 0


def test_a_grid_is_drawn_from_a_run(finished_run: Path) -> None:
    ending = lit_gan("sample", finished_run, "--num=6", "--columns=3", "--out=grid.png")
    assert (ending.code, ending.out, ending.err) == (0, "lit-gan: wrote 6 samples to grid.png\n", "")
    with Image.open("grid.png") as picture:
        assert picture.size == (3 * (8 * 25 + 2) + 2, 2 * (8 * 25 + 2) + 2)
        assert picture.text == {"Description": "6 samples, 3 in a row"}


def test_a_checkpoint_alone_is_enough(finished_run: Path) -> None:
    alone = shutil.copy(finished_run / "checkpoints/last.ckpt", "alone.ckpt")
    shutil.rmtree("runs")
    assert lit_gan("sample", alone).code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["alone.ckpt", "samples.png"]


def test_without_a_name_the_run_folder_gets_it_and_older_files_stay(finished_run: Path) -> None:
    inside = set(finished_run.iterdir())
    for number, seed in (("", 0), ("-2", 1), ("-3", 0)):
        ending = lit_gan("sample", finished_run, "--num=2", f"--seed={seed}")
        assert (ending.code, ending.out) == (0, f"lit-gan: wrote 2 samples to {finished_run}/samples{number}.png\n")
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]
    assert {path.name for path in set(finished_run.iterdir()) - inside} == {
        *("samples.png", "samples-2.png", "samples-3.png")
    }
    first, second, third = ((finished_run / f"samples{n}.png").read_bytes() for n in ("", "-2", "-3"))
    assert first == third != second


def test_a_file_of_a_given_name_is_replaced_and_it_is_said(finished_run: Path) -> None:
    for out in ("grid.png", "all.pt"):
        Path(out).write_text("old")
        ending = lit_gan("sample", finished_run, "--num=2", f"--out={out}")
        said = f"lit-gan: wrote 2 samples to {out} (the older file of that name is replaced)\n"
        assert (ending.code, ending.out) == (0, said)
    with Image.open("grid.png") as picture:
        assert picture.height == 8 * 38 + 4
    assert torch.load("all.pt", weights_only=True).shape == (2, 1, 8, 8)
    assert sorted(path.name for path in Path().iterdir()) == ["all.pt", "grid.png", "runs"]


def test_what_cannot_be_written_leaves_the_older_file(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lit_gan.cli.samples_file.save_picture", full)
    Path("grid.png").write_text("old")
    line = lit_gan("sample", finished_run, "--num=2", "--out=grid.png").line
    assert line.startswith("--out grid.png: cannot be written: No space left on device")
    assert Path("grid.png").read_text() == "old"
    line = lit_gan("sample", finished_run, "--num=2").line
    assert line == f"{finished_run}/samples.png: cannot be written: No space left on device; give --out FILE."
    assert not (finished_run / "samples.png").exists()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"])
def test_every_kind_of_picture_can_be_written(suffix: str, finished_run: Path) -> None:
    assert lit_gan("sample", finished_run, "--num=2", f"--out=grid{suffix.upper()}").code == 0
    with Image.open(f"grid{suffix.upper()}") as picture:
        assert picture.size == (2 * (8 * 38 + 2) + 2, 8 * 38 + 4)


def test_the_seed_decides(finished_run: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert lit_gan("sample", finished_run, "--num=2", f"--seed={seed}", f"--out={name}.pt").code == 0
    a, b, c = (torch.load(f"{name}.pt", weights_only=True) for name in "abc")
    assert a.shape == (2, 1, 8, 8)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("options", [["--method=rejection"], ["--method=langevin"], ["--truncation=0.5"]])
def test_samples_that_d_has_a_say_in_and_truncated_ones_are_drawn_from_the_checkpoint(
    options: list[str], finished_run: Path
) -> None:
    for name, more in (("a", options), ("b", options), ("c", [])):
        ending = lit_gan("sample", finished_run, "--num=3", f"--out={name}.pt", *more)
        assert (ending.code, ending.out, ending.err) == (0, f"lit-gan: wrote 3 samples to {name}.pt\n", "")
    a, b, c = (torch.load(f"{name}.pt", weights_only=True) for name in "abc")
    assert a.shape == (3, 1, 8, 8)
    assert a.min() >= 0
    assert a.max() <= 1
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_checkpoint_without_a_calibration_is_told(finished_run: Path) -> None:
    path = finished_run / "checkpoints/last.ckpt"
    content = torch.load(path, weights_only=True)
    del content["lit_gan"]["calibration"]  # as of an earlier version
    torch.save(content, path)
    ending = lit_gan("sample", path, "--num=2", "--method=rejection", "--out=a.pt")
    said = "lit-gan: D is asked as it is: the checkpoint has no calibration, which a validation in training takes.\n"
    assert (ending.code, ending.out) == (0, f"{said}lit-gan: wrote 2 samples to a.pt\n")


@pytest.mark.usefixtures("_conditional")
def test_a_condition_is_one_class_for_all() -> None:
    run = the_run()
    for name, condition in (("a", ["--condition=3"]), ("b", ["--condition=4"]), ("c", [])):
        assert lit_gan("sample", run, "--num=4", f"--out={name}.pt", *condition).code == 0
    a, b, c = (torch.load(f"{name}.pt", weights_only=True) for name in "abc")
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)
    samples = [*("--num=4", "--condition=3", "--out=d.pt"), *("--method", "rejection")]
    assert lit_gan("sample", run, *samples).code == 0
    assert torch.load("d.pt", weights_only=True).shape == a.shape
    assert lit_gan("sample", run, "--condition=10").line == "--condition 10: expected a class from 0 to 9."
    assert lit_gan("sample", run, "--num=100").code == 0
    with Image.open(run / "samples.png") as picture:
        rows = ", ".join("0123456789")
        assert picture.text == {"Description": f"100 samples, 10 in a row; the rows are of {rows}"}
        assert picture.width > 662 == picture.height


@pytest.mark.slow
def test_a_condition_is_the_name_of_a_folder_of_pictures() -> None:
    for name in ("circles", "squares", "triangles"):
        Path("shapes", name).mkdir(parents=True)
        for number in range(8):
            Image.new("L", (8, 8), 30 * number).save(Path("shapes", name, f"{number}.png"))
    data = (
        "--data=lit_gan.data.ImageFolderDataModule",
        "--data.init_args.root=shapes",
        "--data.init_args.image_size=8",
    )
    small = [option for option in SHORT if "batch_size" not in option]
    network = "--model.init_args.{}.init_args.condition_size=3"
    networks = (network.format("generator"), network.format("discriminator"))
    grey = ("--data.init_args.grey=true", "--data.init_args.batch_size=4")
    options = ("--config=quickstart_conditional", *data, *grey, *networks, *small, "--trainer.max_steps=1")
    ending = lit_gan("fit", *options)
    assert ending.code == 0, ending.err
    shutil.rmtree("shapes")
    run = the_run()
    for name in ("2", "triangles"):
        assert lit_gan("sample", run, "--num=4", f"--out={name}.pt", f"--condition={name}").code == 0
    assert torch.equal(torch.load("2.pt", weights_only=True), torch.load("triangles.pt", weights_only=True))
    assert lit_gan("sample", run, "--condition=triangels").line == (
        "--condition triangels: expected one of circles, squares, triangles, or its number from 0 to 2; did you mean "
        "triangles?"
    )


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
        (["--num=0", "--method=langevin"], "num = 0: expected at least 1 sample."),
        (
            ["--truncation=1.5"],
            "truncation = 1.5: expected a part of the uniform latent's range, in (0, 1].",
        ),
        (["--method=mcmc"], "--method mcmc: expected one of latent, rejection, langevin."),
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
    assert (
        "names their_module.TheirGAN as its model, and their_module is not imported: add --allow their_module" in line
    )
    line = lit_gan("sample", path, "--allow=their_module").line
    assert "and their_module cannot be imported (ModuleNotFoundError: " in line
    assert "or to lie in the working directory" in line


def test_a_gan_that_is_conditioned_on_vectors_has_no_class_to_choose() -> None:
    networks = (MLPGenerator((1, 4, 4), condition_size=3), MaxoutDiscriminator((1, 4, 4), condition_size=3))
    with pytest.raises(UserError) as told:
        _condition(ConditionalGAN(*networks), "7", num=2)
    assert str(told.value) == (
        "--condition 7: this ConditionalGAN is conditioned on vectors or images, not on classes: leave it out for "
        "conditions of its training, or draw in Python by gan.sample(num, condition=...)."
    )


def test_a_seed_of_a_list_gives_the_sample_that_it_gives_alone(finished_run: Path) -> None:
    ending = lit_gan("sample", finished_run, "--seeds=3,7-9", "--out=all.pt")
    assert (ending.code, ending.out) == (0, "lit-gan: wrote 4 samples to all.pt\n")
    assert lit_gan("sample", finished_run, "--num=1", "--seed=8", "--out=one.pt").code == 0
    together, alone = (torch.load(name, weights_only=True) for name in ("all.pt", "one.pt"))
    assert together.shape == (4, 1, 8, 8)
    assert torch.equal(together[2], alone[0])
    assert lit_gan("sample", finished_run, "--seeds=0-19", "--truncation=0.5", "--out=grid.png").code == 0
    with Image.open("grid.png") as picture:
        assert picture.text == {"Description": "20 samples, 10 in a row; the rows are of 0 - 9, 10 - 19"}


def test_a_walk_goes_through_its_latents_and_back_to_the_first(finished_run: Path) -> None:
    ending = lit_gan("sample", finished_run, "--walk=3", "--seeds=0-3", "--out=walk.webp")
    assert (ending.code, ending.out, ending.err) == (0, "lit-gan: wrote 4 walks of 3 latents to walk.webp\n", "")
    gan = GenerativeModule.load_from_checkpoint(finished_run)
    stops = torch.stack([gan.latent.sample(3, generator=torch.Generator().manual_seed(seed)) for seed in range(4)])
    with Image.open("walk.webp") as film:
        assert film.n_frames == 3 * 24
        assert film.info["loop"] == 0
        for stop in range(3):
            film.seek(stop * 24)
            expected = grid_image(gan.decode(stops[:, stop]), 2).mul(255).add(0.5).to(torch.uint8)
            assert torch.equal(torch.from_numpy(np.array(film.convert("RGB"))).permute(2, 0, 1), expected)
    assert lit_gan("sample", finished_run, "--walk=2", "--num=1", "--truncation=0.5").code == 0
    with Image.open(finished_run / "walk.gif") as film:
        assert film.n_frames == 2 * 24


def test_a_walk_is_never_written_over_unannounced(finished_run: Path) -> None:
    walk = ("sample", finished_run, "--walk=2", "--num=1")
    for name in ("walk.gif", "walk-2.gif"):
        assert lit_gan(*walk).out == f"lit-gan: wrote 1 walks of 2 latents to {finished_run}/{name}\n"
    for said in ("", " (the older file of that name is replaced)"):
        ending = lit_gan(*walk, "--out=walk.gif")
        assert (ending.code, ending.out) == (0, f"lit-gan: wrote 1 walks of 2 latents to walk.gif{said}\n")


def test_a_walk_that_cannot_be_written_is_told(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lit_gan.figures.film.write_file", full)
    walk = ("sample", finished_run, "--walk=2", "--num=1")
    reason = "cannot be written: No space left on device"
    assert lit_gan(*walk, "--out=walk.gif").line == f"--out walk.gif: {reason}."
    assert lit_gan(*walk).line == f"{finished_run}/walk.gif: {reason}; give --out FILE."
    assert not (finished_run / "walk.gif").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--seeds=5-2",),
            "--seeds 5-2: expected whole numbers and ranges, such as 0-63 or 3,7,20-24, at most 100,",
        ),
        (("--seeds=a",), "--seeds a: expected whole numbers and ranges"),
        (("--seeds=0-999999",), "--seeds 0-999999: expected whole numbers and ranges"),
        (("--seeds=0-3", "--num=5"), "--num 5 beside --seeds, which are 4: expected one of the two."),
        (("--walk=1",), "--walk 1: expected at least 2 latents to walk between."),
        (
            ("--walk=2", "--method=rejection"),
            "--walk beside --method rejection: expected a walk between latents as",
        ),
        (("--walk=2", "--out=film.png"), "--out film.png: expected a file that ends in one of .gif, .webp."),
        (("--walk=2", "--num=0"), "--num 0: expected at least 1 sample."),
    ],
)
def test_seeds_and_walks_that_cannot_be_are_told(options: tuple[str, ...], message: str, finished_run: Path) -> None:
    assert lit_gan("sample", finished_run, *options).line.startswith(message)
