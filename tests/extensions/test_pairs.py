"""The joint variant of the inference network: who moves, by whose gradient, and what is told."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from inference_cases import Images, Linear, Pairs, Scale, joint, small
from tiny_gan import sgd, trainer

from lit_gan.data import NoData
from lit_gan.errors import UserError
from lit_gan.extensions.inference import InferenceNetwork
from lit_gan.networks import MLPDiscriminator, MLPEncoder, MLPGenerator


def test_each_descends_its_own_loss_in_its_turn_with_the_label_that_is_its_own() -> None:
    """D, then G, then E, one step each, against their formulas in float64."""
    module = joint(latent_weight=0.5, optimizer_e=sgd(0.1))
    d, g, e = Pairs().double(), Scale().double(), Linear().double()
    run = trainer(max_steps=1)
    run.fit(module, Images())
    x = next(iter(Images()))
    z = [module.draw_latents(8, "training", 0, turn) for turn in range(3)]

    def step(loss: torch.Tensor, *parameters: torch.nn.Parameter) -> float:
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.data -= 0.1 * gradient
        return loss.item()

    loss_d = step((F.softplus(-d(x, e(x))).mean() + F.softplus(d(g(z[1]), z[1])).mean()) / 2, d.a, d.b)
    loss_g = step(F.softplus(-d(g(z[2]), z[2])).mean(), g.scale)
    pair_error, latent_error = F.softplus(d(x, e(x))).mean(), F.mse_loss(e(g(z[0])), z[0])
    loss_e = step(pair_error + 0.5 * latent_error, e.w)
    for mine, expected in ((module.discriminator, d), (module.generator, g), (module.encoder, e)):
        for one, other in zip(mine.parameters(), expected.parameters(), strict=True):
            assert one.item() == pytest.approx(other.item(), abs=1e-14)
    logged = {name: run.callback_metrics[f"train/{name}"].item() for name in ("loss_d", "loss_g", "loss_e")}
    assert logged == pytest.approx({"loss_d": loss_d, "loss_g": loss_g, "loss_e": loss_e}, rel=1e-6)
    assert run.callback_metrics["train/pair_error"].item() == pytest.approx(pair_error.item(), rel=1e-6)


def test_without_an_optimiser_of_its_own_the_generator_stands_still() -> None:
    module = joint(optimizer_g=None)
    trainer(max_steps=3).fit(module, Images())
    assert list(module.players) == ["discriminator", "encoder"]
    assert module.generator.scale.item() == 2
    assert not module.train().generator.training
    assert joint().train().generator.training
    finished = Scale().eval().requires_grad_(False)  # as from a checkpoint
    learning = InferenceNetwork(Linear(), finished, discriminator=Pairs(), optimizer_g=sgd(0.1))
    assert learning.generator.training
    assert learning.generator.scale.requires_grad


def test_the_pairs_alone_find_the_inverse() -> None:
    """With x ~ N(0, 1) and G(z) = z the one E with D blind everywhere is the identity; D is a small network here."""
    torch.manual_seed(0)
    generator = Scale()
    generator.scale.data.fill_(1)
    module = InferenceNetwork(
        Linear(0.1),
        generator,
        latent=small().latent,
        latent_weight=0,
        discriminator=MLPDiscriminator((1, 1, 2), (32,), condition_size=2),
        optimizer_d=lambda parameters: torch.optim.Adam(parameters, 0.02),
        optimizer_e=sgd(0.05),
    )
    trainer(max_steps=150).fit(module, Images(rounds=150))
    assert module.encoder.w.item() == pytest.approx(1, abs=0.15)


def test_a_game_of_pairs_without_images_is_told() -> None:
    with pytest.raises(UserError, match=r"^the discriminator needs real images, and the data have none: give a data"):
        trainer(max_steps=1).fit(joint(), NoData((1, 1, 2)))


def test_the_packages_networks_play_it() -> None:
    module = InferenceNetwork(
        MLPEncoder((1, 1, 2), latent_size=4, hidden=(8,)),
        MLPGenerator((1, 1, 2), latent_size=4, hidden=(8,), batch_norm=True),
        discriminator=MLPDiscriminator((1, 1, 2), (8,), condition_size=4),
    )
    before = [parameter.clone() for parameter in module.encoder.parameters()]
    trainer(max_steps=1).fit(module, Bright())
    assert any(not torch.equal(one, other) for one, other in zip(before, module.encoder.parameters(), strict=True))


class Bright(Images):
    """Images in (0, 1)."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (batch.sigmoid() for batch in super().__iter__())
