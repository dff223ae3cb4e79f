"""From data space to [0, 1]."""

import torch

from lit_gan.functional.display import to_display_range


def test_known_range_is_mapped_linearly_and_clipped() -> None:
    images = torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0])
    torch.testing.assert_close(to_display_range(images, (-1.0, 1.0)), torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))
    torch.testing.assert_close(to_display_range(images, (0.0, 1.0)), torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]))


def test_unknown_range_is_scaled_by_the_largest_absolute_value() -> None:
    images = torch.tensor([[-4.0, 2.0], [1.0, 0.0]])
    torch.testing.assert_close(to_display_range(images, None), torch.tensor([[0.0, 0.75], [0.625, 0.5]]))


def test_all_zeros_are_grey() -> None:
    torch.testing.assert_close(to_display_range(torch.zeros(3), None), torch.full((3,), 0.5))


def test_input_is_left_alone() -> None:
    images = torch.tensor([-1.0, 1.0])
    to_display_range(images, (-1.0, 1.0))
    torch.testing.assert_close(images, torch.tensor([-1.0, 1.0]))
