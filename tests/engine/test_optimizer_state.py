"""No state of a checkpoint makes a fused kernel read beyond it: torch would end the process, or read what is there."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from lit_gan.callbacks import RunCheckpoint
from lit_gan.engine.optimizer_state import check_taken_back
from lit_gan.errors import UserError


def _moved(kind: Any, **arguments: Any) -> Optimizer:
    """An optimiser of two weights after a step."""
    weights = [nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(4))]
    optimizer: Optimizer = kind(weights, lr=0.1, fused=True, **arguments)
    for each in weights:
        each.grad = torch.ones_like(each)
    optimizer.step()
    return optimizer


_KINDS = {"momentum": (SGD, {"momentum": 0.9}), "Adam": (Adam, {"amsgrad": True}), "AdamW": (AdamW, {})}


@pytest.mark.parametrize(("kind", "arguments"), _KINDS.values(), ids=_KINDS)
def test_its_own_state_is_taken_back(kind: Any, arguments: dict[str, Any]) -> None:
    optimizer, other = _moved(kind, **arguments), _moved(kind, **arguments)
    other.load_state_dict(optimizer.state_dict())
    check_taken_back(other, "generator")
    check_taken_back(_moved(SGD), "generator")  # has no state


@pytest.mark.parametrize(("kind", "arguments"), _KINDS.values(), ids=_KINDS)
def test_moments_lie_in_memory_as_their_weights_do(kind: Any, arguments: dict[str, Any]) -> None:
    """Of a network whose memory format has changed since it was saved: a kernel goes through memory."""

    def moved(memory_format: torch.memory_format) -> tuple[nn.Parameter, Optimizer]:
        start = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
        weight = nn.Parameter(start.clone(memory_format=memory_format))
        optimizer = kind([weight], lr=0.1, fused=True, **arguments)
        for factor in (1.0, 2.0):
            weight.grad = (factor * start).sin().to(memory_format=memory_format)
            optimizer.step()
        return weight, optimizer

    _, saved = moved(torch.contiguous_format)
    ends = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        weight, optimizer = moved(memory_format)
        optimizer.load_state_dict(deepcopy(saved.state_dict()))
        check_taken_back(optimizer, "generator")
        optimizer.step()
        ends.append(weight.detach().contiguous())
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-7)


def _short(moment: Tensor) -> Tensor:
    return moment.flatten()[:-1].clone()


def _repeated(moment: Tensor) -> Tensor:
    return torch.zeros(1).expand(moment.shape)


def _long(moment: Tensor) -> Tensor:
    return torch.cat([moment, moment])


@pytest.mark.parametrize("change", [_short, _repeated, _long, torch.sum, lambda _: [1.0], lambda _: 0.0])
@pytest.mark.parametrize(("kind", "arguments"), _KINDS.values(), ids=_KINDS)
def test_a_moment_that_is_not_of_its_weights_is_refused(kind: Any, arguments: dict[str, Any], change: Any) -> None:
    for name in next(iter(_moved(kind, **arguments).state.values())).keys() - {"step"}:
        optimizer = _moved(kind, **arguments)
        state = optimizer.state[optimizer.param_groups[0]["params"][0]]
        state[name] = change(state[name])
        message = rf"^the checkpoint's optimiser of the critic cannot go on: {name} of weights \(3, 4\) is .*; give ano"
        with pytest.raises(UserError, match=message):
            check_taken_back(optimizer, "critic")


def test_a_step_is_one_number() -> None:
    optimizer = _moved(Adam)
    optimizer.state[optimizer.param_groups[0]["params"][1]]["step"] = torch.zeros(2)
    with pytest.raises(UserError, match=r"step of weights \(4,\) is a tensor \(2,\)"):
        check_taken_back(optimizer, "generator")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("lr", "fast", r"its lr is 'fast', expected what is like 0\.1"),
        ("lr", True, r"its lr is True, expected"),
        ("lr", torch.zeros(2), r"its lr is a tensor \(2,\), expected"),
        ("betas", (0.9,), r"its betas is \(0\.9,\), expected what is like \(0\.9, 0\.999\)"),
        ("betas", (0.9, "x"), r"its betas is \(0\.9, 'x'\), expected"),
        ("maximize", 1, r"its maximize is 1, expected what is like False"),
        ("weight_decay", None, r"its weight_decay is None, expected what is like 0"),
    ],
)
def test_a_setting_of_another_kind_is_refused(name: str, value: Any, told: str) -> None:
    optimizer = _moved(Adam)
    optimizer.param_groups[0][name] = value
    with pytest.raises(UserError, match=f"optimiser of the generator cannot go on: {told}"):
        check_taken_back(optimizer, "generator")


@pytest.mark.parametrize("value", [1, 0.5, torch.tensor(0.1), float("inf")])
def test_any_number_may_stand_for_a_number(value: Any) -> None:
    optimizer = _moved(Adam)
    optimizer.param_groups[0]["lr"] = value
    check_taken_back(optimizer, "generator")


def test_a_setting_that_is_missing_is_told() -> None:
    optimizer = _moved(SGD)
    del optimizer.param_groups[0]["momentum"]
    with pytest.raises(UserError, match="cannot go on: it has no momentum; give another"):
        check_taken_back(optimizer, "generator")


def test_a_state_that_no_kernel_reads_unseen_is_the_optimisers_own_affair() -> None:
    """As those that keep a row and a column in the place of a matrix."""
    optimizer = _moved(SGD)
    for group in optimizer.param_groups:
        group["fused"] = None
    optimizer.state[optimizer.param_groups[0]["params"][0]]["rows"] = torch.zeros(3)
    check_taken_back(optimizer, "generator")


def test_a_training_looks_at_what_it_takes_back(tmp_path: Path) -> None:
    def fit(rounds: int, checkpoint: Path | None = None) -> None:
        keeper = RunCheckpoint(tmp_path, save_top_k=0, save_last=True, enable_version_counter=False)
        run = trainer(max_steps=rounds, callbacks=[keeper], enable_checkpointing=True)
        gan = linear_gan(optimizer_g=lambda weights: Adam(weights, lr=0.1))
        run.fit(gan, loader(examples(24), batch_size=8), ckpt_path=checkpoint, weights_only=True)

    fit(3)
    whole = torch.load(tmp_path / "last.ckpt", weights_only=True)
    moments = deepcopy(whole)
    state = moments["optimizer_states"][0]["state"]
    state[0]["exp_avg"] = torch.zeros(0)
    torch.save(moments, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=r"optimiser of the generator cannot go on: exp_avg of weights"):
        fit(6, tmp_path / "other.ckpt")
