"""Every wrong input: exit code 2, one line that names the culprit in the user's words, nothing left behind."""

import json
import pickle
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import real_formats
import torch
import torchvision
from command_line import QUIET, SHORT, fit, lit_gan, weights

_STEPS = "--model.init_args.coordination=lit_gan.coordination.FixedSteps"
_K = "--model.init_args.coordination.init_args.k"
_LATENT = "--model.init_args.latent=lit_gan.latents.Normal"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # names
        (["--modle.init_args.clip_g=1"], "--modle.init_args.clip_g: no such option"),
        (["--modle.init_args.clip_g", "1"], "--modle.init_args.clip_g: no such option"),
        (["--trainer.max_stepz=3"], "--trainer.max_stepz: no such option"),
        (["--trainer.max_stepz", "3"], "--trainer.max_stepz: no such option"),
        (
            ["--model.init_args.generator.init_args.latnt_size=3"],
            r"generator.init_args.latnt_size: no such option; did you mean --\S*\.latent_size\?",
        ),
        (
            ["--model.init_args.generator.init_args.latnt_size", "3"],
            r"generator.init_args.latnt_size: no such option; did you mean --\S*\.latent_size\?",
        ),
        (
            ["--model.init_args.generater.init_args.hidden=[3]"],
            "^--model.init_args.generater.init_args.hidden: no such",
        ),
        (["--data.init_args.batchsize", "3"], "--data.init_args.batchsize: no such option"),
        (["extra"], "unrecognized arguments: extra"),
        (["--data=Unheard"], "--data: expected a class, got Unheard; these fit: .*lit_gan.data.MNISTDataModule"),
        (["--data=lit_gan.data.Mnist"], "--data: there is no Mnist in lit_gan.data"),
        (["--data=no_such_package.Data"], "--data: No module named 'no_such_package'"),
        (["--model=lit_gan.networks.MLPGenerator"], "--model: expected a class derived from LightningModule"),
        (
            ["--model.generator=lit_gan.data.DigitsDataModule"],
            "--model.generator: expected a class derived from Module",
        ),
        (["--wandb=maybe"], "--wandb: expected one of online, offline, off, got maybe"),
        # types
        (["--trainer.max_steps=two"], "--trainer.max_steps: expected a whole number, got two"),
        (["--trainer.max_steps=1.5"], "--trainer.max_steps: expected a whole number, got 1.5"),
        (["--data.init_args.batch_size=many"], "--data.init_args.batch_size: expected a whole number, got many"),
        (["--data.init_args.value_range=3"], "--data.init_args.value_range: expected a list, got 3"),
        (
            ["--model.init_args.optimizer_g.init_args.lr=fast"],
            "optimizer_g.init_args.lr: expected a number, got fast",
        ),
        (
            ["--model.init_args.generator.init_args.hidden=[a]"],
            "--model.init_args.generator.init_args.hidden: expected a whole number, got a",
        ),
        (["--seed_everything=x"], "--seed_everything: expected .* whole number, got x"),
        # values
        ([_STEPS, f"{_K}=0"], r"k = 0: expected at least 1"),
        ([_STEPS, f"{_K}=x"], rf"{_K}: expected a whole number, got x"),
        (["--model.init_args.optimizer_g.init_args.lr=-1"], "optimizer_g .*: Invalid learning rate: -1.0"),
        (["--model.init_args.optimizer_d.init_args.momentum=-1"], "optimizer_d .*: Invalid momentum value: -1.0"),
        (
            [_LATENT, "--model.init_args.latent.init_args.size=7"],
            "latent size = 7 but the generator's latent_size = 32",
        ),
        (["--data.init_args.batch_size=5000"], "batch_size = 5000, .* training set has 1200: lower batch_size"),
        (["--data.init_args.batch_size=0"], "batch_size = 0: expected a whole number of at least 1"),
        (
            ["--data.init_args.value_range=[-1,1]"],
            r"the data lie in \[-1.0, 1.0\] but .* activation gives \[0.0, 1.0\]",
        ),
        (["--data.init_args.value_range=[1,0]"], r"value_range = \(1.0, 0.0\): expected two finite numbers"),
        (["--sample_grid.num_samples=-1"], r"sample_grid.num_samples = -1: expected 0 \(off\) or more"),
        (["--num_threads=0"], "--num_threads 0: expected at least 1"),
        (["--trainer.max_epochs=-4"], "--trainer: `max_epochs` must be a non-negative integer or -1"),
        (["--trainer.limit_train_batches=-3"], "--trainer: .*invalid value -3 for limit_train_batches"),
        (["--trainer.strategy=nope"], "--trainer: You selected an invalid strategy name: `strategy='nope'`"),
        (["--trainer.val_check_interval=2000"], r"`val_check_interval` \(2000\) must be less than or equal to"),
        (["--trainer.gradient_clip_val=1"], r"^trainer.gradient_clip_val = 1: .*--model.init_args.clip_g 1 "),
        (["--trainer.accumulate_grad_batches=2"], "^trainer.accumulate_grad_batches = 2: .*init_args.micro_batches 2"),
        (
            [
                "--trainer.callbacks=lightning.pytorch.callbacks.GradientAccumulationScheduler",
                "--trainer.callbacks.scheduling={0: 2}",
            ],
            "^the callback GradientAccumulationScheduler cannot serve a GAN",
        ),
        (
            ["--checkpoint.save_top_k=2", "--checkpoint.monitor=null"],
            r"checkpoint.save_top_k = 2 and checkpoint.monitor = null: expected a monitor",
        ),
        (
            ["--trainer.callbacks=lit_gan.callbacks.GeneratorEMA", "--trainer.callbacks.decay=2"],
            "decay = 2.0: expected",
        ),
        # places
        (["--ckpt_path=nowhere.ckpt"], "nowhere.ckpt does not exist: give the path of a checkpoint"),
        (["--resume=nowhere"], "--resume nowhere: expected auto, never or the path of a run folder"),
        (["--run_dir=/proc/nowhere/run"], "/proc/nowhere/run cannot be used as a run folder .* another --run_dir"),
        (["--config"], "--config: expected a value after it"),
    ],
)
def test_a_wrong_option_of_a_training_is_told(options: list[str], message: str) -> None:
    _check_refused(fit(*options).line, message)


def _check_refused(line: str, message: str, *files: str) -> None:
    assert re.search(message, line), line
    assert sorted(path.name for path in Path().iterdir()) == sorted(files)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit"], "required, and not given: data and model"),
        (["fit", "--config"], "--config: expected a value after it"),
        (["fit", "--config", "mnits"], "--config mnits: no such file, and no shipped configuration .* mnist, "),
        (["fit", "--config=mnits"], "--config mnits: no such file"),
        (
            ["fit", "--model=lit_gan.GAN", "--data=lit_gan.data.DigitsDataModule"],
            "--model: required, .* generator and d",
        ),
        (["validate"], "`lit-gan validate` needs something trained"),
        (["test"], "`lit-gan test` needs something trained: expected a run folder or a checkpoint"),
        (["predict"], "`lit-gan predict` needs something trained"),
        (["test", "nowhere"], "nowhere does not exist: give the path of a checkpoint"),
        (["test", "--ckpt_path"], "--ckpt_path: expected a value after it"),
        (["sample"], "the following arguments are required: checkpoint"),
        (["sample", "nowhere"], "nowhere does not exist"),
    ],
)
def test_a_command_that_lacks_something_is_told(arguments: list[str], message: str) -> None:
    _check_refused(lit_gan(*arguments).line, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected keys such as model and data, got an empty file"),
        (b"- a\n- b\n", "expected keys such as model and data, got a list"),
        (b"hello", "expected keys such as model and data, got hello"),
        (b"model: [\n  a: b: c\n", "expected a YAML file, and it is none: .* at line 2, column 7"),
        (b"\xff\xfe\x00\x01", "'utf-8' codec can't decode"),
        (
            b"data:\n  class_path: lit_gan.data.DigitsDataModule\n  init_args: {batch: 3}\n",
            "data.init_args.batch: no such key; did you mean data.init_args.batch_size",
        ),
        (b"sample_grid: {num_samples: many}\n", "num_samples: expected a whole number, got many"),
    ],
)
def test_a_wrong_file_is_named(content: bytes, message: str) -> None:
    Path("mine.yaml").write_bytes(content)
    _check_refused(lit_gan("fit", "--config", "mine.yaml").line, f"^--config mine.yaml: .*{message}", "mine.yaml")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("modell.class_path", "^--config mine.yaml: modell: no such key; did you mean model?"),
        ("trainer.max_stepz", "^--config mine.yaml: trainer.max_stepz: no such key; did you mean trainer.max_steps?"),
    ],
)
def test_a_misspelt_key_of_a_file_is_named(key: str, message: str) -> None:
    outer, inner = key.split(".")
    Path("mine.yaml").write_text(f"{outer}: {{{inner}: 3}}\n")
    _check_refused(lit_gan("fit", "--config", "mine.yaml").line, message, "mine.yaml")


# -- Data -------------------------------------------------------------------------------------------------------------


def _fit_on(data: str, *options: str) -> str:
    """What the quickstart's networks are told with other data."""
    place = (f"--data=lit_gan.data.{data}DataModule", "--data.root=files")
    return lit_gan("fit", "--config=quickstart", *QUIET, *place, *options).line


@pytest.mark.parametrize(
    ("data", "file", "options"),
    [
        ("MNIST", "train-images-idx3-ubyte.gz", ["--data.download=false"]),
        ("CIFAR10", "data_batch_1", ["--data.download=false"]),
        ("TFD", "TFD_48x48.mat", []),
    ],
)
def test_missing_data_are_told_with_their_place(data: str, file: str, options: list[str]) -> None:
    line = _fit_on(data, *options)
    _check_refused(line, f"not found: .*files/.*{file}.*`--config quickstart` needs no files")


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10"])
def test_a_failed_download_is_told_with_its_cause(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: Any, **options: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.datasets, name, offline)
    line = _fit_on(name)
    _check_refused(line, r"The download failed \(URLError: .*no route to host.*`--config quickstart` needs no files")


def test_damaged_data_are_told_by_file() -> None:
    real_formats.write_mnist("files")
    path = Path("files/MNIST/raw/train-images-idx3-ubyte.gz")
    path.write_bytes(path.read_bytes()[:-200])
    _check_refused(_fit_on("MNIST"), "train-images-idx3-ubyte.gz", "files")


# -- Checkpoints ------------------------------------------------------------------------------------------------------


def _commands(checkpoint: str) -> list[list[str]]:
    return [
        ["test", checkpoint, "--config=quickstart", *QUIET],
        ["predict", checkpoint, "--config=quickstart", "--out=x.pt", *QUIET],
        ["sample", checkpoint],
        ["fit", "--config=quickstart", *SHORT, f"--ckpt_path={checkpoint}"],
    ]


def _check_all(checkpoint: str, message: str, files: list[str]) -> None:
    for command in _commands(checkpoint):
        _check_refused(lit_gan(*command).line, message, *files)


def test_a_damaged_checkpoint_is_told(finished_run: Path) -> None:
    Path("damaged.ckpt").write_bytes((finished_run / "checkpoints/last.ckpt").read_bytes()[:5000])
    _check_all("damaged.ckpt", "damaged.ckpt cannot be read as a checkpoint: it is cut short", ["damaged.ckpt", "runs"])


def test_a_file_that_is_no_checkpoint_is_told() -> None:
    torch.save({"weights": torch.zeros(1)}, "other.ckpt")
    _check_all("other.ckpt", "other.ckpt is no Lightning checkpoint", ["other.ckpt"])


class _Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.check_call, (["touch", "executed"],)


def test_nothing_in_a_malicious_checkpoint_is_run() -> None:
    torch.save({"state_dict": {}, "extra": _Malicious()}, "evil.ckpt")
    _check_all("evil.ckpt", "evil.ckpt holds more than tensors and plain values", ["evil.ckpt"])
    Path("evil.ckpt").write_bytes(pickle.dumps(_Malicious()))
    _check_all("evil.ckpt", "evil.ckpt cannot be read as a checkpoint", ["evil.ckpt"])


def test_a_checkpoint_of_another_architecture_is_told(finished_run: Path) -> None:
    state = weights(finished_run)
    state["generator.output.weight"] = state["generator.output.weight"][:, :3]
    path = finished_run / "checkpoints/last.ckpt"
    torch.save({**torch.load(path, weights_only=True), "state_dict": state}, path)
    for command in _commands(str(path)):
        line = lit_gan(*command).line
        assert "last.ckpt does not fit" in line
        assert "generator.output.weight" in line
    assert len(list(Path("runs/quickstart").iterdir())) == 1


def test_a_checkpoint_of_other_optimisers_is_told(finished_run: Path) -> None:
    ending = fit(
        f"--ckpt_path={finished_run}", "--model.init_args.optimizer_g=torch.optim.Adam", "--run_dir=b", epochs=4
    )
    assert "the generator's optimiser was torch.optim.sgd.SGD and is to be torch.optim.adam.Adam" in ending.line
    assert "begin anew with the weights alone (--init_from PATH in place of --ckpt_path" in ending.line
    assert not Path("b").exists()


def test_weights_alone_cannot_be_trained_further(finished_run: Path) -> None:
    path = finished_run / "checkpoints/last.ckpt"
    content = torch.load(path, weights_only=True)
    for key in ("optimizer_states", "lr_schedulers", "loops"):
        del content[key]
    torch.save(content, path)
    line = fit(f"--ckpt_path={path}", "--run_dir=new").line
    _check_refused(line, "it holds weights only, and training goes on from a whole one", "runs")
    assert lit_gan("sample", path).code == 0


# -- Run folders ------------------------------------------------------------------------------------------------------


def test_files_of_the_users_in_a_run_dir_survive_a_refused_command() -> None:
    Path("mine/samples").mkdir(parents=True)
    Path("mine/notes.txt").write_text("precious")
    Path("mine/samples/best.png").touch()
    line = fit("--run_dir=mine", "--data.init_args.batch_size=5000").line
    _check_refused(line, "batch_size = 5000", "mine")
    assert sorted(str(path.relative_to("mine")) for path in Path("mine").rglob("*")) == [
        "notes.txt",
        "samples",
        "samples/best.png",
    ]


def test_nothing_is_left_of_wandb_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    _check_refused(fit("--wandb=offline", "--data.init_args.batch_size=5000").line, "batch_size = 5000")


def test_a_refused_command_leaves_other_runs_alone(finished_run: Path) -> None:
    assert fit("--data.init_args.batch_size=5000").line
    assert [path.name for path in Path("runs/quickstart").iterdir()] == [finished_run.name]


@pytest.mark.parametrize("option", ["--run_dir", "--resume"])
def test_a_file_is_no_run_folder(option: str) -> None:
    Path("file").touch()
    _check_refused(fit(f"{option}=file").line, "file (cannot be used as|is not) a run folder", "file")


def test_a_used_run_dir_is_not_begun_anew(finished_run: Path) -> None:
    line = fit(f"--run_dir={finished_run}", "--resume=never").line
    assert "holds a run already, and a new one was asked for" in line
    assert json.loads((finished_run / "run.json").read_text())["status"] == "finished"


def test_two_names_for_one_run_folder_are_refused(finished_run: Path) -> None:
    _check_refused(fit("--run_dir=x", f"--resume={finished_run}").line, "--resume .* and --run_dir x name two", "runs")
