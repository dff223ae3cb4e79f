"""Each benchmark in its short form, in this process: what it writes, and that it measures what it says. No times."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_gan
import torch

from benchmarks import measuring, throughput
from benchmarks.games import Game, shipped
from benchmarks.handwritten import Loop
from benchmarks.products import Products
from lit_gan.coordination import FixedSteps
from lit_gan.latents import Normal


def _results(out: Path, name: str) -> Any:
    """What a benchmark wrote, all three files of it."""
    assert (out / f"{name}.png").stat().st_size > 0
    table = (out / f"{name}.md").read_text()
    assert "commit" in table.splitlines()[0]
    stored = json.loads((out / f"{name}.json").read_text())
    assert {"processor", "instructions", "threads", "versions", "commit"} <= stored["machine"].keys()
    return stored["results"]


def test_ways_are_taken_in_turn_and_medians_reported() -> None:
    order: list[str] = []

    def way(name: str, *seconds: float) -> Any:
        left = list(seconds)

        def take() -> measuring.Seconds:
            order.append(name)
            return measuring.Seconds(left.pop(0), 2.0)

        return take

    found = measuring.interleaved({"a": way("a", 5, 1, 3), "b": way("b", 1, 1, 9)}, repeats=3)
    assert order == ["a", "b"] * 3
    assert found == {"a": measuring.Seconds(3, 2.0), "b": measuring.Seconds(1, 2.0)}


def test_a_machine_is_told_in_one_line() -> None:
    found = measuring.machine() | {"processor": "X", "gpus": [], "cpus": 2, "threads": 1, "dirty": True}
    found |= {"instructions": {"AVX2": True, "AMX": False}, "commit": "0123456789abcdef"}
    versions = found["versions"]
    assert measuring.in_words(found) == (
        f"X (AVX2; no AMX), 2 CPUs, 1 thread(s), torch {versions['torch']}, lightning {versions['lightning']}, "
        "commit 0123456789ab and changes"
    )


def test_the_loop_by_hand_plays_the_same_game() -> None:
    """Where nothing is random, its weights are those of the GAN after as many rounds, k = 2."""
    images = torch.full((24, 1, 1, 1), 1.5)
    arguments: dict[str, Any] = {"latent": Normal(1, mean=0.3, std=1e-12), "coordination": FixedSteps(2)}
    trained, by_hand = tiny_gan.linear_gan(**arguments), tiny_gan.linear_gan(**arguments)
    tiny_gan.trainer(max_steps=3, precision="32-true").fit(trained, tiny_gan.loader(images, 8))
    loop = Loop(by_hand, images, 4, "32-true")
    for _ in range(3):
        loop.round()
    assert _weights(by_hand) == pytest.approx(_weights(trained), rel=1e-4)  # its rates decay by 4e-6 a round


def _weights(module: torch.nn.Module) -> list[float]:
    return [each.item() for each in module.parameters()]


@pytest.fixture(scope="module")
def game() -> Game:
    return shipped("quickstart")


@pytest.mark.parametrize("precision", throughput.PRECISIONS)
def test_the_products_of_a_round_are_all_that_backpropagation_needs_and_no_more(game: Game, precision: str) -> None:
    m = game.data.batch_size
    loop = throughput.Rounds(game, precision, 1).loop()
    loop.round()
    alone = Products(loop.round)
    g, d = ([each.numel() for each in net.parameters() if each.ndim == 2] for net in _players(game.gan))
    of_d = m * sum(g) + 2 * m * (3 * sum(d) - d[0])
    of_g = m * (3 * sum(g) - g[0]) + m * 2 * sum(d)
    assert alone.flops == 2 * (of_d + of_g)
    alone.round()


def _players(gan: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    return gan.generator, gan.discriminator


def test_throughput(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--quick", "--precisions", "32-true"]
    throughput.main(arguments)
    (cell,) = _results(tmp_path, "throughput")
    assert (cell["config"], cell["k"], cell["images_a_round"]) == ("quickstart", 1, 100)
    assert [*cell["seconds_a_round"]] == [f"32-true, {way}" for way in throughput.WAYS]
    assert all(seconds["cpu"] > 0 for seconds in cell["seconds_a_round"].values())
    before = (tmp_path / "throughput.json").read_bytes()
    throughput.main(arguments)  # nothing is measured twice
    assert (tmp_path / "throughput.json").read_bytes() == before
