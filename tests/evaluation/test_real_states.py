"""What a metric knows of the real images is found again by what it follows from, and by nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_gan import trainer
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from lit_gan.data import DigitsDataModule
from lit_gan.evaluation.real_states import RealStates, identity_of, restore, state_of


class Features(nn.Module):
    num_features = 4

    def __init__(self, scale: float = 1.0, made_by: Any = None) -> None:
        super().__init__()
        self.scale, self.made_by = scale, made_by
        self.layer = nn.Linear(64, 4)
        nn.init.ones_(self.layer.weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.float().flatten(1)[:, :64]) * self.scale


def fid(**kwargs: Any) -> FrechetInceptionDistance:
    torch.manual_seed(0)
    return FrechetInceptionDistance(Features(**kwargs), normalize=True)


def states(folder: Path, data: Any = None, split: Any = "val", value_range: Any = (0.0, 1.0)) -> RealStates:
    run = trainer()
    run.datamodule = DigitsDataModule() if data is None else data
    return RealStates(folder, run, split, value_range)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    metric = fid()
    identity = identity_of(metric)
    metric.update(torch.rand(8, 1, 8, 8), real=True)
    states(tmp_path).save(identity, state_of(metric))
    return tmp_path


def load(states: RealStates, metric: Metric) -> Any:
    return states.load(identity_of(metric), metric)


def test_the_same_metric_of_the_same_images_finds_it(kept: Path) -> None:
    found, metric = load(states(kept), fid()), fid()
    assert found is not None
    restore(metric, found, torch.device("cpu"))
    assert int(metric.real_features_num_samples) == 8
    metric.real_features_sum += 1  # an update in place reaches no other evaluation
    assert not torch.equal(metric.real_features_sum, found["real_features_sum"])


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
def test_anything_else_does_not(kept: Path) -> None:
    other_weights = fid()
    other_weights.inception.layer.bias.data += 1
    assert load(states(kept), other_weights) is None
    assert load(states(kept), fid(scale=2.0)) is None  # a setting of its network
    assert load(states(kept), FrechetInceptionDistance(Features(), normalize=False)) is None
    assert load(states(kept), KernelInceptionDistance(Features(), normalize=True, subset_size=4)) is None
    assert load(states(kept, split="test"), fid()) is None
    assert load(states(kept, value_range=(-1.0, 1.0)), fid()) is None
    assert load(states(kept, DigitsDataModule(value_range=(-1.0, 1.0))), fid()) is None


def test_the_code_of_a_network_counts(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    edited = tmp_path / "edited.py"
    edited.write_text(Path(__file__).read_text() + "\n# another forward\n")
    monkeypatch.setattr("lit_gan.evaluation.real_states._source", lambda _: edited.read_bytes())
    assert load(states(kept), fid()) is None


def test_what_cannot_be_told_apart_is_not_kept(tmp_path: Path) -> None:
    assert identity_of(fid(made_by=lambda: None)) is None  # a function may be any
    states(tmp_path).save(None, state_of(fid()))
    states(tmp_path, data=object()).save(identity_of(fid()), state_of(fid()))  # a reader's own loaders may augment
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_larger_than_its_worth_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lit_gan.evaluation.real_states._LARGEST", 10)
    states(tmp_path).save(identity_of(fid()), state_of(fid()))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_costs_only_itself(kept: Path) -> None:
    (file,) = kept.iterdir()
    file.write_bytes(b"PK nothing")
    assert load(states(kept), fid()) is None
