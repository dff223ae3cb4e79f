"""Feature matching: the loss, what G's turn is shown, and what a D without features is told."""

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn

from lit_gan.coordination import FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.objectives import FeatureMatching, NonSaturating

SHAPE = (1, 2, 2)


def matching_gan(**kwargs: object) -> GAN:
    torch.manual_seed(0)
    discriminator = MaxoutDiscriminator(SHAPE, (5,), weight_init=1.0, input_keep=1, hidden_keep=1)
    generator = MLPGenerator(SHAPE, 3, (4,), weight_init=1.0)
    return Recording(generator, discriminator, objective=FeatureMatching(), **kwargs)


class Recording(GAN):
    """Keeps G's turn."""

    def auxiliary_loss(self, turn: Turn) -> Tensor | None:
        if turn.player == "generator":
            self.seen = turn
        return None


def test_the_loss_is_the_squared_distance_of_the_means_over_the_columns() -> None:
    fake, real = (torch.randn(rows, 3, dtype=torch.float64) for rows in (5, 4))
    expected = ((fake.mean(0) - real.mean(0)) ** 2).sum() / 3
    torch.testing.assert_close(FeatureMatching().loss_g(fake, real), expected)
    logits = torch.randn(4, 1), torch.randn(4, 1)
    assert FeatureMatching().loss_d(*logits) == NonSaturating().loss_d(*logits)


def test_g_is_shown_the_features_of_its_samples_and_of_a_fresh_minibatch() -> None:
    gan, x = matching_gan(coordination=FixedSteps(2)), torch.rand(12, *SHAPE, dtype=torch.float64)
    assert gan.minibatches_per_round == 3
    trainer(max_steps=1, precision="64-true").fit(gan, loader(x, batch_size=12))
    turn = gan.seen
    assert torch.equal(turn.x, x[8:])
    assert turn.number == 2
    assert turn.fake_logits.shape == turn.real_logits.shape == (4, 5)
    torch.testing.assert_close(turn.real_logits, gan.discriminator.features(x[8:]).detach())
    assert not turn.real_logits.requires_grad
    loss = ((turn.fake_logits.mean(0) - turn.real_logits.mean(0)) ** 2).mean()
    assert gan.trainer.callback_metrics["train/loss_g"].item() == pytest.approx(loss.item(), rel=1e-12)


def test_held_out_examples_have_no_loss_of_g() -> None:
    gan, x = matching_gan(), torch.rand(12, *SHAPE, dtype=torch.float64)
    logged = trainer().validate(gan, loader(x, batch_size=6), verbose=False)[0]
    assert "val/loss_g" not in logged
    assert {"val/loss_d", "val/value", "val/d_real"} <= logged.keys()


def test_g_moves_in_32_bits_whatever_the_precision() -> None:
    gan, x = matching_gan(), torch.rand(12, *SHAPE)
    trainer(max_steps=1, precision="bf16-mixed").fit(gan, loader(x, batch_size=12))
    assert gan.seen.generated.dtype == gan.seen.fake_logits.dtype == torch.float32
    assert torch.equal(gan.seen.real_logits, gan.discriminator.features(x[6:]).detach())


def test_a_d_without_features_is_told() -> None:
    gan = linear_gan(objective=FeatureMatching())
    message = r"^the objective matches features, and the discriminator \(LinearDiscriminator\) has no method features"
    with pytest.raises(UserError, match=message):
        trainer(max_steps=1).fit(gan, loader(examples(12), batch_size=12))


def test_features_that_mix_rows_are_told() -> None:
    class Mean(MaxoutDiscriminator):
        def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
            return super().features(x).mean(0)

        def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
            return x.flatten(1)[:, :1] * self.output.bias

    gan = GAN(MLPGenerator(SHAPE, 3, (4,)), Mean(SHAPE, (5,)), objective=FeatureMatching())
    with pytest.raises(UserError, match=r"^features of the discriminator \(.*Mean\) gives .* 6 rows, \(N, F\)"):
        trainer(max_steps=1, precision="32-true").fit(gan, loader(torch.rand(12, *SHAPE), batch_size=12))


def test_a_d_that_begins_with_images_asks_for_a_data_module_that_has_them() -> None:
    class Beginning(nn.Linear):
        def begin_training(self, images: object) -> None:
            images(5)  # type: ignore[operator]

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(1))

    gan = GAN(MLPGenerator(SHAPE, 3, (4,)), Beginning(4, 1))
    with pytest.raises(UserError, match=r"^the discriminator begins its training with images of the data set"):
        trainer(max_steps=1, precision="32-true").fit(gan, loader(torch.rand(6, *SHAPE), batch_size=6))
