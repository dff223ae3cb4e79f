import numpy as np
import pytest
import real_formats
import torch

from lit_gan.data.contrast import global_contrast_normalize


def reference(levels, scale):
    """The formula in float64, image by image."""
    rows = levels.reshape(len(levels), -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norm = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return (scale * rows / np.where(norm < 1e-8, 1.0, norm)).reshape(levels.shape)


@pytest.mark.parametrize("scale", [55.0, 1.0])
def test_equals_the_formula_in_float64(scale):
    levels, _ = real_formats.cifar10_batch(0)
    images = global_contrast_normalize(torch.from_numpy(levels), scale)
    assert images.dtype == torch.float32
    torch.testing.assert_close(
        images.double(), torch.from_numpy(reference(levels, scale)), rtol=1e-5, atol=1e-6 * scale
    )


def test_images_lie_on_the_sphere_about_zero():
    images = global_contrast_normalize(torch.from_numpy(real_formats.cifar10_batch(1)[0]))
    norms = images.double().flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 55.0), rtol=1e-5, atol=0)
    torch.testing.assert_close(images.mean(dim=(1, 2, 3)), torch.zeros(20), rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_image_of_one_colour_becomes_zero(level):
    images = torch.full((2, 3, 32, 32), level, dtype=torch.uint8)
    assert torch.equal(global_contrast_normalize(images), torch.zeros(2, 3, 32, 32))


def test_neither_unit_nor_brightness_matters_and_the_input_stays():
    images = torch.from_numpy(real_formats.cifar10_batch(2)[0]).float()
    before = images.clone()
    torch.testing.assert_close(
        global_contrast_normalize(images), global_contrast_normalize(images / 255 + 3), rtol=1e-3, atol=1e-4
    )
    assert torch.equal(images, before)
