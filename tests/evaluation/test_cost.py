"""What is counted of an evaluation and of a training, and when the next evaluation is due."""

import pytest
import torch
from torch import Tensor, nn

from lit_gan.evaluation.cost import SHARE, Cadence, Work, work_of, work_per_image
from lit_gan.gan import GAN


class Lines(nn.Sequential):
    latent_size = 4

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, z: Tensor) -> Tensor:
        """Code of our own: before 2.14 torch compiles nothing that is its own alone."""
        return super().forward(z)


def gan() -> GAN:
    return GAN(Lines(), nn.Sequential(nn.Flatten(), nn.Linear(64, 1)))


def test_products_are_counted_and_the_global_generator_stays_where_it_is() -> None:
    a, b = torch.rand(3, 5), torch.rand(5, 7)
    assert work_of(lambda: a @ b) == 2 * 3 * 5 * 7
    model = gan().eval()
    before = torch.get_rng_state()
    work_per_image(model)
    assert torch.equal(before, torch.get_rng_state())


def test_an_image_that_is_trained_on_is_twelve_passes_or_so() -> None:
    work, samples = work_per_image(gan().eval())
    generator, discriminator = 2 * 4 * 64, 2 * 64
    assert work == Work(4 * generator + 9 * discriminator, generator)
    assert samples.shape == (16, 1, 8, 8)


def test_with_k_updates_of_d_an_image_pays_for_a_part_of_g_s() -> None:
    model = gan().eval()
    model.coordination.k = 3
    generator, discriminator = 2 * 4 * 64, 2 * 64
    assert work_per_image(model)[0].trained == pytest.approx(2 * generator + 7 * discriminator)


def test_compiled_networks_are_counted_and_stay_compiled() -> None:
    compiled = []

    def backend(graph: nn.Module, _: list[Tensor]) -> nn.Module:
        compiled.append(graph)
        return graph

    plain, model = work_per_image(gan().eval())[0], gan().eval()
    model.generator.compile(backend=backend)
    assert work_per_image(model)[0] == plain
    assert compiled == []
    model.sample_data(3, rng=0)
    assert len(compiled) == 1


def test_networks_without_products_cost_their_values_at_the_least() -> None:
    class Level(nn.Module):
        latent_size = 1

        def __init__(self) -> None:
            super().__init__()
            self.level = nn.Parameter(torch.tensor(0.5))

        def forward(self, z: Tensor) -> Tensor:
            return (self.level * z)[:, :, None, None].expand(-1, 1, 8, 8)

    assert work_per_image(GAN(Level(), nn.Sequential(nn.Flatten(), nn.Linear(64, 1))).eval())[0].sampled == 64


def test_the_share_of_the_work_pays_for_the_samples_and_once_for_the_real_images() -> None:
    cadence = Cadence.of(Work(trained=150.0, sampled=5.0), sample=15.0, real=10.0, num=100, num_real=50)
    image = SHARE * 150 / 1.5  # operations
    assert cadence.later == pytest.approx(100 * 20 / image)
    assert cadence.next == pytest.approx((100 * 20 + 50 * 10) / image)
    cadence.add_trained(249)
    assert not cadence.is_paid_for_by_all
    cadence.add_trained(1)
    assert cadence.is_paid_for_by_all
    cadence.begin()
    assert (cadence.next, cadence.trained, cadence.in_all) == (cadence.later, 0, 250)
    cadence.add_results(work=1000)
    assert cadence.next == cadence.later == pytest.approx(3000 / image)


@pytest.mark.parametrize(
    ("first", "later", "words"),
    [
        (10, 10, "at each validation"),
        (1100, 100, "at each validation, first at the 11th"),
        (2200, 150, "at one validation in 2, first at the 22nd"),
    ],
)
def test_it_is_told_in_validations(first: int, later: int, words: str) -> None:
    assert Cadence(first, later).in_words(trained=100) == words
