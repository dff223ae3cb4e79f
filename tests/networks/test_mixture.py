"""The mixture whose centres learn: independent components and noise, the formula, gradients, a resume to the bit."""

from pathlib import Path

import pytest
import torch
from tiny_gan import sgd, trainer
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.callbacks import GeneratorEMA
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.latents import Normal
from lit_gan.networks import MixtureMLPGenerator, MLPDiscriminator, MLPGenerator

SHAPE = (1, 2, 2)


def _generator(num_components: int = 3) -> MixtureMLPGenerator:
    torch.manual_seed(0)
    return MixtureMLPGenerator(SHAPE, 2, num_components, hidden=(5,), weight_init=0.5, batch_norm=True)


@pytest.mark.parametrize("num", [1, 7])
def test_components_have_equal_shares_and_the_noise_is_standard_normal_in_each(num: int) -> None:
    z = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    component, noise = _generator(num).components(z)
    for k in range(num):
        of_k = noise[component == k]
        assert len(of_k) / len(z) == pytest.approx(1 / num, rel=0.03)
        assert of_k.mean(0).tolist() == pytest.approx([0, 0], abs=0.03)
        assert of_k.var(0).tolist() == pytest.approx([1, 1], abs=0.03)
        assert of_k.quantile(torch.tensor([0.1, 0.9]).double(), dim=0)[:, 0].tolist() == pytest.approx(
            [-1.2816, 1.2816], abs=0.04
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_latent_is_infinite_however_far_out_it_lies(dtype: torch.dtype) -> None:
    z = torch.tensor([[-40.0, 0.0], [40.0, 0.0], [0.0, 0.0]], dtype=dtype)
    component, noise = _generator(2).components(z)
    assert component.tolist() == [0, 1, 1]
    assert noise.isfinite().all()


def test_it_is_the_same_network_on_centre_and_noise() -> None:
    mixed, plain = _generator().eval(), MLPGenerator(SHAPE, 2, (5,), batch_norm=True).eval()
    weights = {name: value for name, value in mixed.state_dict().items() if name != "centres"}
    plain.load_state_dict(weights)
    z = torch.randn(50, 2)
    component, noise = mixed.components(z)
    assert set(component.tolist()) == {0, 1, 2}
    assert mixed.centres.abs().max() <= 1
    torch.testing.assert_close(mixed(z), plain(mixed.centres[component] + 0.2 * noise))


def test_gradients_reach_the_centres_that_were_drawn_and_no_others() -> None:
    generator = _generator().eval()
    generator(torch.tensor([[-3.0, 0.5], [3.0, -1.0]])).square().sum().backward()
    assert [bool(gradient.any()) for gradient in generator.centres.grad] == [True, False, True]


def test_centres_learn_are_averaged_and_go_on_to_the_same_bits(tmp_path: Path) -> None:
    def gan() -> GAN:
        return GAN(_generator(), MLPDiscriminator(SHAPE, (4,)), Normal(), optimizer_g=sgd(), optimizer_d=sgd())

    images = torch.rand(24, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    data = DataLoader(TensorDataset(images), batch_size=8)
    whole, resumed = gan(), gan()
    start = whole.generator.centres.detach().double()
    trainer(max_epochs=2, callbacks=[GeneratorEMA()]).fit(whole, data)
    first = trainer(max_epochs=1, callbacks=[GeneratorEMA()])
    first.fit(gan(), data)
    first.save_checkpoint(tmp_path / "half.ckpt")
    trainer(max_epochs=2, callbacks=[GeneratorEMA()]).fit(
        resumed, data, ckpt_path=tmp_path / "half.ckpt", weights_only=True
    )
    assert (whole.generator.centres - start).abs().min() > 0
    assert "centres" in whole.generator_average
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_components": 0}, r"^num_components = 0: expected .* at least 1"),
        ({"component_std": 0.0}, r"^component_std = 0.0: expected a positive number"),
    ],
)
def test_what_cannot_be_is_told(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MixtureMLPGenerator(SHAPE, 2, **arguments)
