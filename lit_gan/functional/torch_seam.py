"""Every private name of torch that we need, in one place; for torch 2.9 to 2.15."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed import Store, distributed_c10d  # type: ignore[attr-defined]  # public, not listed
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

#: What all batch normalisations are, of any number of dimensions and over ranks. ``tests/engine/test_batch_norm.py``
BatchNorm = _BatchNorm


def has_vnni() -> bool:
    """Whether the CPU multiplies bytes in one instruction. ``tests/functional/test_matmul.py``."""
    return torch.cpu._is_vnni_supported()  # noqa: SLF001


def int8_product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Torch's only int8 product. ``tests/functional/test_matmul.py``."""
    torch._int_mm(left, right, out=out)  # noqa: SLF001


def move_towards(targets: Sequence[Tensor], ends: Sequence[Tensor], share: float) -> None:
    """``torch.lerp`` in place over many tensors, by one kernel. ``tests/callbacks/test_ema.py``."""
    torch._foreach_lerp_(list(targets), list(ends), share)


def transforms_are_active() -> bool:
    """Whether this is within ``torch.func``'s grad, vmap, ... ``tests/functional/test_max_over_pieces.py``."""
    return torch._C._are_functorch_transforms_active()  # noqa: SLF001


def metadata_of(state_dict: Any) -> dict[str, Any]:
    """The versions of the modules in a state dict, by their names. ``tests/test_compiled_networks.py``."""
    metadata: dict[str, Any] = getattr(state_dict, "_metadata", {})
    return metadata


def changes_of(tensor: Tensor) -> int:
    """How often it was changed in place. ``tests/engine/test_weight_casts.py``."""
    return tensor._version  # noqa: SLF001


def job_store() -> Store:
    """The store of the default process group, which does not tell it. ``tests/strategies/peers/test_job_store.py``."""
    return distributed_c10d._get_default_store()  # noqa: SLF001


def let_heartbeats_end_anywhere() -> None:
    """The heartbeat of torchrun's rendezvous may be what ends it last: torch then has its thread wait for itself.

    That is printed as an error of ours. ``tests/cluster/test_torchrun.py``
    """
    from torch.distributed.elastic.rendezvous.utils import _PeriodicTimer  # noqa: PLC0415 -- it takes half a second

    def stop(thread: threading.Thread, stop_event: threading.Event) -> None:
        stop_event.set()
        if thread is not threading.current_thread():
            thread.join()

    _PeriodicTimer._stop_thread = staticmethod(stop)  # type: ignore[method-assign]  # noqa: SLF001


class RoutedDDP(DistributedDataParallel):
    """DistributedDataParallel whose forward pass is the subclass's: torch would call the module, which leads here.

    ``tests/strategies/test_ddp_gan.py::test_each_update_sends_its_players_gradients_once``
    """

    def _run_ddp_forward(self, *args: Any, **kwargs: Any) -> Any:
        with self._inside_ddp_forward():
            return self.call_player(*args, **kwargs)

    def call_player(self, *args: Any, **kwargs: Any) -> Any:
        """The module's forward pass."""
        raise NotImplementedError


def is_wanted(node: Any) -> bool:
    """Whether the backward pass that runs now needs what flows into a node. ``tests/networks/test_convolution.py``."""
    if node is None:
        return False
    try:
        return torch._C._will_engine_execute_node(node)  # noqa: SLF001
    except RuntimeError:  # a leaf that a gradient is asked for; torch knows of no other node there
        return True
