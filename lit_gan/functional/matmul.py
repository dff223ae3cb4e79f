"""Matrix products of known error: without autocast or TF32, and in int8 where this proves itself exact."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from lit_gan.functional.torch_seam import has_vnni, int8_product

_TRIAL_ROWS = 128


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


@cache
def int8_speedup(depth: int) -> float:
    """How many times faster the CPU's int8 product of this depth is than the float32 one, 0 where it is not exact.

    Measured once per process, in a few hundredths of a second: instructions say what is possible, not what it takes.
    """
    if not int8_matmul_is_exact("cpu"):
        return 0.0
    left, right = torch.ones(_TRIAL_ROWS, -(-depth // 16) * 16), torch.ones(16 * _TRIAL_ROWS, -(-depth // 16) * 16)
    out = torch.empty(left.shape[0], right.shape[0])
    code_left, code_right, code_out = left.to(torch.int8), right.to(torch.int8), out.to(torch.int32)
    with exact_matmul(left.device):
        float32 = _seconds(lambda: torch.mm(left, right.T, out=out))
    return float32 / _seconds(lambda: int8_matmul(code_left, code_right, code_out))


def _seconds(product: Callable[[], object]) -> float:
    """The least of three: what others do on the machine only adds."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        product()
        times.append(time.perf_counter() - start)
    return min(times)


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


def sampled_matmul(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Chosen elements of ``left @ right.T``, (M, K) and (N, K) float32: ``(P,)``, for ascending rows.

    Example:
        >>> prepare_sampled_matmul()
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> sampled_matmul(x, x, torch.tensor([0, 1]), torch.tensor([1, 1]))
        tensor([11., 25.])
    """
    ends = torch.bincount(rows, minlength=left.shape[0]).cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends])
    pattern = torch.sparse_csr_tensor(
        starts, columns, left.new_zeros(columns.shape), (left.shape[0], right.shape[0]), check_invariants=False
    )
    products: Tensor = torch.sparse.sampled_addmm(pattern, left, right.T, beta=0.0)
    return products.values()


@cache
def prepare_sampled_matmul() -> None:
    """Once per process, before any thread: torch tells of its first sparse matrix that they are in a beta state."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        sampled_matmul(torch.ones(1, 1), torch.ones(1, 1), torch.tensor([0]), torch.tensor([0]))
