"""Checkpoints and configurations that somebody else has made: what they name must not be imported, nor built."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

#: Its code writes a file as soon as it runs.
SENTINEL = """
from pathlib import Path
from torch import nn
Path({mark!r}).touch()
class G(nn.Module):
    pass
def make(*arguments, **keywords):
    return G()
"""

_SGD = {"lr": 0.1}
#: By what they are: a key of the model's arguments, and what stands there.
ATTACKS: dict[str, tuple[str, Any]] = {
    "a network": ("generator", {"class_path": "sentinel.G"}),
    "a network's name alone": ("generator", "sentinel.G"),
    "a function for a network": ("generator", {"class_path": "sentinel.make"}),
    "a network in YAML": ("generator", "{class_path: sentinel.G}"),
    "a module": ("discriminator", {"class_path": "sentinel.G", "init_args": {}}),
    "a key with a dot": ("generator.class_path", "sentinel.G"),
    "a latent": ("latent", {"class_path": "sentinel.G"}),
    "an objective": ("objective", "sentinel.G"),
    "a coordination": ("coordination", {"class_path": "sentinel.G"}),
    "an optimiser": ("optimizer_g", {"class_path": "sentinel.G", "init_args": _SGD}),
    "an optimiser's name alone": ("optimizer_d", "sentinel.make"),
    "a schedule": (
        "schedule_g",
        [{"class_path": "lit_gan.schedules.Schedule", "init_args": {"scheduler": "sentinel.make"}}],
    ),
    "a schedule in a list": ("schedule_d", [{"class_path": "sentinel.G"}]),
    "inside a network of torch's": (
        "generator",
        {"class_path": "torch.nn.Sequential", "dict_kwargs": {"args": [{"class_path": "sentinel.G"}]}},
    ),
    "deep inside an optimiser": (
        "optimizer_g",
        {"class_path": "torch.optim.SGD", "init_args": {"lr": [{"a": [{"b": {"class_path": "sentinel.G"}}]}]}},
    ),
    "inside what takes anything": (
        "generator",
        {"class_path": "torch.nn.Identity", "dict_kwargs": {"args": {"class_path": "sentinel.make"}}},
    ),
    "an argument that there is not": ("anything", {"class_path": "sentinel.G"}),
    "the instantiator": ("_instantiator", "sentinel.make"),
    "the model": ("_class_path", "sentinel.G"),
    "a submodule of what is no package": ("generator", {"class_path": "sentinel.inside.G"}),
    "by way of a module of torch's": ("generator", {"class_path": "torch.nn.sentinel.G"}),
}
#: What is there already, and is none of a GAN's parts; each writes `touched`, or would if it ran.
IMPORTED: dict[str, tuple[str, Any]] = {
    "os.system": ("generator", {"class_path": "os.system", "init_args": {"command": "touch touched"}}),
    "builtins.eval": ("optimizer_g", {"class_path": "builtins.eval", "init_args": {"source": "open('touched', 'w')"}}),
    "torch.serialization.os.system": (
        "generator",
        {"class_path": "torch.serialization.os.system", "init_args": {"command": "touch touched"}},
    ),
    "torch.hub.load": ("generator", {"class_path": "torch.hub.load", "init_args": {"repo_or_dir": ".", "model": "x"}}),
    "torch.load": ("optimizer_g", "torch.load"),
    "torch.utils.cpp_extension.load": (
        "generator",
        {"class_path": "torch.utils.cpp_extension.load", "init_args": {"name": "x", "sources": ["x.cpp"]}},
    ),
    "subprocess.Popen": (
        "generator",
        {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "touched"]}},
    ),
    "numpy.memmap": (
        "generator",
        {"class_path": "numpy.memmap", "init_args": {"filename": "touched", "mode": "w+", "shape": 1}},
    ),
    "pathlib.Path": ("objective", {"class_path": "pathlib.Path"}),
    "functools.partial": ("optimizer_g", {"class_path": "functools.partial", "init_args": {"func": "os.system"}}),
    "antigravity": ("generator", {"class_path": "antigravity.webbrowser"}),
    "this": ("generator", {"class_path": "this.G"}),
    "lit_gan.cli.main.main": ("generator", {"class_path": "lit_gan.cli.main.main"}),
    "lit_gan.tuning.trial_process.TrialProcess": (
        "generator",
        {"class_path": "lit_gan.tuning.trial_process.TrialProcess"},
    ),
    "numpy.f2py.__main__": ("generator", "numpy.f2py.__main__"),
    "a mapping as a class path": ("generator", {"class_path": {"class_path": "torch.nn.Identity"}}),
    "no import path": ("generator", {"class_path": "os.system('touch touched')"}),
    "the environment": ("generator", "${oc.env:HOME}"),
    "the environment in a text": (
        "generator",
        {"class_path": "lit_gan.networks.MLPGenerator", "init_args": {"output_activation": "${oc.env:HOME}"}},
    ),
}


def rewritten(path: Path, key: str, value: Any) -> Path:
    """The checkpoint with another argument of its model."""
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"] = {**checkpoint["hyper_parameters"], key: value}
    torch.save(checkpoint, path)
    return path


@contextmanager
def sentinel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module that can be imported; within the context it must not be."""
    mark = folder / "imported"
    (folder / "sentinel.py").write_text(SENTINEL.format(mark=str(mark)))
    monkeypatch.syspath_prepend(folder)
    yield
    assert not mark.exists(), "the module was imported"
    assert not Path("touched").exists(), "something of it was run"
