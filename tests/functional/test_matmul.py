import pytest
import torch

from lit_gan.functional import matmul
from lit_gan.functional.matmul import (
    exact_matmul,
    int8_matmul,
    int8_matmul_is_exact,
    int8_speedup,
    prepare_sampled_matmul,
    sampled_matmul,
)


# torch 2.9, of `set_float32_matmul_precision` itself, which Lightning advises.
@pytest.mark.filterwarnings("ignore:Please use the new API settings to control TF32:UserWarning")
def test_products_are_exact_under_autocast_and_low_precision_and_the_settings_come_back():
    torch.manual_seed(0)
    a, b = torch.rand(64, 300), torch.rand(300, 32)
    expected = a @ b
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16), exact_matmul(torch.device("cpu")):
            product = a @ b
            assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert product.dtype == torch.float32
    torch.testing.assert_close(product, expected, rtol=1e-5, atol=0)


def test_a_precision_set_per_backend_comes_back_after_an_error():
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        with pytest.raises(RuntimeError, match="stop"), exact_matmul(torch.device("cpu")):
            raise RuntimeError("stop")
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


@pytest.mark.parametrize("depth", [16, 784, 3072])
def test_int8_products_are_exact_where_the_self_test_says_so(depth):
    if not int8_matmul_is_exact("cpu"):
        pytest.skip("this CPU has no exact int8 product")
    a, b = (torch.randint(-128, 128, (33, depth), dtype=torch.int8) for _ in range(2))
    out = torch.empty(33, 33, dtype=torch.int32)
    int8_matmul(a, b, out)
    assert torch.equal(out.long(), a.long() @ b.long().T)


def test_a_device_whose_int8_product_saturates_is_found_out(monkeypatch):
    def saturating(left, right, out):
        out.copy_((left.double() @ right.double().T).clamp(-(2**18), 2**18))

    int8_matmul_is_exact.cache_clear()
    monkeypatch.setattr("lit_gan.functional.matmul.int8_matmul", saturating)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    assert not int8_matmul_is_exact("cpu")
    int8_matmul_is_exact.cache_clear()


def test_a_device_without_int8_products_is_found_out(monkeypatch):
    def missing(left, right, out):
        raise NotImplementedError("_int_mm")

    int8_matmul_is_exact.cache_clear()
    monkeypatch.setattr("lit_gan.functional.matmul.int8_matmul", missing)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    assert not int8_matmul_is_exact("cpu")
    int8_matmul_is_exact.cache_clear()


def test_a_cpu_without_vnni_does_not_use_int8(monkeypatch):
    int8_matmul_is_exact.cache_clear()
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    assert not int8_matmul_is_exact("cpu")
    int8_matmul_is_exact.cache_clear()


def test_an_int8_product_that_is_not_exact_is_no_faster(monkeypatch):
    monkeypatch.setattr(matmul, "int8_matmul_is_exact", lambda device: False)
    int8_speedup.cache_clear()
    assert int8_speedup(100) == 0.0
    int8_speedup.cache_clear()


def test_the_speed_of_int8_products_is_measured_once_for_each_depth(monkeypatch):
    monkeypatch.setattr(matmul, "int8_matmul_is_exact", lambda device: True)
    shapes = []
    monkeypatch.setattr(matmul, "int8_matmul", lambda left, right, out: shapes.append(left.shape[1]))
    int8_speedup.cache_clear()
    assert int8_speedup(100) == int8_speedup(100) > 1
    assert shapes == [112] * 3  # the least of three, in multiples of 16
    int8_speedup.cache_clear()


@pytest.mark.parametrize("rows", [[], [0, 0, 2], [1, 1, 1, 4, 4]])
def test_sampled_products_are_those_of_the_whole_product(rows):
    prepare_sampled_matmul()
    generator = torch.Generator().manual_seed(0)
    left, right = torch.rand(5, 300, generator=generator), torch.rand(7, 300, generator=generator)
    chosen = torch.tensor(rows, dtype=torch.int64)
    columns = torch.randint(0, 7, chosen.shape, generator=generator)
    expected = (left.double() @ right.double().T)[chosen, columns]
    torch.testing.assert_close(sampled_matmul(left, right, chosen, columns).double(), expected, rtol=1e-6, atol=0)
