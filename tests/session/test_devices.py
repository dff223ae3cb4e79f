"""How many devices a command asks for, in every form that Lightning takes."""

from typing import Any

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.session.devices import allocated_devices, chosen_strategy


@pytest.mark.parametrize("devices", [2, "2", [0, 1], "0,1", "0, 1", " 3 "])
def test_several_devices_train_with_one_reducer_per_player(devices: Any) -> None:
    assert chosen_strategy({"devices": devices}) == "ddp_gan"


@pytest.mark.parametrize("devices", [1, "1", [0], [3], "0,", "3,", None])
def test_one_device_is_left_to_lightning(devices: Any) -> None:
    assert chosen_strategy({"devices": devices}) == "auto"
    assert chosen_strategy({}) == "auto"


@pytest.mark.parametrize("devices", ["auto", -1, "-1"])
@pytest.mark.parametrize(
    ("accelerator", "gpus", "strategy"),
    [("auto", 2, "ddp_gan"), ("gpu", 2, "ddp_gan"), ("cuda", 4, "ddp_gan"), ("auto", 1, "auto"), ("auto", 0, "auto")],
)
def test_all_devices_are_as_many_as_there_are(
    devices: Any, accelerator: str, gpus: int, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert chosen_strategy({"devices": devices, "accelerator": accelerator}) == strategy
    assert chosen_strategy({"devices": devices, "accelerator": "cpu"}) == "auto"  # the GPUs are not asked for


def test_one_device_on_each_of_several_nodes_is_several() -> None:
    assert chosen_strategy({"devices": 1, "num_nodes": 2}) == "ddp_gan"
    assert chosen_strategy({"devices": 1, "num_nodes": 1}) == chosen_strategy({"num_nodes": None}) == "auto"


def test_a_strategy_that_was_asked_for_wins() -> None:
    assert chosen_strategy({"strategy": "ddp", "devices": 2, "num_nodes": 2}) == "ddp"


_STEP = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4"}


@pytest.mark.parametrize("devices", ["auto", -1, "-1"])
def test_all_devices_of_an_allocation_are_one_for_each_task(devices: Any) -> None:
    assert allocated_devices({"devices": devices}, _STEP) == {"devices": 4, "num_nodes": 2}


@pytest.mark.parametrize("devices", [1, 4, [0, 1], "0,1"])
def test_a_number_that_was_asked_for_stays(devices: Any) -> None:
    assert allocated_devices({"devices": devices}, _STEP) == {}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {name: value for name, value in _STEP.items() if name != "SLURM_STEP_ID"},  # nobody has started the others
        {**_STEP, "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "1"},
        {**_STEP, "SLURM_NTASKS": "5"},  # no number for each node
    ],
)
def test_elsewhere_lightning_counts_the_devices(environ: dict[str, str]) -> None:
    assert allocated_devices({"devices": "auto"}, environ) == {}


@pytest.mark.parametrize("devices", [0, "0", -2, "all"])
def test_devices_that_there_cannot_be_are_told(devices: Any) -> None:
    with pytest.raises(UserError, match=rf"^--trainer.devices {devices}: expected at least 1, or auto\.$"):
        chosen_strategy({"devices": devices})
