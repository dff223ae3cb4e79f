"""Matrix products of known error: without autocast or TF32, and in int8 where this proves itself exact."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from lit_gan.functional.torch_seam import has_vnni, int8_product


@contextmanager
def exact_matmul(device: torch.device) -> Iterator[None]:
    """Within it, products on ``device`` have the precision of their operands, and no graph is recorded.

    Lightning runs validation under autocast, and advises ``set_float32_matmul_precision("medium")``. Either
    costs a squared distance in image space about three digits, which is up to 19 nats in a Parzen
    log-likelihood.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), exact_matmul(torch.device("cpu")):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    # The setting per backend and not `set_float32_matmul_precision`, whose getter raises where the user has
    # set a backend.
    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]  # set at run time
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False), torch.no_grad():
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


@cache
def int8_matmul_is_exact(device_type: str) -> bool:
    """Whether int8 products are both fast and exact on a kind of device; tried once per process.

    A CPU without VNNI instructions saturates (torch < 2.6) or takes a slow reference loop; so the flag
    decides about speed, and products of extreme and of random values decide about exactness.
    """
    if device_type == "cpu" and not has_vnni():
        return False
    generator = torch.Generator().manual_seed(0)
    extremes = [(127, 127), (-128, -128), (-128, 127), (127, -128)]
    for depth in (32, 784):
        left = torch.randint(-128, 128, (32, depth), generator=generator, dtype=torch.int8)
        right = torch.randint(-128, 128, (48, depth), generator=generator, dtype=torch.int8)
        trials = [(torch.full_like(left, a), torch.full_like(right, b)) for a, b in extremes]
        if not all(_int8_trial(a, b, device_type) for a, b in [*trials, (left, right)]):
            return False
    return True


def _int8_trial(left: Tensor, right: Tensor, device_type: str) -> bool:
    out = torch.empty(left.shape[0], right.shape[0], dtype=torch.int32, device=device_type)
    try:
        int8_matmul(left.to(device_type), right.to(device_type), out)
    except (RuntimeError, NotImplementedError):  # this backend has no such product, or none of this shape
        return False
    return torch.equal(out.cpu().double(), left.double() @ right.double().T)


def int8_matmul(left: Tensor, right: Tensor, out: Tensor) -> None:
    """``left @ right.T``, (M, K) and (N, K) int8, written to ``out``, (M, N) int32.

    K is a multiple of 16: torch's CPU kernel returns garbage for K = 1, CUDA's wants K % 8 = 0.
    """
    int8_product(left, right.T, out)
