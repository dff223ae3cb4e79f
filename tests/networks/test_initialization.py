import time

import pytest
import torch
from torch import nn

from lit_gan.errors import UserError
from lit_gan.networks import KaimingWeights, MLPGenerator, NormalWeights, SparseWeights, UniformWeights, WeightInit
from lit_gan.networks.initialization import as_weight_init

INITS = [UniformWeights(0.05), NormalWeights(0.02), KaimingWeights(0.2), SparseWeights(nonzeros=3)]


def test_uniform_weights_fill_their_interval_evenly() -> None:
    weight = torch.empty(300, 400)
    UniformWeights(0.05)(weight)
    assert weight.abs().max() <= 0.05
    counts = torch.histc(weight, bins=10, min=-0.05, max=0.05)
    torch.testing.assert_close(counts, torch.full((10,), 12_000.0), rtol=0.05, atol=0)


def test_normal_weights_have_the_moments_asked_for() -> None:
    weight = torch.empty(300, 400)
    NormalWeights(std=0.5)(weight)
    torch.testing.assert_close(weight.mean().item(), 0.0, rtol=0, atol=0.01)
    torch.testing.assert_close(weight.std().item(), 0.5, rtol=0.01, atol=0)
    torch.testing.assert_close((weight.abs() < 0.5).float().mean().item(), 0.6827, rtol=0, atol=0.01)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5, 5)])
def test_kaiming_weights_are_torchs(slope: float, shape: tuple[int, ...]) -> None:
    weight, expected = torch.empty(shape), torch.empty(shape)
    torch.manual_seed(3)
    KaimingWeights(negative_slope=slope)(weight)
    torch.manual_seed(3)
    nn.init.kaiming_normal_(expected, a=slope)
    torch.testing.assert_close(weight, expected)


def test_sparse_weights_are_as_many_per_unit_as_asked_for_and_normal() -> None:
    weight = torch.full((500, 200), 7.0)
    SparseWeights(nonzeros=40, std=2.0)(weight)
    assert weight.count_nonzero(dim=1).tolist() == [40] * 500
    torch.testing.assert_close(weight[weight != 0].std().item(), 2.0, rtol=0.03, atol=0)


def test_sparse_weights_choose_every_place_equally_often() -> None:
    weight = torch.empty(20_000, 10)
    SparseWeights(nonzeros=3)(weight)
    torch.testing.assert_close((weight != 0).double().mean(0), torch.full((10,), 0.3).double(), rtol=0.05, atol=0)


def test_sparse_weights_count_the_whole_kernel_of_a_convolution() -> None:
    weight = torch.empty(6, 2, 5, 5)
    SparseWeights(nonzeros=9)(weight)
    assert weight.flatten(1).count_nonzero(dim=1).tolist() == [9] * 6


def test_sparse_weights_take_all_inputs_if_asked_to() -> None:
    weight = torch.zeros(4, 6)
    SparseWeights(nonzeros=6)(weight)
    assert weight.count_nonzero() == 24


def test_the_tfd_output_layer_is_drawn_in_seconds() -> None:
    weight = torch.empty(2304, 8000)
    start = time.perf_counter()
    SparseWeights()(weight)
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize("init", INITS, ids=repr)
def test_the_global_seed_decides_the_draw(init: WeightInit) -> None:
    first, again, other = torch.empty(3, 4, 5).unbind()
    for weight, seed in ((first, 1), (again, 1), (other, 2)):
        torch.manual_seed(seed)
        init(weight)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("init", INITS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_fills_any_dtype_and_the_meta_device(init: WeightInit, dtype: torch.dtype) -> None:
    weight = torch.full((3, 4), torch.nan, dtype=dtype)
    init(weight)
    assert not weight.isnan().any()
    init(torch.empty(3, 4, dtype=dtype, device="meta"))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: UniformWeights(-0.1), r"range = -0\.1: expected a finite number of at least 0"),
        (lambda: UniformWeights(float("nan")), r"range = nan: expected a finite"),
        (lambda: NormalWeights(-1), r"std = -1: expected a finite number of at least 0"),
        (lambda: KaimingWeights(-1), r"negative_slope = -1: expected a finite number of at least 0"),
        (lambda: SparseWeights(nonzeros=0), r"nonzeros = 0: expected a whole number of at least 1"),
        (lambda: SparseWeights(std=float("inf")), r"std = inf: expected a finite"),
        (lambda: as_weight_init("weight_init", -0.05), r"weight_init = -0\.05: expected a finite number of at least 0"),
        (lambda: as_weight_init("weight_init", "0.05"), r"weight_init = '0\.05': expected a finite number"),
        (lambda: SparseWeights(nonzeros=7)(torch.empty(2, 6)), r"nonzeros = 7: expected at most 6, the inputs of each"),
    ],
)
def test_refuses_what_is_out_of_range(build, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build()


def test_a_user_can_bring_an_initialiser() -> None:
    class Orthogonal(WeightInit):
        def __call__(self, weight: torch.Tensor) -> None:
            nn.init.orthogonal_(weight)

    generator = MLPGenerator((1, 2, 2), latent_size=4, hidden=(4,), weight_init=Orthogonal())
    weight = generator.output.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(4), atol=1e-5, rtol=0)
