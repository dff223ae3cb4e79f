"""The same script asks for the same run, in any process; another one does not."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from own_modules import OwnModule
from stop_cases import Noise, small_gan
from tiny_gan import LinearDiscriminator, LinearGenerator, linear_gan, sgd
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.callbacks import GeneratorEMA
from lit_gan.penalties import R1
from lit_gan.runs.fingerprint import describe_differences, fingerprint
from lit_gan.session.identity import described, python_configuration


def _loader(rows: int = 8, **kwargs: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.rand(rows, 1)), **kwargs)


@pytest.mark.parametrize(
    "make",
    [
        small_gan,
        lambda: linear_gan(penalties=[R1(10.0, every=4)], clip_g=1.0),
        lambda: OwnModule(width=2),
        lambda: Noise(batch_size=4),
        lambda: _loader(batch_size=4, shuffle=True),
        lambda: [GeneratorEMA(0.99), EarlyStopping("val/loss", patience=2)],
        lambda: {"a": {1, 2}, "b": timedelta(hours=1), "c": torch.float16, "d": partial(max, 1), "e": object()},
    ],
)
def test_what_is_made_again_is_described_as_before(make: Any) -> None:
    assert described(make()) == described(make())
    assert "0x" not in str(described(make()))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (GeneratorEMA(0.9), GeneratorEMA(0.99), "init_args.decay: got 0.9, expected 0.99"),
        (OwnModule(width=2), OwnModule(width=3), "init_args.width: got 2, expected 3"),
        (Noise(batch_size=4), Noise(batch_size=5), "init_args.batch_size: got 4, expected 5"),
        (_loader(8, batch_size=2), _loader(9, batch_size=2), 'got ["Tensor (8, 1) torch.float32"]'),
        (
            linear_gan(optimizer_g=sgd(0.1)),
            linear_gan(optimizer_g=sgd(0.2)),
            "generator.groups.0.lr: got 0.1, expected 0.2",
        ),
        (linear_gan(clip_d=1.0), linear_gan(), "players.discriminator.clip: got 1.0, expected null"),
        (linear_gan(penalties=[R1(1.0)]), linear_gan(penalties=[R1(2.0)]), "init_args.penalties.0."),
        (nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh()), 'layers.0: got "ReLU()", expected "Tanh()"'),
        (Path("a"), Path("b"), 'got "a", expected "b"'),
    ],
)
def test_what_is_another_is_told_by_name(one: Any, other: Any, difference: str) -> None:
    assert difference in describe_differences({"it": described(one)}, {"it": described(other)})


def test_what_is_compiled_or_has_parameters_of_its_own_is_told_by_its_layers() -> None:
    gan = linear_gan()
    assert described(gan)["layers"] == {
        "generator": "LinearGenerator(a (), b ())",
        "discriminator": "LinearDiscriminator(w (), c ())",
    }
    wrapped = nn.Sequential(torch.compile(LinearGenerator()), LinearDiscriminator())
    plain = nn.Sequential(LinearGenerator(), LinearDiscriminator())
    assert described(wrapped)["layers"] == described(plain)["layers"]


def test_how_a_run_is_shown_and_tracked_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = python_configuration({"max_steps": 3}, OwnModule(), {"datamodule": None, "train_dataloaders": _loader()})
    shown = {"max_steps": 3, "logger": CSVLogger(tmp_path), "enable_progress_bar": False}
    assert fingerprint(python_configuration(shown, OwnModule(), {"train_dataloaders": _loader()})) == fingerprint(plain)
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    assert python_configuration({}, OwnModule(), {})["seed_everything"] == 1
    monkeypatch.delenv("PL_GLOBAL_SEED")
    assert python_configuration({}, OwnModule(), {})["seed_everything"] is None


def test_a_long_list_and_a_deep_object_are_cut_short() -> None:
    deep: Any = []
    for _ in range(20):
        deep = [deep]
    assert described(list(range(1000))) == "1000 values"
    assert str(described(deep)).count(":") < 10
