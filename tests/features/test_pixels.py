import torch

from lit_gan.features import Pixels


def test_an_image_is_the_row_of_its_pixels() -> None:
    images = torch.rand(3, 2, 4, 5)
    assert torch.equal(Pixels()(images), images.reshape(3, 40))
