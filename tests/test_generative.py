"""Sampling: ranges, seeds, averages, and what a checkpoint keeps beside the weights."""

from typing import Any

import pytest
import torch
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, trainer
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.latents import Normal


class Doubling(nn.Module):
    """A generator whose samples are twice its latents, in a range of its own."""

    latent_size = 2
    output_range = (-4.0, 4.0)

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, z: Tensor) -> Tensor:
        return (self.factor * z)[:, None, None, :]


def test_samples_are_in_the_range_for_showing() -> None:
    gan = GAN(Doubling(), nn.Linear(2, 1))
    shown, data = gan.sample(5, rng=3), gan.sample_data(5, rng=3)
    assert shown.shape == (5, 1, 1, 2)
    torch.testing.assert_close(shown, (data + 4) / 8)


def test_equal_seeds_give_equal_samples_and_a_generator_moves_on() -> None:
    gan = linear_gan()
    assert torch.equal(gan.sample(4, rng=1), gan.sample(4, rng=1))
    assert not torch.equal(gan.sample(4, rng=1), gan.sample(4, rng=2))
    rng = torch.Generator().manual_seed(0)
    assert not torch.equal(gan.sample(4, rng=rng), gan.sample(4, rng=rng))


def test_without_a_seed_the_global_generator_decides() -> None:
    gan = linear_gan()
    torch.manual_seed(5)
    first = gan.sample(4)
    assert not torch.equal(first, gan.sample(4))
    torch.manual_seed(5)
    assert torch.equal(first, gan.sample(4))


def test_sampling_leaves_training_as_it_was() -> None:
    class Dropping(Doubling):
        def forward(self, z: Tensor) -> Tensor:
            return nn.functional.dropout(super().forward(z), 0.5, training=self.training)

    gan = GAN(Dropping(), nn.Linear(2, 1)).train()
    samples = gan.sample_data(50, rng=0)
    assert bool((samples != 0).all())  # dropout was off
    assert gan.generator.training
    assert not samples.requires_grad


def test_parts_that_are_kept_in_evaluation_mode_stay_there() -> None:
    gan = linear_gan()
    gan.generator.frozen = torch.nn.BatchNorm1d(1).eval()
    gan.sample(3)
    assert gan.generator.training
    assert not gan.generator.frozen.training


def test_many_samples_pass_in_pieces_with_the_same_result() -> None:
    gan = linear_gan()
    whole = gan.sample_data(2500, rng=7)
    z = gan.latent.sample(2500, generator=torch.Generator().manual_seed(7))
    assert torch.equal(whole, gan(z).detach())


def test_conditions_are_chosen_once_for_all_samples_and_one_each() -> None:
    class Conditional(GAN):
        def sample_condition(self, num: int) -> Tensor:
            return torch.arange(num)

        def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
            return condition[:, None, None, None].float()

    gan = linear_gan(Conditional)
    assert torch.equal(gan.sample_data(2500).flatten(), torch.arange(2500).float())
    assert torch.equal(gan(torch.zeros(3, 1)).flatten(), torch.arange(3).float())
    with pytest.raises(UserError, match=r"condition has 2 rows: expected one for each of the num = 3 samples"):
        gan.sample(3, condition=torch.zeros(2))


def test_no_samples_are_an_error() -> None:
    with pytest.raises(UserError, match="num = 0: expected at least 1 sample"):
        linear_gan().sample(0)


def test_average_is_sampled_with_and_never_trained_on() -> None:
    gan = linear_gan()
    trained = gan.generator.a.detach().clone()
    gan.generator_average = {"a": torch.tensor(0.0), "b": torch.tensor(5.0)}
    torch.testing.assert_close(gan.sample_data(3, rng=0), torch.full((3, 1, 1, 1), 5.0))
    assert torch.equal(gan.generator.a.detach(), trained)
    assert float(gan.generator_average["b"]) == 5.0
    with pytest.raises(RuntimeError, match="inside"), gan.averaged():
        raise RuntimeError("inside")
    assert torch.equal(gan.generator.a.detach(), trained)


def test_a_checkpoint_keeps_seed_range_and_average(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "17")
    gan = linear_gan()
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(8), 8))
    gan.value_range = (-2.0, 2.0)
    gan.generator_average = {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}
    run.save_checkpoint(tmp_path / "gan.ckpt")
    monkeypatch.delenv("PL_GLOBAL_SEED")
    loaded = GAN.load_from_checkpoint(
        tmp_path / "gan.ckpt", generator=LinearGenerator(), discriminator=LinearDiscriminator()
    )
    assert loaded.seed == 17
    assert loaded.value_range == (-2.0, 2.0)
    assert {name: float(value) for name, value in loaded.generator_average.items()} == {"a": 1.0, "b": 2.0}
    assert torch.equal(loaded.generator.a, gan.generator.a)


def test_without_a_seed_one_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    gan = linear_gan()
    first = gan.seed
    torch.manual_seed(first + 1)
    assert gan.seed == first


class Beginner(LinearGenerator):
    """Notes how often it was told to begin."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0

    def begin_training(self, pixel_means: Any) -> None:
        self.begun += 1


def test_a_run_begins_once_and_not_when_it_is_resumed_or_loaded(tmp_path: Any) -> None:
    gan = GAN(Beginner(), LinearDiscriminator())
    run = trainer(max_epochs=1)
    run.fit(gan, loader(examples(8), 8))
    assert gan.generator.begun == 1
    run.save_checkpoint(tmp_path / "gan.ckpt")
    resumed = GAN(Beginner(), LinearDiscriminator())
    trainer(max_epochs=2).fit(resumed, loader(examples(8), 8), ckpt_path=tmp_path / "gan.ckpt", weights_only=True)
    assert resumed.generator.begun == 0
    loaded = GAN.load_from_checkpoint(tmp_path / "gan.ckpt", generator=Beginner(), discriminator=LinearDiscriminator())
    trainer(max_epochs=1).fit(loaded, loader(examples(8), 8))
    assert loaded.generator.begun == 0


def test_pixel_means_are_asked_of_the_data_module() -> None:
    class Asking(LinearGenerator):
        def begin_training(self, pixel_means: Any) -> None:
            pixel_means()

    gan = GAN(Asking(), LinearDiscriminator())
    with pytest.raises(UserError, match=r"pixel_mean_bias needs the data's pixel means: expected a data module"):
        trainer(max_steps=1).fit(gan, loader(examples(8), 8))


def test_prediction_is_a_function_of_the_batchs_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    gan = linear_gan()
    first = trainer().predict(gan, loader(examples(6), 3))
    again = trainer().predict(gan, loader(examples(6), 3))
    assert [piece.shape[0] for piece in first] == [3, 3]
    assert not torch.equal(first[0], first[1])
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_a_latent_without_a_size_takes_the_generators_and_stays_as_it_was() -> None:
    latent = Normal()
    gan = linear_gan(latent=latent)
    assert gan.latent.size == 1
    assert isinstance(gan.latent, Normal)
    with pytest.raises(UserError, match="Normal: expected a size, since no GAN has given it its generator's"):
        _ = latent.size
