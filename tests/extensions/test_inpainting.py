"""The inpainting GAN: what stays, who is told of the mask, which masks come when; it goes on and is shared out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from inpainting_cases import SHAPE, HeldOut, Squares, checkpointed, on_both, small
from ranks import on_ranks
from tiny_gan import trainer
from torch import Tensor

from lit_gan.coordination import FixedSteps
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.extensions.masks import MaskMixture, named_mask


@pytest.mark.parametrize("name", ["left-half", "pixels", "nothing"])
def test_what_is_visible_stays_to_the_bit_and_what_is_hidden_is_not_looked_at(name: str) -> None:
    gan, mask = small(), named_mask(name, 4, 4)
    x, other = torch.rand(3, *SHAPE), torch.rand(3, *SHAPE)
    completed = gan.complete(x, mask, num=5, rng=0)
    assert completed.shape == (3, 5, *SHAPE)
    assert torch.equal(completed[..., mask > 0], x[:, None].expand_as(completed)[..., mask > 0])
    assert (completed.std(dim=1)[..., mask == 0] > 0).all()
    elsewhere = torch.where(mask > 0, x, other)
    assert torch.equal(gan.complete(elsewhere, mask, num=5, rng=0), completed)


def test_both_players_are_told_of_the_mask() -> None:
    gan = small().eval()
    x, mask, z = torch.rand(2, *SHAPE), named_mask("top-half", 4, 4), torch.randn(2, 3)
    condition = gan.visible(x, mask)
    told = torch.cat([(x * mask).flatten(1), mask.flatten().expand(2, -1)], dim=1)
    made = gan.generator(z, told)
    assert torch.equal(gan.generate(z, condition), torch.where(mask > 0, x, made))
    assert torch.equal(gan.discriminate(x, condition), gan.discriminator(x, mask.flatten().expand(2, -1)))


def test_without_anything_visible_it_samples_as_any_gan() -> None:
    gan = small()
    z = torch.randn(4, 3)
    assert torch.equal(gan.eval()(z), gan.generator(z, torch.zeros(4, 32)))
    assert gan.sample(4, rng=0).shape == (4, *SHAPE)


def test_gradients_reach_the_generator_by_hidden_pixels_alone() -> None:
    gan, mask = small(), named_mask("left-half", 4, 4)
    images = gan.generate(torch.randn(2, 3), gan.visible(torch.rand(2, *SHAPE), mask))
    grown = gan.generator.output.bias
    by_pixel = [torch.autograd.grad(pixel, grown, retain_graph=True)[0] for pixel in images.sum(0).flatten()]
    assert [bool(gradient.any()) for gradient in by_pixel] == [hidden == 0 for hidden in mask.flatten().tolist()]


def test_the_diversity_term_is_its_formula() -> None:
    gan = small(diversity_weight=0.5)
    x = torch.rand(6, *SHAPE)
    condition = gan.visible(x, named_mask("left-half", 4, 4))
    draws = lambda: torch.Generator().manual_seed(4)  # noqa: E731
    turn = Turn("generator", x, x, torch.zeros(6, 1), torch.zeros(6, 1), condition, draws=draws)
    generator = draws()
    one, other = (gan.latent.sample(6, generator=generator) for _ in range(2))
    difference = (gan.generate(one, condition) - gan.generate(other, condition)).abs().mean((1, 2, 3))
    expected = -0.5 * (difference / (one - other).abs().mean(1)).mean()
    assert gan.auxiliary_loss(turn).item() == pytest.approx(expected.item(), rel=1e-6)
    assert small().auxiliary_loss(turn) is None


def test_two_completions_of_a_row_are_its_own_whatever_the_micro_batches() -> None:
    ends = []
    for pieces in (1, 2):
        gan = small(diversity_weight=0.5, coordination=FixedSteps(2, micro_batches=pieces))
        trainer(max_steps=3).fit(gan, Squares())
        ends.append([weight.detach() for weight in gan.parameters()])
    for whole, in_pieces in zip(*ends, strict=True):
        torch.testing.assert_close(whole, in_pieces, rtol=1e-9, atol=1e-12)


# -- Which masks come when ---------------------------------------------------------------------------------------------


class Watched(InpaintingGAN):
    """Keeps the masks that D has seen."""

    def __init__(self, *arguments: Any, **kwargs: Any) -> None:
        super().__init__(*arguments, **kwargs)
        self.seen: list[Tensor] = []

    def discriminate(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        assert condition is not None
        self.seen.append(condition[: len(condition) // 2, -1])
        return super().discriminate(x, condition)


def test_masks_are_fresh_in_every_update_and_every_round() -> None:
    gan = small(Watched, coordination=FixedSteps(2))
    assert isinstance(gan, Watched)
    trainer(max_steps=3).fit(gan, Squares())
    turns = gan.seen[0::3] + gan.seen[1::3]
    assert len({tuple(masks.flatten().tolist()) for masks in turns}) == 6


def test_a_held_out_example_has_the_mask_of_its_place_whatever_the_batches() -> None:
    found = []
    for batch_size in (6, 5):
        gan = small(Watched)
        assert isinstance(gan, Watched)
        logged = trainer().validate(gan, HeldOut(batch_size=batch_size), verbose=False)[0]
        found.append((torch.cat(gan.seen), logged))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-12)


# -- Going on, and sharing out -----------------------------------------------------------------------------------------


def test_resumed_in_an_epoch_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = checkpointed(tmp_path / "whole", 8).state_dict()
    checkpointed(tmp_path / "stopped", 4)
    last = tmp_path / "stopped" / "last.ckpt"
    gone_on = checkpointed(tmp_path / "on", 8, ckpt_path=last, weights_only=True).state_dict()
    assert all(torch.equal(gone_on[name], whole[name]) for name in whole)


@pytest.mark.slow
def test_two_ranks_equal_one_process(tmp_path: Path) -> None:
    alone = on_both(None)
    assert {"val/loss_d", "val/loss_g"} <= alone.keys()
    for rank in on_ranks(on_both, 2, tmp_path):
        assert rank.keys() == alone.keys()
        for name, value in alone.items():
            assert torch.allclose(rank[name].double(), value.double(), rtol=0, atol=1e-12), name


# -- What cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            torch.zeros(3, 4),
            r"^the mask is a tensor \(3, 4\) .*: expected the height and the width of the images, \(4, 4\)",
        ),
        (torch.full((4, 4), 0.5), r"^the mask holds other values than 0 \(hidden\) and 1 \(visible\)"),
    ],
)
def test_a_mask_that_cannot_be_is_told(mask: Tensor, message: str) -> None:
    with pytest.raises(UserError, match=message):
        small().complete(torch.rand(2, *SHAPE), mask)


def test_what_else_cannot_be_is_told() -> None:
    with pytest.raises(UserError, match=r"^num = 0: expected at least 1 completion"):
        small().complete(torch.rand(2, *SHAPE), torch.zeros(4, 4), num=0)
    with pytest.raises(UserError, match=r"^diversity_weight = -1.0: expected 0 \(no such term\) or more"):
        small(diversity_weight=-1.0)
    with pytest.raises(UserError, match=r"^the discriminator of an InpaintingGAN needs the masks"):
        small().discriminate(torch.rand(2, *SHAPE))
    gan = small(masks=MaskMixture(nothing=0))
    gan.generator.image_shape = None
    with pytest.raises(UserError, match="needs the generator's image_shape, which MLPGenerator does not have"):
        gan.sample(2)
