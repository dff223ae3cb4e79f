"""What a checkpoint and the configuration beside it name is imported by no command, unless the user allows it."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import QUIET, SHORT, lit_gan, the_run
from untrusted import ATTACKS, IMPORTED, rewritten, sentinel

from lit_gan.errors import INTERRUPTED

_FIT = ("fit", "--config=quickstart", *SHORT)


@pytest.fixture
def _own_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Networks and data in the working directory, as a user has them; imported by nobody yet."""
    Path("my_parts.py").write_text(
        "from lit_gan.data import DigitsDataModule\nfrom lit_gan.networks import MLPGenerator\n"
        "class G(MLPGenerator): pass\nclass Data(DigitsDataModule): pass\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    yield
    sys.modules.pop("my_parts", None)


@pytest.mark.parametrize("attack", [*ATTACKS, *IMPORTED])
def test_no_command_imports_or_builds_what_a_checkpoint_names(
    attack: str, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rewritten(finished_run / "checkpoints/last.ckpt", *{**ATTACKS, **IMPORTED}[attack])
    for command in (
        ("sample", finished_run),
        ("validate", finished_run),
        ("test", path),
        ("predict", finished_run),
        ("fit", "--config=quickstart", f"--ckpt_path={path}"),
        ("submit", "--print", "--", "validate", str(finished_run)),
    ):
        with sentinel(Path.cwd(), monkeypatch):
            line = lit_gan(*command).line
        assert f"checkpoint {path} names " in line or "instantiator" in attack, line


_IN_CONFIG: dict[str, tuple[str, Any]] = {
    "the data": ("data", {"class_path": "sentinel.G"}),
    "a callback": ("trainer", {"callbacks": [{"class_path": "sentinel.G"}]}),
    "a callback's function": (
        "trainer",
        {
            "callbacks": {
                "class_path": "lightning.pytorch.callbacks.LambdaCallback",
                "init_args": {"on_fit_start": "sentinel.make"},
            }
        },
    ),
    "a logger": ("trainer", {"logger": "sentinel.G"}),
    "a strategy": ("trainer", {"strategy": {"class_path": "sentinel.G"}}),
    "a metric": ("parzen", {"metrics": [{"class_path": "sentinel.G"}]}),
    "a metric's name alone": ("parzen.metrics", ["sentinel.G"]),
    "the model": ("model", {"class_path": "sentinel.G"}),
    "a key with a dot": ("data.class_path", "sentinel.G"),
    "a key with a plus": ("trainer.callbacks+", "sentinel.G"),
    "a process": ("data", {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "touched"]}}),
    "the environment": ("seed_everything", "${oc.env:HOME}"),
    "permission": ("allow", ["sentinel.G"]),
    "another configuration": ("config", ["evil.yaml"]),
}


@pytest.mark.parametrize("attack", _IN_CONFIG)
@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_no_command_imports_what_the_configuration_beside_a_checkpoint_names(
    attack: str, verb: str, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, value = _IN_CONFIG[attack]
    file = finished_run / "config.yaml"
    content = yaml.safe_load(file.read_text())
    merged = {**content[key], **value} if isinstance(value, dict) and key in ("trainer", "parzen") else value
    file.write_text(yaml.safe_dump({**content, key: merged}))
    Path("evil.yaml").write_text("data: {class_path: sentinel.G}\n")
    with sentinel(Path.cwd(), monkeypatch):
        assert f"configuration {file} names " in lit_gan(verb, finished_run).line


@pytest.mark.slow
@pytest.mark.usefixtures("_own_module")
def test_what_is_allowed_or_typed_is_imported() -> None:
    own = ("--model.init_args.generator.class_path=my_parts.G", "--data.class_path=my_parts.Data")
    stop = ("--trainer.callbacks=own_modules.StopOnce", "--trainer.callbacks.rounds=5")
    training = (*_FIT, *own, *stop, "--trainer.max_epochs=2")
    assert lit_gan(*training).code == INTERRUPTED
    run = the_run()
    alone = shutil.copy(run / "checkpoints/last.ckpt", "alone.ckpt")

    def asked(*arguments: Any) -> Any:
        sys.modules.pop("my_parts", None)  # as in a process that has just begun
        return lit_gan(*arguments)

    refused = "my_parts.G as its generator, and my_parts is not imported: add --allow my_parts (import my_parts, or"
    assert refused in asked("sample", run).line
    assert refused in asked("test", alone, "--data=lit_gan.data.DigitsDataModule").line
    assert f"configuration {run}/config.yaml names my_parts.G as its model.generator" in asked("validate", run).line
    assert asked(*training).code == 0  # the user's own command goes on with its run: there is nothing to allow
    for command in (
        ("sample", run, "--num=2", "--allow", "my_parts"),
        ("sample", alone, "--num=2", "--allow=something", "--allow=my_parts"),
        ("validate", "--allow=my_parts", run, *QUIET),
        ("test", run, *QUIET, "--allow", "my_parts"),
        ("predict", run, *QUIET, "--num_samples=2", "--allow=my_parts"),
        # A configuration, or a flag, that is the user's own says as much.
        ("test", alone, f"--config={run}/config.yaml", *QUIET),
        ("test", alone, "--data=my_parts.Data", *QUIET),
        (*_FIT, *own, "--trainer.max_epochs=3", f"--ckpt_path={run}", "--run_dir=further"),
        ("submit", "--print", "--", "validate", str(run), "--allow", "my_parts"),
    ):
        ending = asked(*command)
        assert (ending.code, ending.err) == (0, ""), command
    assert "--allow my_parts" in ending.out  # the job hands it on
    assert "allow" not in torch.load("further/checkpoints/last.ckpt", weights_only=True)["hyper_parameters"]
    assert "allow:" not in Path("further/config.yaml").read_text()


def test_what_allow_takes_is_told(finished_run: Path) -> None:
    for verb in ("sample", "validate"):
        assert lit_gan(verb, finished_run, "--allow=my gan").line == (
            "allow my gan: expected the name of a module, such as my_gan."
        )
    assert "--allow MODULE" in lit_gan("validate", "--help", "all").out
