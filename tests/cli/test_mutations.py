"""Whatever is typed or brought is a run, or one line: mutated configurations and batches, through `lit-gan fit`."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import own_modules
import pytest
import torch
import yaml
from command_line import QUIET, lit_gan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lit_gan.cli.parsing.shipped import find

_ENDINGS = {0: "", 1: "lit-gan: failed: ", 2: "lit-gan: error: "}
_WARNING = "lit-gan: warning: "
_BASE: dict[str, Any] = yaml.safe_load(find("quickstart").read_text())
_BASE["trainer"] = {"max_steps": 1, "callbacks": _BASE["trainer"]["callbacks"], "limit_val_batches": 1}
_BASE["model"]["init_args"] |= {
    "latent": {"class_path": "lit_gan.latents.Normal", "init_args": {"size": 32}},
    "objective": {"class_path": "lit_gan.objectives.NonSaturating"},
    "coordination": {"class_path": "lit_gan.coordination.FixedSteps", "init_args": {"k": 1}},
    "schedule_g": [
        {
            "scheduler": {
                "class_path": "lit_gan.schedules.ExponentialDecay",
                "init_args": {"divisor": 1.1, "min_lr": 0.1},
            }
        }
    ],
    "clip_g": 3.0,
}
_BASE |= {"wandb": "off", "tensorboard": False, "interpolation": {"every_n_rounds": 1}, "parzen": {"sigma": [0.1, 0.2]}}

# Of every type that YAML has, of every kind of class, and nothing that would take a machine's memory.
_VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 3, 0.5, -0.5, 1e30, math.nan, math.inf, "", "x", "ä ö 深", "a b\nc", "x" * 3000, "1",
    "true", "null", "${nothing.here}", "${trainer.max_steps}", "${", "\\", "%s", "{}", [], {}, [[]], [1, 2, 3], [None],
    ["x"], {"x": 1}, {"class_path": "x"}, {"class_path": "lit_gan.GAN"}, {"init_args": {}}, {"class_path": None},
    "lit_gan.GAN", "os.system", "torch.nn.Linear", "torch.optim.Adam", "lit_gan.objectives.Hinge", "builtins.print",
    "lit_gan.objectives.Hingee", "nothing.at.all", "lit_gan.latents.Uniform", "lit_gan.data.MNISTDataModule",
    "own_modules.OwnData", "own_modules.OwnModule", {"class_path": "torch.nn.Identity"}, "2020-01-01", "1:2", "0x10",
    {"class_path": "lit_gan.schedules.MomentumRamp", "init_args": {"final": 0.7}}, "1e-3", "~",
    {"class_path": "lit_gan.latents.Normal", "init_args": {"size": 5}},
]  # fmt: skip


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from _places(value, (*path, key))


_PLACES = sorted(_places(_BASE), key=str)


@st.composite
def _configurations(draw: st.DrawFn) -> dict[str, Any]:
    """The base with one to three changes: a value replaced, a key taken away, renamed or added."""
    content: dict[str, Any] = copy.deepcopy(_BASE)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_PLACES))
        change = draw(st.sampled_from(("replace", "replace", "replace", "drop", "rename", "add")))
        _change(content, path, change, draw(st.sampled_from(_VALUES)))
    return content


def _change(content: Any, path: tuple[Any, ...], change: str, value: Any) -> None:
    *outer, key = path
    for part in outer:
        within = isinstance(content, dict) and part in content
        if not within and not (isinstance(content, list) and isinstance(part, int) and part < len(content)):
            return  # an earlier change has taken it away
        content = content[part]
    if isinstance(content, list) and key < len(content):
        content[key] = value
    elif isinstance(content, dict):
        old = content.pop(key, None) if change in ("drop", "rename") else None
        if change == "rename":
            content[f"{key}x"] = old
        elif change != "drop":
            content[f"{key}_more" if change == "add" else key] = value


def _check(ending: Any) -> None:
    lines = [line for line in ending.err.splitlines() if not line.startswith(_WARNING)]
    assert ending.code in _ENDINGS, ending
    assert len(lines) == (ending.code != 0), ending.err
    assert ending.err == "" or all(line.startswith(_ENDINGS[ending.code]) for line in lines), ending.err
    assert "Traceback" not in ending.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the reader's own values may overflow
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(content=_configurations())
def test_a_mutated_configuration_trains_or_is_one_line(content: dict[str, Any]) -> None:
    Path("mutated.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    _check(lit_gan("fit", "--config", "mutated.yaml", *QUIET, "--resume=never", "--report=false"))


class _Pair(NamedTuple):
    pixel_values: Any
    labels: Any


_DTYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int64, torch.bool,
    torch.complex64,
)  # fmt: skip
_SHAPES = (
    (4, 1, 8, 8),
    (4, 1, 8, 8),
    (4, 1, 8, 8),
    (4, 3, 8, 8),
    (4, 1, 9, 8),
    (4, 8, 8),
    (4, 64),
    (4,),
    (),
    (0, 1, 8, 8),
)
_FILLS = (0.0, 0.5, 1.0, -1.0, 2.0, 255.0, math.nan, math.inf, 1e30)
_WRAPS = {
    "bare": lambda x: x,
    "list": lambda x: [x],
    "pair": lambda x: (x, torch.zeros(4, dtype=torch.int64)),
    "image": lambda x: {"image": x, "label": torch.zeros(4, dtype=torch.int64)},
    "two keys": lambda x: {"image": x, "pixel_values": x},
    "own key": lambda x: {"picture_of_mine": x},
    "nested": lambda x: [[x]],
    "named": lambda x: _Pair(x, None),
    "numpy": lambda x: x.float().numpy() if not x.is_complex() else np.zeros((4, 1, 8, 8)),
    "text": lambda x: "a text",
    "nothing": lambda x: None,
    "empty": lambda x: [],
    "empty keys": lambda x: {},
    "number": lambda x: 3,
}  # fmt: skip


@st.composite
def _batches(draw: st.DrawFn) -> Any:
    shape, fill, dtype = (draw(st.sampled_from(choices)) for choices in (_SHAPES, _FILLS, _DTYPES))
    x: Tensor = torch.full(shape, fill if dtype.is_floating_point or dtype.is_complex else min(abs(fill), 100.0) if
                           math.isfinite(fill) else 0.0).to(dtype)  # fmt: skip
    if x.numel() > 1 and x.is_floating_point() and draw(st.booleans()):
        x.view(-1)[::2] = 0.25
    return _WRAPS[draw(st.sampled_from(sorted(_WRAPS)))](x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(batch=_batches(), conditional=st.booleans(), declared=st.sampled_from((None, None, (0.0, 1.0), (-1.0, 1.0))))
def test_a_mutated_batch_trains_or_is_one_line(batch: Any, conditional: bool, declared: Any) -> None:
    own_modules.AnyBatches.batch = batch
    own_modules.AnyBatches.declared = declared
    ending = lit_gan(
        "fit", "--config", "quickstart_conditional" if conditional else "quickstart", *QUIET, "--wandb=off",
        "--resume=never", "--data=own_modules.AnyBatches", "--trainer.max_epochs=1", "--sample_grid.num_samples=4",
        "--model.generator.pixel_mean_bias=false", "--parzen.num_samples=100", f"--report={str(conditional).lower()}",
    )  # fmt: skip
    _check(ending)
