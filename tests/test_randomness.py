"""Streams of random numbers that are functions of seed and position."""

import itertools

import pytest
import torch

from lit_gan.randomness import aside, seed_global_generators, stream, stream_seed


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


def test_aside_puts_the_generator_of_an_mps_device_back(monkeypatch: pytest.MonkeyPatch) -> None:
    own = torch.Generator().manual_seed(5)  # in the place of the device's, which a machine of the tests need not have
    monkeypatch.setattr(torch.mps, "manual_seed", own.manual_seed)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda device: own.get_state())
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state, device: own.set_state(state))
    before, of_cpu = own.get_state(), torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with aside(7, "a picture", torch.device("mps")):
            drawn.append((torch.rand(2, generator=own), torch.rand(2)))
    assert torch.equal(own.get_state(), before)
    assert torch.equal(torch.get_rng_state(), of_cpu)
    assert all(map(torch.equal, *drawn))
