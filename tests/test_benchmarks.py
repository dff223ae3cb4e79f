"""Each benchmark in its short form, in this process: what it writes, and that it measures what it says. No times."""

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny_gan
import torch
from nursery import nursery

from benchmarks import commands, gpu_check, measuring, memory, scaling, startup, throughput, time_to_score
from benchmarks.games import Game, shipped
from benchmarks.handwritten import Loop
from benchmarks.products import Products
from lit_gan.cli.main import main
from lit_gan.coordination import FixedSteps
from lit_gan.data import MNISTDataModule
from lit_gan.latents import Normal
from lit_gan.objectives import RelativisticPairing
from lit_gan.penalties import R1, R2


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


@pytest.mark.parametrize(
    "arguments",
    [
        {"coordination": FixedSteps(2)},
        {"objective": RelativisticPairing(), "penalties": [R1(0.3, every=2), R2(0.5, every=2)]},
        {"penalties": [R2(0.5, every=3)]},
    ],
    ids=["k = 2", "pairing, R1 and R2", "R2 alone"],
)
def test_the_loop_by_hand_plays_the_same_game(arguments: dict[str, Any]) -> None:
    """Where nothing is random, its weights are those of the GAN after as many rounds."""
    images = torch.full((24, 1, 1, 1), 1.5)
    still = Normal(1, mean=0.3, std=1e-12)
    trained, by_hand = (tiny_gan.linear_gan(latent=still, **arguments) for _ in range(2))
    rows = 4 * trained.minibatches_per_round
    tiny_gan.trainer(max_steps=3, precision="32-true").fit(trained, tiny_gan.loader(images, rows))
    loop = Loop(by_hand, images, 4, "32-true")
    for _ in range(3):
        loop.round()
    assert loop.cycle == max([penalty.every for penalty in trained.penalties], default=1)
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
    took = alone.timed(2)
    assert took.cpu > 0
    twice = Products(loop.round, 2)
    assert (twice.flops, twice.rounds) == (alone.flops, 2)
    assert twice.timed(4).cpu > 0


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


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Commands are run, but each without the seconds that a process of its own takes to start; which they were."""
    ran: list[tuple[str, ...]] = []

    def run(act: Callable[..., int | None], *arguments: str, code: int = 0) -> commands.Ran:
        ran.append(arguments)
        begun = time.monotonic()
        assert (act(arguments) or 0) == code
        return commands.Ran(measuring.Seconds(1.0, 2.0), 300.0, begun)

    monkeypatch.setattr(commands, "python", partial(run, lambda arguments: exec(arguments[1])))  # noqa: S102
    monkeypatch.setattr(commands, "lit_gan", partial(run, lambda arguments: main([*arguments])))
    return ran


def test_startup(tmp_path: Path, in_this_process: list[tuple[str, ...]]) -> None:
    startup.main(["--out", str(tmp_path), "--quick"])
    results = _results(tmp_path, "startup")
    assert [*results] == [*startup.WAYS]
    assert results["lit-gan --help"] == {"cpu": 1.0, "wall": 2.0}
    assert 0 < results["first round of the quickstart"]["wall"] < 600  # a mark was left, on the same clock
    assert [arguments[:1] for arguments in in_this_process] == [("-c",), ("-c",), ("--help",), ("fit",)]


def test_a_process_of_its_own_is_measured_and_says_why_it_failed() -> None:
    ran = commands.python("-c", "held = bytes(64 << 20)")
    assert ran.took.cpu > 0
    assert ran.peak_mib > 64
    with pytest.raises(SystemExit, match=r"-c print\('why'\); raise SystemExit\(3\)\nwhy\n\nexit code 3, not 75$"):
        commands.python("-c", "print('why'); raise SystemExit(3)", code=75)


def test_memory(tmp_path: Path, in_this_process: list[tuple[str, ...]]) -> None:
    memory.main(["--out", str(tmp_path), "--quick"])
    (result,) = _results(tmp_path, "memory")
    ((first, last),) = result["processes"]
    assert (result["name"], result["fit"], result["test"], result["stops"]) == ("quickstart", 300.0, 300.0, 0)
    assert (first["epoch"], last["epoch"]) == (1, 2)
    assert all(last[name] > 0 for name in ("mib", "files", "threads", "metrics_kib"))
    assert last["kept_kib"] > last["metrics_kib"]
    assert [arguments[0] for arguments in in_this_process] == ["fit", "test"]
    assert "growth an epoch" not in (tmp_path / "memory.md").read_text()


@pytest.mark.slow
def test_a_training_that_is_stopped_on_its_way_goes_on_and_is_counted(tmp_path: Path) -> None:
    further = ["--checkpoint.every_n_epochs=1", "--trainer.check_val_every_n_epoch=6"]
    with nursery():
        memory.main(["--out", str(tmp_path), "--quick", "--epochs", "6", "--stops", "2", "--", *further])
    (result,) = _results(tmp_path, "memory")
    assert result["stops"] == 2
    # SIGTERM, which saves; SIGKILL after the checkpoint of epoch 3, before that of epoch 4.
    assert [[mark["epoch"] for mark in marks] for marks in result["processes"]] == [[1, 2], [3, 4], [4, 5, 6]]
    rows = [line.split(" | ")[0] for line in (tmp_path / "memory.md").read_text().splitlines()]
    assert rows[-len(memory.COUNTED) :] == [f"| {said}" for said in memory.COUNTED.values()]


def test_what_a_process_holds_and_a_folder_keeps(tmp_path: Path) -> None:
    before = commands.held()
    with (
        (tmp_path / "metrics.csv").open("wb") as file,
        subprocess.Popen(["sleep", "300"]) as child,
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(file.write, bytes(2048)).result()
        after = commands.held()
        child.kill()
    assert {name: after[name] - before[name] for name in after} == {"files": 1, "threads": 1, "children": 1}
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "a.png").write_bytes(bytes(1024))
    assert commands.kept(tmp_path) == {"kept_files": 3, "kept_kib": 3.0, "metrics_kib": 2.0}


def test_growth_is_that_of_the_second_half_of_each_process() -> None:
    assert memory.growth([0, 50, 90, 100, 102, 104, 106]) == pytest.approx(2)
    assert memory.growth([0, 50, 90, 100, 102, 104, 106], [0, 0, 500, 502]) == pytest.approx(2)
    assert memory.growth([9, 9, 100, 100], [9, 9, 500, 500]) == 0
    assert memory.growth([100.0]) == 0


def test_noise_in_the_files_of_mnist_is_read_as_mnist(tmp_path: Path) -> None:
    memory.write_noise(tmp_path, 20, 10)
    data = MNISTDataModule(str(tmp_path), num_validation=5)
    assert [len(data.dataset(split)) for split in ("train", "val", "test")] == [15, 5, 10]


def test_scaling(tmp_path: Path, in_this_process: list[tuple[str, ...]]) -> None:
    scaling.main(["--out", str(tmp_path), "--quick"])
    results = _results(tmp_path, "scaling")
    assert [(row["changed"], row["to"]) for row in results["alone"]] == [
        ("batch", 25),
        ("width", 300),
        ("training images", 1000),
    ]
    assert [row["processes"] for row in results["together"]] == [1]
    assert results["together"][0]["images_a_second"] > 0
    assert [row["gpus"] for row in results["on_paper"]] == 2 * [8, 16, 64, 256, 1024]


def test_the_communication_on_paper() -> None:
    """By hand: 8 GPUs of a machine send 7/8 of the bytes twice; 16 then a half of their eighth twice between two."""
    cluster = scaling.Cluster(flops=1e12, inside=100.0, between=10.0, latency_inside=0.0, latency_between=0.0)
    assert scaling.all_reduce(1, 800, cluster) == 0
    assert scaling.all_reduce(8, 800, cluster) == pytest.approx(2 * 7 / 8 * 8)
    assert scaling.all_reduce(16, 800, cluster) == pytest.approx(2 * 7 / 8 * 8 + 2 * 0.5 * 10)
    slow = scaling.Cluster(flops=1e12, inside=1e30, between=1e30, latency_inside=1.0, latency_between=5.0)
    assert scaling.all_reduce(64, 800, slow) == 2 * 7 + 2 * 3 * 5  # a ring of 8, and a tree over 8 machines
    row = scaling.paper_round(8, 4e12, {"g": (1, 100), "d": (2, 100)}, cluster)
    assert (row["compute"], row["all_reduce"]) == (4, pytest.approx(3 * 2 * 7 / 8 * 4))
    assert row["efficiency_at_least"] == pytest.approx(4 / 25)
    assert row["efficiency_at_most"] == pytest.approx(4 / 23)  # 2 of the 21 seconds are hidden


def test_time_to_score(tmp_path: Path, in_this_process: list[tuple[str, ...]]) -> None:
    time_to_score.main(["--out", str(tmp_path), "--quick"])
    (result,) = _results(tmp_path, "time_to_score")
    assert (result["config"], result["seed"], result["images_a_round"]) == ("quickstart", 0, 100)
    assert [point["round"] for point in result["curve"]] == [12]  # it stops at the first score that is enough
    assert result["curve"][0]["nats"] > result["wanted"]
    assert "| 12 | 1,200 |" in (tmp_path / "time_to_score.md").read_text()


def test_a_score_that_is_not_reached_is_told() -> None:
    curve = [{"round": 5, "wall": 9.0, "cpu": 7.0, "nats": 100.0}]
    result = {"config": "mnist", "seed": 0, "wanted": 225.0, "images_a_round": 100, "curve": curve}
    assert time_to_score.reached(result) is None
    assert "| mnist | 0 | 225 | not reached: 100.0 after 7 s |" in time_to_score.table([result])


def test_gpu_check(tmp_path: Path) -> None:
    assert gpu_check.main(["--out", str(tmp_path), "--quick"]) == 0
    findings = _results(tmp_path, "gpu_check")
    assert {each["section"] for each in findings} == {"bits", "penalties", "parzen", "ranks"}


def test_a_section_of_the_gpu_check_that_fails_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(section: str) -> Any:
        yield gpu_check.at_most(section, "before", 1.0, 2.0)
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setitem(gpu_check.SECTIONS, "bits", broken)
    assert gpu_check.main(["--out", str(tmp_path), "--sections", "bits", "parzen"]) == 1
    rows = (tmp_path / "gpu_check.md").read_text()
    assert "| bits | before | 1.00e+00 | at most 2e+00 | yes |" in rows
    assert "| bits | did not end | RuntimeError: no kernel | to end | NO |" in rows
    assert "| parzen | D = 784" in rows
    capsys.readouterr()
    assert gpu_check.main(["--out", str(tmp_path), "--sections", "bits", "--minutes", "-1"]) == 0
    assert "left out" in capsys.readouterr().out
