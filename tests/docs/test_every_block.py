"""Every block of code and every command of a page is run, here or by a test that is named, or listed with why not."""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from command_line import lit_gan
from documents import PAGES, ROOT, Block, arguments_of, blocks, commands, name_of
from shared_runs import trained_once

from lit_gan.cli.main import _VERBS

_BY = {
    "README.md": "test_how_to.py",
    "docs/errors/index.md": "test_errors.py",
    "docs/how-to/diagnosis.md": "test_how_to.py",
    "docs/how-to/export.md": "../cli/test_export.py",
    "docs/how-to/fine-tuning.md": "test_how_to.py",
    "docs/how-to/g-takes-a-batch.md": "test_how_to.py",
    "docs/how-to/objective-penalties-augmentation.md": "test_how_to.py",
    "docs/how-to/own-data.md": "test_how_to.py",
    "docs/how-to/own-module.md": "test_how_to.py",
    "docs/how-to/own-network-and-objective.md": "test_how_to.py",
    "docs/how-to/sampling.md": "test_how_to.py",
    "docs/porting.md": "test_porting.py",
}
#: Blocks with a title on the other pages, which those tests run as well.
_TITLED_BY = {"docs/how-to/python.md": "test_how_to.py", "docs/tutorial.md": "test_how_to.py"}
_IMPORTS = """
import torch
from lightning.pytorch import Trainer
from lit_gan import GAN, ConditionalGAN, InferenceNetwork, InpaintingGAN, Run, SemiSupervisedGAN
x, z = torch.rand(2, 1, 8, 8), torch.rand(2, 32)
gan = ConditionalGAN.load_from_checkpoint("runs/quickstart_conditional/ID")
gan.class_names = ("circles", "squares", "triangles", *"3456789")
"""
_NOT_RUN_HERE = {
    ("docs/how-to/checkpoints.md", "gan.to_torchscript("): "every export is checked by tests/test_exports.py",
    ("docs/how-to/checkpoints.md", "gan = GAN(torch.compile(generator)"): "by tests/test_compiled_networks.py",
    ("docs/how-to/conditional-gan.md", "class ConditionalGAN(GAN):"): "test_how_to.py compares it with what is shipped",
    (
        "docs/how-to/pictures.md",
        "import numpy as np, onnxruntime",
    ): "tests/cli/test_export.py runs such lines on digits",
    ("docs/how-to/semi-supervised.md", "from lit_gan import GAN"): "by tests/evaluation/test_few_labels.py",
    ("docs/how-to/wandb.md", "for logger in self.loggers:"): "lines of a reader's own callback, to W&B's own interface",
}
_RUNS = ("quickstart", "quickstart_conditional", "digits_inference", "digits_inpainting", "digits_semi_supervised")
#: Programs of a page that no test starts as they stand.
_OTHER_PROGRAMS = {
    "pip install": "it would change the environment of the tests; `.ci/run` does it in fresh ones",
    "python -m venv": "the same",
    ". .venv": "the same",
    "pytest": "this is it",
    "docker": "tests/test_container.py takes these lines apart, and runs the steps without an engine",
    "apptainer": "by tests/test_container.py",
    "export WANDB_API_KEY": "an account's",
    "wandb": "tests/test_wandb_sweeps.py and test_wandb_runs.py run it against a server of their own",
    "torchrun": "tests/test_multi_node.py starts it",
    "python super_resolution.py": "by test_how_to.py",
    "python -c": "by test_cluster.py",
}


def _python() -> list[tuple[Path, Block]]:
    return [(page, block) for page in PAGES for block in blocks(page) if block.language == "python"]


def _why_not(page: Path, block: Block) -> str | None:
    found = [
        why
        for (where, begins), why in _NOT_RUN_HERE.items()
        if where == name_of(page) and block.text.startswith(begins)
    ]
    return found[0] if found else None


def _by(page: Path, block: Block) -> str | None:
    """The test file that runs it, in place of this one."""
    if name_of(page).startswith("docs/errors/"):
        return "test_errors.py"
    return _BY.get(name_of(page)) or (_TITLED_BY.get(name_of(page)) if block.title else None)


_HERE = [(page, block) for page, block in _python() if not _by(page, block) and not _why_not(page, block)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind, two rounds long, under the names that the pages give them."""

    def train() -> None:
        short = ("--trainer.max_steps=2", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false")
        off = ("--wandb=off", "--report=false", "--parzen.num_samples=0")
        for config in _RUNS:
            run = f"--run_dir=runs/{config}/ID"
            bare = () if config in ("digits_inference", "digits_inpainting") else ("--evaluation.metrics=[]",)
            ending = lit_gan("fit", "--config", config, run, *short, *off, *bare)
            assert ending.code == 0, (config, ending.err)

    return trained_once(tmp_path_factory, "runs-of-the-pages", train)[0]


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({page for page, _ in _HERE}), ids=name_of)
def test_the_python_of_a_page_runs(page: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    names: dict[str, Any] = {"__name__": "page"}
    exec(_IMPORTS, names)  # noqa: S102 -- this file's own
    for _, block in [each for each in _HERE if each[0] == page]:
        text = block.text.replace("runs/mine/ID", "runs/quickstart/ID")
        exec(compile(text, page.name, "exec"), names)  # noqa: S102 -- the page's own code


def test_what_is_run_elsewhere_is() -> None:
    for page, test in (_BY | _TITLED_BY).items():
        text = (ROOT / "tests" / "docs" / test).read_text()
        assert Path(page).name in text or Path(page).parent.name in text, page


def test_what_is_not_run_is_there() -> None:
    found = {
        (name_of(page), begins) for page, block in _python() for _, begins in _NOT_RUN_HERE if _why_not(page, block)
    }
    assert set(_NOT_RUN_HERE) <= found


def _parsed() -> list[tuple[str, ...]]:
    """Commands of the verbs whose options are few, and not the trainer's."""
    verbs = ("baselines", "complete", "export", "figures", "report", "runs", "sweep")
    return sorted({tuple(each) for page in PAGES for each in commands(page) if each[0] in verbs and "NAME" not in each})


@pytest.mark.parametrize("arguments", _parsed(), ids=" ".join)
def test_a_command_has_options_that_its_parser_takes(arguments: tuple[str, ...]) -> None:
    verb, *rest = arguments
    importlib.import_module(_VERBS[verb][0])._parser(verb).parse_args(rest)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    sorted(
        {tuple(each[:1] + each[2:]) for page in PAGES for each in commands(page) if each[0] in ("test", "validate")}
    ),
    ids=" ".join,
)
def test_an_evaluation_of_a_page_runs(arguments: tuple[str, ...], runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verb, *options = arguments
    monkeypatch.chdir(runs)
    quick = ("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--parzen.num_samples=60")
    ending = lit_gan(verb, "runs/quickstart/ID", *options, *quick, "--evaluation.num_samples=60")
    assert ending.code == 0, ending.err


def _lines_of_other_programs() -> list[str]:
    lines = [
        piece.strip()
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ ") or "$ " not in block.text
        for piece in line.removeprefix("$ ").split(" && ")
    ]
    return sorted({line for line in lines if line and not line.startswith("lit-gan: ") and arguments_of(line) is None})


@pytest.mark.parametrize("line", _lines_of_other_programs())
def test_any_other_command_is_a_target_a_benchmark_or_listed(line: str) -> None:
    first, *rest = shlex.split(line, comments=True)
    if first == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif rest[:1] == ["-m"] and rest[1] != "venv":
        assert (ROOT / f"{rest[1].replace('.', '/')}.py").is_file() or (ROOT / rest[1].replace(".", "/")).is_dir()
    else:
        assert any(line.startswith(program) for program in _OTHER_PROGRAMS), line
