"""Streams of random numbers that are functions of seed and position."""

import itertools

import torch

from lit_gan.randomness import seed_global_generators, stream, stream_seed


def test_a_stream_never_depends_on_what_was_drawn_before() -> None:
    first = torch.rand(4, generator=stream(1, "latents", 5, 0))
    torch.rand(100, generator=stream(1, "latents", 4, 0))
    torch.rand(100)
    assert torch.equal(first, torch.rand(4, generator=stream(1, "latents", 5, 0)))


def test_seeds_of_neighbouring_positions_are_all_different() -> None:
    positions = itertools.product((0, 1), ("latents", "order"), range(20), range(20))
    seeds = {stream_seed(*position) for position in positions}
    assert len(seeds) == 2 * 2 * 20 * 20


def test_parts_of_a_position_are_kept_apart() -> None:
    assert len({stream_seed(0, 1, 12), stream_seed(0, 11, 2), stream_seed(0, "1", 12), stream_seed(0, 1, "12")}) == 4


def test_global_generator_is_put_at_the_position() -> None:
    seed_global_generators(3, "round", 7, device=torch.device("cpu"))
    first = torch.rand(4)
    torch.rand(9)
    seed_global_generators(3, "round", 7, device=torch.device("cpu"))
    assert torch.equal(first, torch.rand(4))
