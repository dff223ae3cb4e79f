from typing import Any

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import load_checkpoint
from lit_gan.runs.checkpoint_outline import fault_of_outline

_SGD = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
_WHOLE = {
    "state_dict": {"w": torch.zeros(2), "head._extra_state": "anything"},
    "global_step": 8,
    "epoch": 2,
    "pytorch-lightning_version": "2.6.4.dev1+local",
    "loops": {"fit_loop": {"state_dict": {}}},
    "callbacks": {"Diagnosis": {}},
    "optimizer_states": [_SGD, {"state": {"kept by the optimiser": 1.0}, "param_groups": []}],
    "lr_schedulers": [{"last_epoch": 8}],
    "hyper_parameters": {"lr": 0.1},
    "lit_gan": {"seed": 0},
    "a_library_of_ones_own": object,
}
_UNLIKE = [None, True, 1.5, "x", [1], (), {1: 2}, torch.zeros(2), 1j, b"x"]


def test_what_a_trainer_writes_is_no_fault() -> None:
    assert fault_of_outline(_WHOLE) is None
    assert all(fault_of_outline({name: _WHOLE[name]}) is None for name in _WHOLE)


@pytest.mark.parametrize(
    ("part", "value", "fault"),
    [
        ("state_dict", {"w": 1.0}, "its state_dict: got a dict, expected tensors by name"),
        ("state_dict", {0: torch.zeros(1)}, "its state_dict: got a dict, expected tensors by name"),
        ("global_step", -1, "its global_step: got -1, expected a whole number from 0 on"),
        ("global_step", 2**63, f"its global_step: got {2**63}, expected a whole number from 0 on"),
        ("epoch", float("nan"), "its epoch: got nan, expected a whole number from 0 on"),
        ("epoch", True, "its epoch: got True, expected a whole number from 0 on"),
        (
            "pytorch-lightning_version",
            "new",
            "its pytorch-lightning_version: got 'new', expected a version, such as 2.6.0",
        ),
        ("loops", {"fit_loop": 3}, "its loops: got a dict, expected a mapping of mappings"),
        ("callbacks", b"x", "its callbacks: got a bytes, expected a mapping"),
        (
            "optimizer_states",
            [{"state": {}}],
            "its optimizer_states: got a list, expected a list of states as torch.optim",
        ),
        ("optimizer_states", [_SGD | {"state": {0: torch.zeros(1)}}], "its optimizer_states: got a list, expected"),
        (
            "optimizer_states",
            [_SGD | {"param_groups": [{"params": [0.5]}]}],
            "its optimizer_states: got a list, expected",
        ),
        ("lr_schedulers", [1], "its lr_schedulers: got a list, expected a list of mappings"),
        ("hyper_parameters", "x" * 900, "its hyper_parameters: got 'xxx"),
    ],
)
def test_a_part_of_another_kind_is_told_by_its_name(part: str, value: Any, fault: str) -> None:
    told = fault_of_outline({**_WHOLE, part: value})
    assert told is not None
    assert told.startswith(fault)
    assert len(told) < 300


@pytest.mark.parametrize("part", [name for name in _WHOLE if name != "a_library_of_ones_own"])
def test_no_part_is_what_is_of_another_kind(part: str) -> None:
    """Of all kinds of values no more than one passes for it: what is itself such a thing, empty."""
    passing = [value for value in _UNLIKE if fault_of_outline({part: value}) is None]
    assert passing == ([{1: 2}] if part in ("callbacks", "hyper_parameters", "lit_gan") else [])


def test_a_file_whose_parts_are_something_else_is_refused(tmp_path: Any) -> None:
    torch.save({"state_dict": {}, "epoch": "last"}, tmp_path / "last.ckpt")
    message = r"^checkpoint .*last\.ckpt is not as a Trainer writes it: its epoch: got 'last', .*; give another one\.$"
    with pytest.raises(UserError, match=message):
        load_checkpoint(tmp_path / "last.ckpt")
