"""When the players move."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, sgd, trainer
from torch import Tensor

from lit_gan.coordination import AccuracyBand, FixedSteps
from lit_gan.engine.turn import accuracies
from lit_gan.errors import UserError
from lit_gan.objectives import LeastSquares, NonSaturating, Objective, RelativisticPairing, Wasserstein
from lit_gan.penalties import R1


def test_fixed_steps_are_the_same_in_every_round() -> None:
    coordination = FixedSteps(k=3)
    assert [coordination.discriminator_steps(index) for index in (0, 1, 1000)] == [3, 3, 3]
    assert coordination.max_discriminator_steps == 3
    assert coordination.micro_batches == 1


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_an_error(k: int) -> None:
    with pytest.raises(UserError, match=f"k = {k}: expected at least 1 discriminator step per round"):
        FixedSteps(k=k)


def test_micro_batches_below_one_are_an_error() -> None:
    with pytest.raises(UserError, match="micro_batches = 0: expected at least 1 piece per minibatch"):
        FixedSteps(micro_batches=0)


def accuracy(value: float) -> dict[str, Tensor]:
    return {"accuracy": torch.tensor(value)}


def test_accuracy_band_moves_d_more_below_it_and_less_above() -> None:
    band = AccuracyBand(low=0.6, high=0.9, max_steps=3, window=2)
    assert band.max_discriminator_steps == 3
    steps = []
    for value in [0.5, 0.5, 0.5, 0.55, 0.5, 0.5, 0.7, 0.8, 1.0, 0.9, 0.7, 0.9]:
        steps.append(band.discriminator_steps(len(steps)))
        band.observe(accuracy(value))
    assert steps == [1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 2, 2]
    assert band.discriminator_steps(12) == 2


def test_accuracy_band_rests_d_in_every_second_round_where_one_step_is_too_much() -> None:
    band = AccuracyBand(window=1)
    band.observe(accuracy(1.0))
    assert [band.discriminator_steps(index) for index in range(1, 5)] == [1, 0, 1, 0]
    band.observe({"loss_g": torch.tensor(1.0)})  # a round of G's alone says nothing of D
    assert band.steps == 0
    band.observe(accuracy(0.2))
    assert [band.discriminator_steps(index) for index in range(5, 7)] == [1, 1]


def test_accuracy_band_goes_on_where_it_stopped() -> None:
    one, other = AccuracyBand(window=3), AccuracyBand(window=3)
    for value in (0.1, 0.2, 0.3, 0.4):
        one.observe(accuracy(value))
    other.load_state_dict(one.state_dict())
    for value in (0.55, 0.7, 0.1):
        for each in (one, other):
            each.observe(accuracy(value))
    assert one.state_dict() == other.state_dict()
    smaller = AccuracyBand(max_steps=1, window=1)
    smaller.load_state_dict(one.state_dict())
    assert smaller.discriminator_steps(0) == 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"low": 0.9, "high": 0.6}, "low = 0.9, high = 0.6: expected 0 <= low < high <= 1"),
        ({"max_steps": 0}, "max_steps = 0: expected at least 1"),
        ({"window": 0}, "window = 0: expected at least 1"),
    ],
)
def test_bands_that_cannot_be_are_told(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        AccuracyBand(**kwargs)


class Watching(FixedSteps):
    """Keeps what it sees."""

    def __init__(self, k: int = 1) -> None:
        super().__init__(k)
        self.seen: list[dict[str, float]] = []

    def observe(self, quantities: Mapping[str, Tensor]) -> None:
        self.seen.append({name: float(value) for name, value in quantities.items()})


def test_a_policy_sees_every_rounds_numbers() -> None:
    watching = Watching(k=2)
    gan = linear_gan(coordination=watching, optimizer_g=sgd(0.0), optimizer_d=sgd(0.0), penalties=[R1()])
    run = trainer(max_steps=3, log_every_n_steps=3)
    run.fit(gan, loader(examples(24), batch_size=8))
    assert len(watching.seen) == 3
    logged = {name.removeprefix("train/"): float(value) for name, value in run.callback_metrics.items()}
    assert logged.pop("discriminator_steps") == 2
    assert {name: value for name, value in watching.seen[-1].items() if name in logged} == logged
    x, z = examples(24)[20:], gan.draw_latents(4, "training", 2, 1).double()
    with torch.no_grad():
        real, fake = gan.discriminate(x), gan.discriminate(gan(z))
    assert watching.seen[-1]["accuracy_real"] == pytest.approx(float((real > 0).double().mean()))
    assert watching.seen[-1]["accuracy_fake"] == pytest.approx(float((fake < 0).double().mean()))
    assert watching.seen[-1]["accuracy"] == pytest.approx(float(((real > 0).double() + (fake < 0)).mean() / 2))


def test_a_round_in_which_d_rests_is_gs_alone() -> None:
    band = AccuracyBand(low=0.0, high=0.01, window=1)
    gan = linear_gan(coordination=band)
    before = gan.discriminator.w.item()
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(32), batch_size=16))
    assert band.steps == 0
    moved = gan.discriminator.w.item()
    assert moved != before
    rested = linear_gan(coordination=band)
    band.discriminator_steps = lambda round_index: 0  # type: ignore[method-assign]
    run = trainer(max_steps=1)
    run.fit(rested, loader(examples(16), batch_size=16))
    assert rested.discriminator.w.item() == before
    assert rested.generator.a.item() != pytest.approx(0.7)
    assert set(run.callback_metrics) == {"train/loss_g", "train/discriminator_steps"}


@pytest.mark.parametrize("objective", [NonSaturating(), LeastSquares(), Wasserstein(), RelativisticPairing()])
def test_accuracy_is_counted_as_the_objective_reads_logits(objective: Objective) -> None:
    real, fake = torch.tensor([[0.7], [0.3], [-1.0]]), torch.tensor([[0.6], [0.2], [-2.0]])
    expected = {"NonSaturating": (2 / 3, 1 / 3), "LeastSquares": (1 / 3, 2 / 3)}
    found = accuracies(real, fake, objective)
    pair = expected.get(type(objective).__name__, (1.0, 1.0))
    assert (float(found["accuracy_real"]), float(found["accuracy_fake"])) == pytest.approx(pair)


def test_a_resumed_band_ends_with_the_same_bits(tmp_path: Any) -> None:
    def make() -> Any:
        return linear_gan(coordination=AccuracyBand(low=0.7, high=0.95, max_steps=3, window=3))

    class Growing:
        """Batches that a resumed run finds by its round."""

        def __init__(self, first: int = 0) -> None:
            self.first = first

        def __len__(self) -> int:
            return 12

        def __iter__(self) -> Any:
            yield from (
                examples(240).flatten()[20 * i : 20 * i + 18][:, None, None, None] for i in range(self.first, 12)
            )

    whole, half, resumed = make(), make(), make()
    trainer(max_steps=12).fit(whole, Growing())
    run = trainer(max_steps=5)
    run.fit(half, Growing())
    run.save_checkpoint(tmp_path / "half.ckpt")
    torch.load(tmp_path / "half.ckpt", weights_only=True)
    trainer(max_steps=12).fit(resumed, Growing(5), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert whole.coordination.state_dict() == resumed.coordination.state_dict()
    assert whole.coordination.steps != 1
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_state_of_another_policy_is_not_taken(tmp_path: Any) -> None:
    band = AccuracyBand(low=0.99, high=1.0, max_steps=3, window=1)
    run = trainer(max_steps=2)
    run.fit(linear_gan(coordination=band), loader(examples(48), batch_size=24))
    run.save_checkpoint(tmp_path / "last.ckpt")
    assert band.steps == 3
    gan = linear_gan(coordination=FixedSteps(1))
    trainer(max_steps=3).fit(gan, loader(examples(48), batch_size=24), ckpt_path=tmp_path / "last.ckpt")
    assert gan.coordination.discriminator_steps(3) == 1


def test_what_a_policy_watches_is_logged_and_the_losses_stand_in_the_progress_bar() -> None:
    gan = linear_gan(coordination=AccuracyBand(low=0.5, high=0.9, max_steps=2))
    run = trainer(max_steps=1)
    run.fit(gan, loader(examples(24), batch_size=24))
    logged = {name.removeprefix("train/") for name in run.callback_metrics}
    assert {"accuracy", "discriminator_steps"} <= logged
    assert not [name for name in logged if name.startswith(("accuracy_", "logit_"))]
    assert {*run.progress_bar_metrics} == {"train/loss_d", "train/loss_g"}


@pytest.mark.filterwarnings("ignore:under .* may grow ever steeper")
@pytest.mark.parametrize("objective", [NonSaturating(), LeastSquares(), Wasserstein()])
def test_ds_lead_is_logged_where_it_decides(objective: Objective) -> None:
    gan = linear_gan(objective=objective, optimizer_g=sgd(0.0), optimizer_d=sgd(0.0))
    run = trainer(max_steps=2, log_every_n_steps=2)
    run.fit(gan, loader(examples(24), batch_size=12))
    x, z = examples(24)[12:], gan.draw_latents(12, "training", 1, 0).double()
    with torch.no_grad():
        found = accuracies(gan.discriminate(x), gan.discriminate(gan(z)), objective)
    lead = run.callback_metrics.get("train/d_lead")
    if isinstance(objective, Wasserstein):
        assert lead is None
    else:
        assert lead == pytest.approx(float(found["accuracy_real"] + found["accuracy_fake"]) - 1)
    assert "train/accuracy" not in run.callback_metrics
