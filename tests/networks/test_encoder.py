"""The encoder: from images to as many numbers as a latent has."""

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.networks import MLPEncoder


def test_it_is_its_layers() -> None:
    encoder = MLPEncoder((1, 2, 3), latent_size=4, hidden=(5,))
    x = torch.randn(7, 1, 2, 3)
    first = encoder.hidden[0]
    features = (x.flatten(1) @ first.weight.T + first.bias).relu()
    assert torch.allclose(encoder.features(x), features, atol=1e-6)
    assert torch.allclose(encoder(x), features @ encoder.output.weight.T + encoder.output.bias, atol=1e-6)


def test_images_of_another_shape_are_told() -> None:
    with pytest.raises(UserError, match=r"^got images of shape \(7, 1, 3, 2\): expected \(N, \*image_shape\)"):
        MLPEncoder((1, 2, 3), latent_size=4)(torch.randn(7, 1, 3, 2))
