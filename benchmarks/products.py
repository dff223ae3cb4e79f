"""The matrix products of a round, and nothing else: the floor under every way to train the same networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import Seconds, timed

_ATEN = torch.ops.aten
_LINEAR = {_ATEN.mm.default: 0, _ATEN.addmm.default: 1}  # and where the two factors stand among the arguments
_CONVOLUTIONS = (_ATEN.convolution.default, _ATEN.convolution_backward.default)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Keeps each product as its operation, with what is needed to do it again."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, Sequence[Any]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _LINEAR or func in _CONVOLUTIONS:
            self.calls.append((func, [_described(each) for each in args]))
        return func(*args, **(kwargs or {}))


class _Described:
    """A tensor by its looks."""

    def __init__(self, tensor: Tensor) -> None:
        self.size, self.stride, self.dtype, self.device = tensor.shape, tensor.stride(), tensor.dtype, tensor.device

    def numel(self) -> int:
        """How much memory it spans."""
        return 1 + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))


def _described(argument: Any) -> Any:
    return _Described(argument) if isinstance(argument, Tensor) else argument


class Products:
    """The products of one round, recorded from a run of it: forward, for the weights, for the inputs.

    Shapes, strides and types are those of the round. The numbers are others, and each role (first factor, second
    factor, result) has one piece of memory for all products, so that the largest networks fit.

    Args:
        one_round: Does a round.
        rounds: After how many another one is like the first.

    Attributes:
        flops: Multiplications and additions in a round, on average over those.
        rounds: As given.
    """

    def __init__(self, one_round: Callable[[], None], rounds: int = 1) -> None:
        recorder, self.rounds = _Recorder(), rounds
        with FlopCounterMode(display=False) as counter, recorder:
            for _ in range(rounds):
                one_round()
        self.flops = counter.get_total_flops() // rounds
        memory: dict[tuple[Any, ...], int] = {}
        for func, args in recorder.calls:
            for role, each in self._tensors(func, args):
                key = role, each.dtype, each.device
                memory[key] = max(memory.get(key, 0), each.numel())
        self._memory = {key: torch.randn(size, device=key[2]).to(key[1]) for key, size in memory.items()}
        self._calls = [self._prepared(func, args) for func, args in recorder.calls]

    def timed(self, rounds: int) -> Seconds:
        """What those of a round take, over as many as there are to be; of each kind alike."""
        return timed(self._once, rounds // self.rounds).each(self.rounds)

    def _once(self) -> None:
        for call in self._calls:
            call()

    def _prepared(self, func: Any, args: Sequence[Any]) -> Callable[[], object]:
        views = dict(self._views(func, args))
        if func in _LINEAR:
            left, right, out = views["left"], views["right"], views["out"]
            return lambda: torch.mm(left, right, out=out)
        filled = [views.get(str(place), each) for place, each in enumerate(args)]
        if func is _ATEN.convolution.default:
            filled[2] = None  # no bias
        return lambda: func(*filled)

    def _views(self, func: Any, args: Sequence[Any]) -> list[tuple[str, Tensor]]:
        return [
            (role, self._memory[role, each.dtype, each.device].as_strided(each.size, each.stride))
            for role, each in self._tensors(func, args)
        ]

    @staticmethod
    def _tensors(func: Any, args: Sequence[Any]) -> list[tuple[str, _Described]]:
        if func not in _LINEAR:
            return [(str(place), each) for place, each in enumerate(args) if isinstance(each, _Described)]
        left, right = args[_LINEAR[func] : _LINEAR[func] + 2]
        out = _Described(torch.empty(left.size[0], right.size[1], dtype=left.dtype, device="meta"))
        out.device = left.device
        return [("left", left), ("right", right), ("out", out)]
