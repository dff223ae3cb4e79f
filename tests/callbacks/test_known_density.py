"""What a game on a known density is logged beside: V never passes C(G), and reaches it as D is trained longer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks import KnownDensityEvaluation
from lit_gan.coordination import FixedSteps
from lit_gan.data import DigitsDataModule, ToyDataModule
from lit_gan.data.mixtures import Line, Ring
from lit_gan.errors import UserError
from lit_gan.evaluation.known_game import known_game
from lit_gan.gan import GAN
from lit_gan.latents import Normal
from lit_gan.networks import MLPDiscriminator, MLPGenerator
from lit_gan.objectives import Hinge

_NAMES = ("quadrature_value", "generator_criterion", "jsd", "d_error")


class Logged(Callback):
    """The numbers of every validation."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        if not trainer.sanity_checking:
            self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def _toy(**kwargs: Any) -> ToyDataModule:
    sizes = {"num_train": 6000, "num_validation": 2000, "num_test": 50, "eval_batch_size": 2000, "batch_size": 100}
    return ToyDataModule(Line(1, std=1.0), **{**sizes, **kwargs})


def _gan(k: int = 1, **kwargs: Any) -> GAN:
    torch.manual_seed(0)
    return GAN(
        MLPGenerator((1, 1, 1), 1, (16,), "softplus", "linear", 0.5, (0.0, -3.0)),
        MLPDiscriminator((1, 1, 1), (32,)),
        Normal(),
        coordination=FixedSteps(k),
        optimizer_g=lambda parameters: torch.optim.Adam(parameters, lr=0.01, betas=(0.5, 0.99)),
        optimizer_d=lambda parameters: torch.optim.Adam(parameters, lr=0.01, betas=(0.5, 0.99)),
        **kwargs,
    )


def _train(gan: GAN, rounds: int = 60) -> list[dict[str, float]]:
    logged = Logged()
    fit = trainer(max_steps=rounds, callbacks=[KnownDensityEvaluation(), logged], precision="32-true",
                  check_val_every_n_epoch=None, val_check_interval=5, num_sanity_val_steps=1)  # fmt: skip
    fit.fit(gan, _toy())
    return logged.rows


@pytest.mark.slow
def test_d_approaches_the_best_one_as_it_is_trained_longer_in_each_round() -> None:
    """Proposition 1 in a training: with k the error of D falls, and V rises to C(G) = -log 4 + 2 JSD."""
    rows = {k: _train(_gan(k)) for k in (1, 3, 10)}
    means = {
        k: [
            sum(row["val/d_error"] for row in found) / len(found),
            sum(row["val/generator_criterion"] - row["val/quadrature_value"] for row in found) / len(found),
        ]
        for k, found in rows.items()
    }
    assert means[1][0] > 1.5 * means[3][0] > 1.5**2 * means[10][0], means
    assert means[1][1] > 2 * means[3][1] > 2**2 * means[10][1], means
    for row in (row for found in rows.values() for row in found):
        assert row["val/quadrature_value"] <= row["val/generator_criterion"] + 1e-6
        assert row["val/generator_criterion"] == pytest.approx(-1.3862944 + 2 * row["val/jsd"], abs=1e-6)
        assert row["val/value"] == pytest.approx(row["val/quadrature_value"], abs=0.1)  # of 2,000 points


def test_it_logs_what_the_weights_say_in_validation_and_test_and_changes_nothing(tmp_path: Path) -> None:
    gan, logged = _gan(), Logged()
    run = trainer(max_steps=2, callbacks=[KnownDensityEvaluation(), logged], precision="32-true")
    data = _toy(num_train=200)
    run.fit(gan, data)
    game = known_game(gan, data.mixture)
    expected = dict(zip(_NAMES, (game.value, game.criterion, game.jsd, game.d_error), strict=True))
    assert {name: logged.rows[-1][f"val/{name}"] for name in _NAMES} == pytest.approx(expected, abs=1e-6)
    [tested] = run.test(gan, data, verbose=False)
    assert {name: tested[f"test/{name}"] for name in _NAMES} == pytest.approx(expected, abs=1e-6)
    plain = _gan()
    trainer(max_steps=2, precision="32-true").fit(plain, _toy(num_train=200))
    assert all(map(torch.equal, plain.parameters(), gan.parameters()))


@pytest.mark.parametrize(
    ("gan", "data", "message"),
    [
        ({}, DigitsDataModule(), r"got data without a known density \(DigitsDataModule\): expected a .*ToyDataModule"),
        ({}, ToyDataModule(Ring()), "needs data of one dimension, got 2: expected a mixture"),
        ({"objective": Hinge()}, _toy(), "Hinge makes no probability of D's logits"),
    ],
)
def test_data_and_players_that_theory_says_nothing_of_are_told(gan: Any, data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        trainer(max_steps=1, callbacks=[KnownDensityEvaluation()]).fit(_gan(**gan), data)


def test_bare_loaders_are_told() -> None:
    with pytest.raises(UserError, match=r"got data without a known density \(bare loaders\)"):
        trainer(max_steps=1, callbacks=[KnownDensityEvaluation()]).fit(linear_gan(), loader(examples(8), 4))
