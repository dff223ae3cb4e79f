"""The sets of images that stand beside a model's samples."""

import torch

from lit_gan.evaluation.baselines import baseline_centres


def test_each_baseline_is_what_its_name_says() -> None:
    images = torch.rand(60, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    centres = baseline_centres(images, num=40)
    flat = images.flatten(1)
    rows = {tuple(row) for row in flat.tolist()}
    drawn = {tuple(row) for row in centres["training images"].tolist()}
    assert len(drawn) == 40
    assert drawn <= rows
    torch.testing.assert_close(centres["mean image"], flat.mean(0, keepdim=True))
    noise = centres["uniform noise"]
    assert noise.shape == (40, 9)
    assert noise.min() >= flat.min()
    assert noise.max() <= flat.max()


def test_two_clusters_are_found() -> None:
    near = torch.randn(100, 2, generator=torch.Generator().manual_seed(1)) * 0.01
    images = torch.cat([near, near + 5])
    centres = baseline_centres(images, num=2)["k-means centres"].sort(dim=0).values
    torch.testing.assert_close(centres, torch.tensor([[0.0, 0.0], [5.0, 5.0]]), rtol=0, atol=0.01)


def test_draws_are_a_function_of_the_seed() -> None:
    images = torch.rand(30, 4)
    first, again = baseline_centres(images, 10, seed=1), baseline_centres(images, 10, seed=1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = baseline_centres(images, 10, seed=2)
    assert not torch.equal(first["training images"], other["training images"])
