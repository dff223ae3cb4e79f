"""Batch-norm statistics that belong to the average of G: taken before it is used, and training notices nothing."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from labelled import Labelled
from lightning.pytorch import Callback
from tiny_gan import sgd, trainer
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.callbacks.ema import GeneratorEMA
from lit_gan.engine.batch_norm import batch_norms
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.extensions.masks import MaskMixture
from lit_gan.gan import GAN
from lit_gan.networks import DCGANGenerator, MaxoutDiscriminator, MLPDiscriminator, MLPGenerator

SHAPE = (1, 4, 4)


class Maps(nn.Module):
    """Everything that a generator may keep in buffers: statistics of maps, power iteration, a count."""

    latent_size = 4
    output_range = (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Linear(4, 16)), nn.Unflatten(1, (4, 2, 2)), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)
        )
        self.last = nn.ConvTranspose2d(4, 1, 2, 2)
        self.register_buffer("calls", torch.tensor(0.0))

    def forward(self, z: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return torch.sigmoid(self.last(self.layers(z)))


def _dense(**kwargs: Any) -> MLPGenerator:
    return MLPGenerator(SHAPE, 4, (6, 5), weight_init=0.5, batch_norm=True, dropout_keep=0.7, **kwargs)


def _dcgan() -> DCGANGenerator:
    return DCGANGenerator(SHAPE, 4, [6, 5], output_activation="sigmoid", spectral_norm=True)


def _gan(build: Callable[[], nn.Module] | None = None, cls: type[GAN] = GAN, **kwargs: Any) -> GAN:
    torch.manual_seed(0)
    generator = (build or _dense)()
    discriminator = MLPDiscriminator(SHAPE, (5,), batch_norm=True, condition_size=3 if "num_classes" in kwargs else 0)
    return cls(generator, discriminator, optimizer_g=sgd(), optimizer_d=sgd(), **kwargs)


def _data(batch_size: int = 8) -> DataLoader[Any]:
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(24, *SHAPE, generator=draw, dtype=torch.float64)
    return DataLoader(TensorDataset(images, torch.arange(24) % 3), batch_size=batch_size)


def _fit(gan: GAN, *callbacks: Callback, validate: bool = False, **kwargs: Any) -> Any:
    fit = trainer(callbacks=[GeneratorEMA(horizon=0.3), *callbacks], **{"max_epochs": 2, **kwargs})
    fit.fit(gan, _data(), _data() if validate else None)
    return fit


def _state(gan: GAN) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in gan.state_dict().items()}


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("generator", "rows"), [(_dense, 10_000), (Maps, 1_000), (_dcgan, 1_000)])
def test_samples_have_the_statistics_of_the_average_weights(generator: Any, rows: int) -> None:
    gan = _gan(generator)
    _fit(gan)
    alone = copy.deepcopy(gan.generator)
    alone.load_state_dict(gan.generator_average, strict=False)
    z = gan.latent_table("ema statistics").rows(range(rows))
    alone.eval()  # dropout, power iteration
    for norm in batch_norms(alone).values():
        norm.train().reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        for batch in z.split(100):
            alone(batch)
        expected = alone.eval()(z[:50])
        live = gan.generator.eval()(z[:50])
        gan.generator.train()
    torch.testing.assert_close(gan.decode(z[:50]), expected, rtol=1e-9, atol=1e-12)
    assert (live - expected).abs().max() > 1e-3
    for name, value in gan.average_statistics.items():
        torch.testing.assert_close(value, alone.state_dict()[name], rtol=1e-9, atol=1e-12)


class Asking(Callback):
    """Uses the average after every round in every way."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        z = torch.ones(8, 4, dtype=torch.float64, requires_grad=True)
        pl_module(z).sum().backward()
        with pl_module.averaged():
            pl_module.generator(z)
        before = torch.random.get_rng_state()
        pl_module.statistics_due = tuple(batch_norms(pl_module.generator))
        shown = pl_module.decode(z)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert torch.equal(pl_module.decode(z), shown)
        exported = pl_module.for_export()
        torch.testing.assert_close(exported(z), shown.to(exported.dtype))
        with torch.inference_mode():
            assert torch.equal(pl_module.decode(z), shown)


@pytest.mark.parametrize("generator", [_dense, Maps])
def test_whoever_asks_in_the_midst_of_training_does_not_disturb_it(generator: Any) -> None:
    asked, left_alone = _gan(generator), _gan(generator)
    _fit(asked, Asking(), validate=True)
    _fit(left_alone)
    assert _same(_state(asked), _state(left_alone))
    assert _same(asked.generator_average, left_alone.generator_average)
    z = torch.rand(5, 4, dtype=torch.float64)
    assert torch.equal(asked.decode(z), left_alone.decode(z))


class Counted(GAN):
    calls = 0

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        self.calls += 1
        return super().generate(z, condition)


def test_they_are_taken_once_per_use_and_round() -> None:
    gan = _gan(cls=Counted)
    _fit(gan)
    assert gan.calls == 2 * 3 * 2  # two players, three rounds, two epochs
    gan.sample(4)
    assert gan.calls == 12 + 100 + 1
    gan.sample(4)
    gan(torch.rand(2, 4, dtype=torch.float64))
    gan.on_save_checkpoint({})
    assert gan.calls == 12 + 100 + 3


def test_without_batch_norm_nothing_is_computed() -> None:
    gan = _gan(lambda: MLPGenerator(SHAPE, 4, (6,)), Counted)
    _fit(gan)
    gan.sample(4)
    assert gan.calls == 12 + 1
    assert gan.average_statistics == {}


def test_a_checkpoint_has_them_and_a_resumed_run_the_same_bits(tmp_path: Path) -> None:
    whole, first, resumed = _gan(), _gan(), _gan()
    _fit(whole)
    _fit(first, max_epochs=1).save_checkpoint(tmp_path / "half.ckpt")
    stored = torch.load(tmp_path / "half.ckpt", weights_only=True)["lit_gan"]
    names = [f"hidden.{i}.running_{kind}" for i in (1, 5) for kind in ("mean", "var")]
    assert list(stored["average_statistics"]) == names
    assert not any("running" in name for name in stored["generator_average"])
    z = torch.rand(5, 4, dtype=torch.float64)
    loaded = GAN.load_from_checkpoint(
        tmp_path / "half.ckpt",
        generator=_dense().double(),
        discriminator=MLPDiscriminator(SHAPE, (5,), batch_norm=True),
    )
    assert torch.equal(loaded.decode(z), first.decode(z))
    fit = trainer(max_epochs=2, callbacks=[GeneratorEMA(horizon=0.3)])
    fit.fit(resumed, _data(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert _same(_state(resumed), _state(whole))
    assert _same(resumed.generator_average, whole.generator_average)
    assert torch.equal(resumed.decode(z), whole.decode(z))


def test_a_checkpoint_without_them_samples_as_it_did(tmp_path: Path) -> None:
    gan = _gan()
    _fit(gan).save_checkpoint(tmp_path / "now.ckpt")
    content = torch.load(tmp_path / "now.ckpt", weights_only=True)
    del content["lit_gan"]["average_statistics"]
    torch.save(content, tmp_path / "before.ckpt")
    loaded = GAN.load_from_checkpoint(
        tmp_path / "before.ckpt",
        generator=_dense().double(),
        discriminator=MLPDiscriminator(SHAPE, (5,), batch_norm=True),
    )
    z = torch.rand(5, 4, dtype=torch.float64)
    alone = copy.deepcopy(gan.generator)
    alone.load_state_dict(gan.generator_average, strict=False)
    torch.testing.assert_close(loaded.decode(z), alone.eval()(z).detach())


def test_a_batch_norm_that_is_kept_in_evaluation_mode_keeps_its_statistics() -> None:
    class Frozen(MLPGenerator):
        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self.hidden[1].eval()
            return self

    gan = _gan(lambda: Frozen(SHAPE, 4, (6, 5), weight_init=0.5, batch_norm=True).train())
    _fit(gan)
    gan.sample(1)
    assert list(gan.average_statistics) == ["hidden.5.running_mean", "hidden.5.running_var"]
    with gan.averaged():
        assert torch.equal(gan.generator.hidden[1].running_mean, torch.zeros(6, dtype=torch.float64))


def test_each_batch_has_all_conditions() -> None:
    seen = []

    class Watched(ConditionalGAN):
        def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
            if len(z) == 100:
                seen.append(condition.bincount().tolist())
            return super().generate(z, condition)

    gan = _gan(partial(_dense, condition_size=3), Watched, num_classes=3)
    _fit(gan)
    gan.sample(3)
    assert len(seen) == 100
    assert {tuple(counts) for counts in seen} <= {(33, 33, 34), (33, 34, 33), (34, 33, 33)}


def test_where_the_data_alone_have_conditions_the_running_statistics_stay() -> None:
    class Given(GAN):
        def split_batch(self, batch: Any) -> Any:
            return batch[0], batch[1].to(self.dtype)[:, None]

        def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
            return self.discriminator(x)

    gan = _gan(partial(_dense, condition_size=1), Given)
    _fit(gan, validate=True)
    gan.decode(torch.rand(2, 4), torch.ones(2, 1, dtype=torch.float64))
    assert gan.average_statistics == {}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at it
@pytest.mark.parametrize("in_place", [False, True])
def test_a_compiled_generator_has_the_same(in_place: bool) -> None:
    def compiled() -> nn.Module:
        generator = _dense()
        if in_place:
            generator.compile(backend="eager")
        return generator if in_place else torch.compile(generator, backend="eager")

    plain, wrapped = _gan(), _gan(compiled)
    for gan in (plain, wrapped):
        _fit(gan, max_steps=1)
    z = torch.rand(5, 4, dtype=torch.float64)
    assert torch.equal(wrapped.decode(z), plain.decode(z))
    assert _same(wrapped.average_statistics, plain.average_statistics)


def test_the_average_is_given_with_them_and_gradients_flow() -> None:
    gan = _gan()
    _fit(gan, validate=True)
    gan.eval()
    z = torch.rand(5, 4, dtype=torch.float64, requires_grad=True)
    data = gan(z)
    assert torch.equal(data, gan.decode(z))
    data.sum().backward()
    assert z.grad.abs().sum() > 0
    with gan.averaged():
        torch.testing.assert_close(gan.generator(z), data)
    gan.float()
    assert gan.decode(z.float()).dtype == torch.float32


def test_a_generators_own_noise_is_a_function_of_the_seed_too() -> None:
    class Noisy(MLPGenerator):
        def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
            return super().forward(z + torch.randn_like(z))

    gan = _gan(lambda: Noisy(SHAPE, 4, (6,), batch_norm=True))
    _fit(gan)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        gan.statistics_due = ("hidden.1",)
        gan.sample(1, rng=0)
        found.append(gan.average_statistics["hidden.1.running_mean"])
    assert torch.equal(*found)


def test_the_maxout_discriminator_serves_as_well() -> None:
    gan = GAN(_dense(), MaxoutDiscriminator(SHAPE, (4,)), optimizer_g=sgd(), optimizer_d=sgd())
    _fit(gan, validate=True)
    assert torch.isfinite(gan.sample(3)).all()


def test_those_of_an_inpainting_gan_are_taken_under_masks_as_in_training_or_left_where_no_images_are_in_memory() -> (
    None
):
    def inpainting() -> InpaintingGAN:
        torch.manual_seed(0)
        generator = MLPGenerator(SHAPE, 4, (6,), batch_norm=True, condition_size=32, weight_init=0.5)
        return InpaintingGAN(
            generator,
            MLPDiscriminator(SHAPE, (5,), condition_size=16),
            masks=MaskMixture(pixels=0, boxes=0, stripes=0, nothing=0),
            optimizer_g=sgd(),
            optimizer_d=sgd(),
        )

    gan, data = inpainting(), Labelled(SHAPE)
    trainer(max_epochs=2, callbacks=[GeneratorEMA(horizon=0.3)]).fit(gan, data)
    masked = gan.statistics_condition(10_000)
    assert masked is not None
    assert torch.equal(masked[:80, 0], data.images("train")[:, 0].to(masked) * masked[:80, 1])
    assert masked[:, 1].mean() == 0.5  # halves
    with gan.averaged(), torch.no_grad():
        first, norm = gan.generator.hidden[0], gan.generator.hidden[1]
        rows = torch.cat([gan.latent_table("ema statistics").rows(range(10_000)), _in_turn(masked).flatten(1)], dim=1)
        torch.testing.assert_close(norm.running_mean, first(rows).mean(0))

    elsewhere = inpainting()
    trainer(max_epochs=1, callbacks=[GeneratorEMA(horizon=0.3)]).fit(elsewhere, _data())
    elsewhere.sample(2)
    assert elsewhere.average_statistics == {}


def _in_turn(rows: Tensor) -> Tensor:
    """In the order of a hundred batches that each have every hundredth row."""
    return torch.cat([rows[number::100] for number in range(100)])
