"""The inference network: its gradient by hand, its range, what it is told by, and that it goes on and is shared out."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import SHORT, lit_gan, metrics, the_run
from inference_cases import Images, Linear, Scale, checkpointed, joint, on_both, small
from ranks import on_ranks
from tiny_gan import sgd, trainer
from torch import Tensor

from lit_gan import GAN, InferenceNetwork
from lit_gan.callbacks import InferenceEvaluation
from lit_gan.data import NoData
from lit_gan.errors import UserError
from lit_gan.extensions.held_out_pairs import HeldOutPairs
from lit_gan.latents import Latent, LatentTable, Normal, Spherical, Uniform
from lit_gan.networks import MLPDiscriminator, MLPEncoder, MLPGenerator
from lit_gan.sharding import Share

# -- Mathematics -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_round_descends_the_latent_and_the_image_term_through_the_frozen_generator(weight: float) -> None:
    """E(x) = w x and G(z) = 2 z: the terms are (1 - 2 w)^2 E z^2 and (1 - 2 w)^2 E x^2; both by hand."""
    module = small(image_weight=weight)
    run = trainer(max_steps=1)
    run.fit(module, Images())
    z = module.draw_latents(8, "training", 0, 0)
    x = next(iter(Images())).flatten(1)
    error = 1 - 2 * torch.tensor(0.1).double()
    gradient = -4 * error * (z.square().mean() + weight * x.square().mean())
    assert module.encoder.w.item() == pytest.approx(float(torch.tensor(0.1).double() - 0.1 * gradient), abs=1e-14)
    assert module.generator.scale.item() == 2
    assert run.callback_metrics["train/loss_e"].item() == pytest.approx(
        float(error**2 * (z.square().mean() + weight * x.square().mean())), rel=1e-6
    )


def test_an_exact_inverse_has_r2_one_and_reconstructs_without_error() -> None:
    module = small(optimizer_e=sgd(0.0))
    with torch.no_grad():
        module.encoder.w.fill_(0.5)
    found = trainer().validate(module, Images(rounds=1), verbose=False)[0]
    assert found["val/latent_r2"] == pytest.approx(1, abs=1e-12)
    assert found["val/reconstruction_error"] == pytest.approx(0, abs=1e-12)


def test_r2_is_one_minus_the_error_over_the_variance_of_the_latent() -> None:
    latent = Uniform(3, low=-1, high=5)
    tables = [LatentTable(latent, torch.float64, 0, purpose) for purpose in ("val", "variance")]
    held_out = HeldOutPairs(Share(), *tables, torch.device("cpu"))
    for rows in (40, 2):
        z = held_out.take(rows)
        held_out.update_latents(z, z + 0.5)
    variance = float(tables[1].rows(range(10_000)).var(dim=0).mean())
    assert variance == pytest.approx(3, rel=0.02)
    assert held_out.means(images=False)["latent_r2"].compute().item() == pytest.approx(1 - 0.25 / variance, abs=1e-12)


@pytest.mark.parametrize("latent", [Uniform(4), Uniform(4, low=2, high=3), Normal(4), Spherical(4)])
def test_what_is_inferred_lies_where_the_prior_does(latent: Latent) -> None:
    generator = MLPGenerator((1, 2, 2), latent_size=4, hidden=())
    module = InferenceNetwork(MLPEncoder((1, 2, 2), latent_size=4, hidden=()), generator, latent)
    z = module.encode(100 * torch.randn(50, 1, 2, 2))
    if isinstance(latent, Uniform):
        assert latent.low <= z.min() < z.max() <= latent.high
    elif isinstance(latent, Spherical):
        assert torch.allclose(z.norm(dim=1), torch.tensor(2.0))
    else:
        assert z.abs().max() > 5


def test_the_generator_stays_in_evaluation_mode() -> None:
    generator = MLPGenerator((1, 2, 2), latent_size=4, hidden=(8,), batch_norm=True, dropout_keep=0.5)
    module = InferenceNetwork(MLPEncoder((1, 2, 2), latent_size=4, hidden=(8,)), generator)
    statistics = generator.hidden[1].running_mean.clone()
    trainer(max_steps=2, precision="32-true").fit(module, NoData((1, 2, 2), batch_size=5))
    assert module.train().encoder.training
    assert not any(part.training for part in generator.modules())
    assert torch.equal(generator.hidden[1].running_mean, statistics)


def test_it_learns_without_data() -> None:
    module = small()
    data = NoData((1, 1, 2), num_train=1000, num_held_out=50, batch_size=50)
    run = trainer(max_epochs=2)
    run.fit(module, data)
    assert run.global_step == 40
    assert module.encoder.w.item() == pytest.approx(0.5, abs=1e-3)
    assert run.callback_metrics["val/latent_r2"] == pytest.approx(1, abs=1e-4)
    assert "val/reconstruction_error" not in run.callback_metrics


# -- Going on, and sharing out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [small, joint])
def test_resumed_in_an_epoch_it_goes_on_to_the_same_bits(tmp_path: Path, build: Any) -> None:
    whole = checkpointed(tmp_path / "whole", 8, build).state_dict()
    checkpointed(tmp_path / "stopped", 4, build)
    last = tmp_path / "stopped" / "last.ckpt"
    gone_on = checkpointed(tmp_path / "on", 8, build, ckpt_path=last, weights_only=True).state_dict()
    assert all(torch.equal(gone_on[name], whole[name]) for name in whole)


@pytest.mark.slow
def test_two_ranks_equal_one_process(tmp_path: Path) -> None:
    alone = on_both(None)
    for rank in on_ranks(on_both, 2, tmp_path):
        assert (
            rank.keys()
            == alone.keys()
            >= {"weight", "discriminator.a", "generator.scale", "val/latent_r2", "val/reconstruction_error"}
        )
        for name, value in alone.items():
            assert rank[name].item() == pytest.approx(value.item(), abs=1e-12)


# -- From the checkpoint of a GAN, and from its own -------------------------------------------------------------------

_ENCODER = ("--model.init_args.encoder.init_args.hidden=[8]", "--data.init_args.batch_size=300")
_SMALL = ("--config=digits_inference", *SHORT, *_ENCODER, "--trainer.max_epochs=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quickstart of a round with its average of G, and an inference network on it."""
    folder = tmp_path_factory.mktemp("inference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert lit_gan("fit", "--config=quickstart", *SHORT, "--trainer.max_steps=3").code == 0
        ending = lit_gan("fit", *_SMALL)
        assert (ending.code, ending.err) == (0, "")
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_stands_on_the_newest_run_as_it_is_shown(place: Path) -> None:
    run = next((place / "runs/quickstart").iterdir())
    gan = GAN.load_from_checkpoint(run)
    inference = InferenceNetwork.load_from_checkpoint(next((place / "runs/digits_inference").iterdir()))
    assert gan.generator_average is not None
    assert torch.equal(inference.sample(5, rng=0), gan.sample(5, rng=0))


def test_its_checkpoint_needs_no_other_file(place: Path) -> None:
    run = next((place / "runs/digits_inference").iterdir())
    expected = InferenceNetwork.load_from_checkpoint(run).sample(4, rng=0)
    shutil.rmtree("runs/quickstart")
    ending = lit_gan("sample", run, "--num=4", "--out=grid.pt")
    assert (ending.code, ending.err) == (0, "")
    assert torch.equal(torch.load("grid.pt", weights_only=True), expected)
    ending = lit_gan("test", run, "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false")
    assert (ending.code, ending.err) == (0, "")
    names = {
        *("latent_r2", "reconstruction_error", "reconstruction_error_pca", "reconstruction_error_nearest_sample"),
        *("nearest_neighbour_accuracy", "nearest_neighbour_accuracy_pixels"),
    }
    assert {f"test/{name}" for name in names} <= set(metrics(run)[-1])


def test_a_run_draws_what_it_makes_of_held_out_images(place: Path) -> None:
    run = next((place / "runs/digits_inference").iterdir())
    assert [path.name for path in sorted((run / "samples").glob("re*.png"))] == [
        *("real-interpolation-000008.png", "reconstruction-000008.png"),
    ]


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    way = "train a GAN first, as by `lit-gan fit --config quickstart`, and give its run folder: --model.init_args."
    assert f"generator_checkpoint = runs/quickstart does not exist: {way}" in lit_gan("fit", *_SMALL).line
    Path("runs/quickstart/x").mkdir(parents=True)
    assert (
        f"generator_checkpoint = runs/quickstart holds no run with a checkpoint: {way}" in lit_gan("fit", *_SMALL).line
    )
    line = lit_gan("fit", *_SMALL, "--model.init_args.generator_checkpoint=null").line
    assert f"an InferenceNetwork needs a finished generator: {way}" in line


@pytest.mark.slow
def test_the_checkpoint_of_a_conditional_gan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lit_gan("fit", "--config=quickstart_conditional", *SHORT, "--trainer.max_steps=1").code == 0
    line = lit_gan("fit", *_SMALL, "--model.init_args.generator_checkpoint", the_run()).line
    assert "holds a ConditionalGAN, whose samples are not G(z) alone: expected a GAN without a condition" in line


# -- What cannot be ----------------------------------------------------------------------------------------------------


class Coin(Latent):
    """-1 or 1."""

    def draw(self, shape: tuple[int, int], generator: Any, dtype: Any) -> Tensor:
        return torch.randint(2, shape, generator=generator).to(dtype or torch.float32) * 2 - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent": Coin(2)}, r"the latent Coin has no inverse: .* expected Uniform, Normal, Truncated"),
        ({"image_weight": -1.0}, r"^image_weight = -1.0: expected 0 \(no image term\) or more"),
        ({"latent_weight": -1.0}, r"^latent_weight = -1.0: expected 0 \(no latent term\) or more"),
        ({"optimizer_g": sgd(0.1)}, r"^optimizer_g without a discriminator: expected one of pairs \(x, z\)"),
        (
            {"discriminator": MLPDiscriminator((1, 1, 2), (3,), condition_size=3)},
            r"^the discriminator's condition_size = 3 but the generator's latent_size = 2: expected the same number",
        ),
        ({"clip_e": -1.0}, r"^clip_e = -1.0: expected a positive norm"),
    ],
)
def test_what_cannot_be_built_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        small(**arguments)


def test_an_encoder_of_another_size_is_told() -> None:
    with pytest.raises(UserError, match=r"^the encoder's latent_size = 3 but the generator's latent_size = 2"):
        InferenceNetwork(MLPEncoder((1, 1, 2), latent_size=3), Scale())
    with pytest.raises(UserError, match=r"^the encoder \(.*_Flat\) gives a tensor \(16,\) .* for 8 images: expected"):
        trainer(max_steps=1).fit(InferenceNetwork(_Flat(), Scale()), Images())


class _Flat(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten()


def test_an_image_term_without_images_is_told() -> None:
    with pytest.raises(UserError, match=r"^image_weight = 0.5 needs real images, and the data have none"):
        trainer(max_steps=1).fit(small(image_weight=0.5), NoData((1, 1, 2)))


@pytest.mark.parametrize("name", ["num_images", "steps", "every_n_rounds"])
def test_an_evaluation_that_cannot_be_is_told(name: str) -> None:
    with pytest.raises(UserError, match=rf"^InferenceEvaluation {name} = -1: expected at least"):
        InferenceEvaluation(**{name: -1})
