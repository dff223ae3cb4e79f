"""Two real processes against one: the same weights, each gradient sent once, every misuse told."""

import ddp_cases
import pytest
import torch
from ddp_cases import CASES, ROUNDS, SEAMS, gan
from lightning.pytorch.demos.boring_classes import BoringModel
from ranks import on_ranks

from lit_gan.errors import UserError
from lit_gan.strategies.ddp_gan import named_players

pytestmark = pytest.mark.slow

TOLERANCE = {"32": 1e-5, "64": 1e-12}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_ranks(ddp_cases.everything, 2, tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def alone():
    return ddp_cases.equality(None)


def _distance(one, other):
    """Max |a - b| / max |b| over all weights."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in one)


@pytest.mark.parametrize(("k", "network", "precision"), CASES)
def test_two_ranks_equal_one_process_on_the_same_global_batch(ranks, alone, k, network, precision):
    case = f"{k} {network} {precision}"
    for rank in ranks:
        assert _distance(rank["equality"][case]["weights"], alone[case]["weights"]) <= TOLERANCE[precision]


@pytest.mark.parametrize(("k", "network", "precision"), CASES)
def test_ranks_have_the_same_bits(ranks, k, network, precision):
    first, second = (rank["equality"][f"{k} {network} {precision}"]["weights"] for rank in ranks)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(("k", "network", "precision"), CASES)
def test_each_update_sends_its_players_gradients_once(ranks, k, network, precision):
    module = gan(network, k)
    g, d = (sum(p.numel() for p in player.parameters()) for player in (module.generator, module.discriminator))
    expected = ROUNDS * (k * d + g) * int(precision) // 8
    assert [rank["equality"][f"{k} {network} {precision}"]["sent"] for rank in ranks] == [expected, expected]


@pytest.fixture(scope="module")
def seams_alone():
    return ddp_cases.seams(None)


@pytest.mark.parametrize("case", SEAMS)
def test_penalties_pairing_and_what_adapts_are_the_same_on_two_ranks_as_in_one_process(ranks, seams_alone, case):
    for rank in ranks:
        assert _distance(rank["seams"][case]["weights"], seams_alone[case]["weights"]) <= TOLERANCE["64"]
        assert rank["seams"][case]["adapted"] == pytest.approx(seams_alone[case]["adapted"])


@pytest.mark.parametrize("case", SEAMS)
def test_what_adapts_is_the_same_on_all_ranks(ranks, case):
    assert ranks[0]["seams"][case]["adapted"] == ranks[1]["seams"][case]["adapted"]


def test_the_band_of_accuracies_and_the_augmentation_have_moved(ranks):
    assert ranks[0]["seams"]["accuracy band"]["adapted"]["steps"] != 1
    assert ranks[0]["seams"]["what adapts"]["adapted"]["augment probability"] != 0


def test_accumulated_gradients_travel_with_the_last_micro_batch(ranks):
    for rank in ranks:
        whole, pieces = rank["accumulation"][1], rank["accumulation"][2]
        assert pieces["sent"] == whole["sent"]
        assert _distance(pieces["weights"], whole["weights"]) <= 1e-12


def test_latents_and_dropout_differ_by_rank(ranks):
    for kind in ("latents", "dropout"):
        first, second = (rank["randomness"][kind] for rank in ranks)
        assert first.shape == second.shape
        assert all(not torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_buffers_are_each_ranks_own_in_training_and_rank_zeros_where_they_are_used(ranks):
    first, second = (rank["buffers"] for rank in ranks)
    assert not torch.equal(first["training"], second["training"])
    assert torch.equal(first["validation"], second["validation"])
    assert all(
        torch.equal(first["weights"][name], second["weights"][name])
        for name in first["weights"]
        if "running" not in name and "tracked" not in name
    )


def test_all_ranks_calibrate_d_alike(ranks):
    first, second = (rank["buffers"]["calibration"] for rank in ranks)
    assert first == second
    assert first[0] != 0


def test_an_average_by_images_is_that_of_one_process_on_the_same_global_batch(ranks):
    alone = ddp_cases.averages(None)["average"]
    for rank in ranks:
        assert _distance(rank["averages"]["average"], alone) <= 1e-12


def test_all_ranks_take_the_same_statistics_for_the_average(ranks):
    first, second = (rank["averages"]["normalised"] for rank in ranks)
    assert "hidden.1.running_mean" in first
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_shared_parameter_is_told(ranks):
    for rank in ranks:
        assert (
            "the parameter discriminator.shared.weight belongs to the player 'generator' as well: expected one player "
            "for each parameter"
        ) in rank["errors"]["Tied"]


def test_a_parameter_of_nobody_is_told(ranks):
    for rank in ranks:
        assert "the trainable parameters extra.weight, extra.bias belong to no player" in rank["errors"]["Orphan"]


def test_gradients_past_the_reducer_are_told(ranks):
    for rank in ranks:
        assert "the discriminator moves by gradients that were not averaged over the ranks" in rank["errors"]["AroundD"]


def test_plain_ddp_is_refused_and_ddp_gan_named(ranks):
    for rank in ranks:
        assert "expected --trainer.strategy ddp_gan" in rank["errors"]["GAN"]


def test_a_module_of_somebody_else_trains_unchanged(ranks):
    first, second = (rank["foreign"]["ddp_gan"] for rank in ranks)
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])
    assert set(first["weights"]) == set(ddp_cases.TwoOptimizers().state_dict())


def test_plain_ddp_fails_on_it(ranks):
    """P1 of Lightning's pitfalls: one reducer over both players."""
    for rank in ranks:
        assert "parameters that were not used in producing the loss" in rank["foreign"]["ddp"]["error"]


def test_it_moves_as_under_ddp_that_looks_for_unused_parameters(ranks):
    """P2: that one is right, and sends both players' gradients each time."""
    ours, theirs = ranks[0]["foreign"]["ddp_gan"], ranks[0]["foreign"]["unused"]
    assert not torch.equal(ours["noise"], theirs["noise"])  # P3: theirs is the same on every rank
    assert torch.equal(theirs["noise"], ranks[1]["foreign"]["unused"]["noise"])
    assert not torch.equal(ours["noise"], ranks[1]["foreign"]["ddp_gan"]["noise"])


def test_backward_passes_may_stand_in_closures(ranks):
    first, second = (rank["closures"] for rank in ranks)
    start = ddp_cases.TwoOptimizers().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in start)
    assert not any(torch.equal(first[name], start[name]) for name in start)


def test_players_that_are_not_there_are_told():
    with pytest.raises(UserError, match=r"BoringModel has no submodule 'generator' and no 'discriminator': expected"):
        named_players(BoringModel())


def test_players_may_be_any_submodules():
    module = gan("conv", 1)
    assert list(named_players(module, ["generator.layers", "discriminator"])) == ["generator.layers", "discriminator"]
