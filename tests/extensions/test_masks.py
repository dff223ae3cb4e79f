"""Masks: what each family leaves visible, in the shares that were asked for."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.extensions.masks import NAMED_MASKS, MaskMixture, MaskRows, named_mask
from lit_gan.latents import LatentTable

_NONE = {"pixels": 0.0, "boxes": 0.0, "halves": 0.0, "stripes": 0.0, "nothing": 0.0}


def _drawn(family: str, num: int = 400, height: int = 8, width: int = 12) -> Tensor:
    masks = MaskMixture(**{**_NONE, family: 1.0}).draw(num, height, width, torch.Generator().manual_seed(1))
    assert masks.shape == (num, 1, height, width)
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    return masks[:, 0] > 0


def test_pixels_are_visible_in_a_share_that_is_uniform_from_a_tenth_to_nine_tenths() -> None:
    shares = _drawn("pixels", 2000, 40, 40).flatten(1).double().mean(1)
    assert 0.04 < shares.min() < shares.max() < 0.96
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.std() == pytest.approx(0.8 / 12**0.5, abs=0.01)


def test_what_is_hidden_in_a_box_is_a_rectangle_within_the_image() -> None:
    sides = set()
    for mask in _drawn("boxes"):
        rows, columns = (~mask).any(1), (~mask).any(0)
        assert torch.equal(~mask, rows[:, None] & columns[None])
        for line in (rows, columns):
            places = line.nonzero().flatten()
            assert places[-1] - places[0] + 1 == len(places)
        sides.add((int(rows.sum()), int(columns.sum())))
    assert min(sides)[0] >= 2
    assert {height for height, _ in sides} == set(range(3, 9))
    assert max(width for _, width in sides) == 12


def test_halves_are_the_four_halves() -> None:
    found = {tuple(mask.flatten().tolist()) for mask in _drawn("halves")}
    names = ("left-half", "right-half", "top-half", "bottom-half")
    assert found == {tuple((named_mask(name, 8, 12) > 0).flatten().tolist()) for name in names}


def test_stripes_are_whole_rows_or_columns_by_turns() -> None:
    shares = []
    for mask in _drawn("stripes"):
        assert bool((mask == mask[:, :1]).all()) or bool((mask == mask[:1]).all())
        assert 0 < mask.double().mean() < 1
        shares.append(mask.double().mean())
    assert torch.stack(shares).mean() == pytest.approx(0.5, abs=0.05)


def test_families_come_in_proportion_to_their_weights() -> None:
    mixture = MaskMixture(pixels=0, boxes=0, halves=3, stripes=0, nothing=1)
    masks = mixture.draw(4000, 4, 4, torch.Generator().manual_seed(0))
    assert (masks.flatten(1).sum(1) == 0).double().mean() == pytest.approx(0.25, abs=0.03)


def test_masks_of_a_table_are_a_function_of_the_place() -> None:
    table = LatentTable(MaskRows(MaskMixture(), 4, 5), torch.float32, 0, "masks")
    assert table.rows(range(10)).shape == (10, 20)
    assert torch.equal(table.rows(range(990, 1010))[5::2], table.rows(range(995, 1010, 2)))


@pytest.mark.parametrize("weights", [{"pixels": -1.0}, {"boxes": float("nan")}, _NONE])
def test_weights_that_cannot_be_are_told(weights: dict[str, Any]) -> None:
    with pytest.raises(
        UserError, match=r"^MaskMixture pixels = .*: expected weights of 0 or more, one of them above 0"
    ):
        MaskMixture(**weights)


def test_a_mask_without_such_a_name_is_told() -> None:
    with pytest.raises(UserError, match=f"^mask 'left': expected one of {', '.join(NAMED_MASKS)}"):
        named_mask("left", 4, 4)


@pytest.mark.parametrize(
    ("name", "visible"),
    [
        ("left-half", 8),
        ("right-half", 8),
        ("top-half", 8),
        ("bottom-half", 8),
        ("border", 12),
        ("stripes", 8),
        ("nothing", 0),
    ],
)
def test_a_named_mask_says_what_stays_visible(name: str, visible: int) -> None:
    mask = named_mask(name, 4, 4)
    assert int(mask.sum()) == visible
    if name in ("left-half", "top-half"):
        assert mask[0, 0] == 1
        assert mask[-1, -1] == 0
