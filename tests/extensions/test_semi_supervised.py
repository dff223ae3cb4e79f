"""The semi-supervised GAN: its losses by hand, labels that are never read, going on, sharing out."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from command_line import QUIET, SHORT, lit_gan, metrics, the_run
from ranks import on_ranks
from semi_supervised_cases import SHAPE, Blots, Rounds, checkpointed, on_both, scrambled, small
from tiny_gan import trainer
from torch import nn

from lit_gan.augmentation import InstanceNoise
from lit_gan.callbacks import DiscriminatorEMA
from lit_gan.coordination import FixedSteps
from lit_gan.data import DigitsDataModule
from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.extensions.semi_supervised import SemiSupervisedGAN
from lit_gan.gan import GAN
from lit_gan.networks import MLPDiscriminator, MLPGenerator, NoisyMLPDiscriminator
from lit_gan.objectives import NonSaturating


@pytest.fixture(autouse=True)
def _seed_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")


def test_d_says_an_example_what_is_of_any_class() -> None:
    gan, x = small().double().eval(), torch.rand(5, *SHAPE, dtype=torch.float64)
    logits = gan.discriminator(x)
    probability = logits.exp().sum(1) / (1 + logits.exp().sum(1))
    torch.testing.assert_close(gan.discriminate(x).sigmoid()[:, 0], probability)
    torch.testing.assert_close(gan.classify(x), logits.softmax(1))


class Watched(SemiSupervisedGAN):
    """Keeps what was added to D's loss, and how it came about."""

    def auxiliary_loss(self, turn: Turn) -> torch.Tensor | None:
        added = super().auxiliary_loss(turn)
        if added is not None:
            x, labels = self._labelled_minibatch(turn)
            self.seen.append((added.detach(), F.cross_entropy(self.discriminator(x), labels).detach(), labels))
        return added


def test_labelled_examples_add_their_cross_entropy_all_of_them_in_turn() -> None:
    gan = small(Watched, noise=0, label_weight=0.25)
    gan.seen = []
    trainer(max_steps=3).fit(gan, datamodule=Blots())
    assert all(added.item() == pytest.approx(0.25 * expected.item()) for added, expected, _ in gan.seen)
    assert [labels.bincount().tolist() for _, _, labels in gan.seen] == [[2, 2, 2]] * 3  # six labels, six rows


def test_labelled_rows_are_augmented_by_draws_of_their_own_whatever_the_micro_batches() -> None:
    ends = []
    for pieces in (1, 3):
        steps = FixedSteps(1, micro_batches=pieces)
        gan = small(noise=0, augment=InstanceNoise(0.3), coordination=steps, objective=NonSaturating())
        trainer(max_steps=3).fit(gan, datamodule=Blots())
        ends.append([weight.detach() for weight in gan.parameters()])
    for whole, in_pieces in zip(*ends, strict=True):
        torch.testing.assert_close(whole, in_pieces, rtol=1e-9, atol=1e-12)


def test_labels_that_were_not_drawn_are_never_read() -> None:
    labels = torch.arange(60) % 3
    other = scrambled(labels, 6, 3, label_seed=2)
    assert (other != labels).double().mean() > 0.5
    weights = []
    for given in (labels, other):
        gan = small(label_seed=2)
        trainer(max_epochs=2, callbacks=[DiscriminatorEMA()]).fit(gan, datamodule=Blots(given))
        weights.append({**gan.state_dict(), **(gan.discriminator_average or {})})
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_those_that_were_drawn_are() -> None:
    weights = []
    for turned in (0, 1):
        gan = small()
        trainer(max_steps=2).fit(gan, datamodule=Blots((torch.arange(60) + turned) % 3))
        weights.append(gan.discriminator.output.bias)
    assert not torch.equal(*weights)


def test_the_draw_has_a_seed_of_its_own() -> None:
    drawn = []
    for label_seed in (0, 0, 1):
        gan = small(label_seed=label_seed)
        trainer(max_steps=1).fit(gan, datamodule=Blots())
        drawn.append(gan._labelled.images)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_it_learns_the_classes_and_says_how_many_it_gets_wrong() -> None:
    gan, data = small(optimizer_d=lambda weights: torch.optim.Adam(weights, lr=0.02)), Blots()
    fit = trainer(max_epochs=20, callbacks=[DiscriminatorEMA()])
    fit.fit(gan, datamodule=data)
    tested = fit.test(gan, datamodule=data, verbose=False)[0]["test/error"]
    truth = data.dataset("test").labels
    assert tested == pytest.approx((gan.classify(data.images("test")).argmax(1) != truth).double().mean().item())
    assert tested < 0.1
    assert fit.callback_metrics["test/error"].item() == tested


def test_the_average_classifies_and_nothing_else() -> None:
    gan, x = small().double().eval(), torch.rand(4, *SHAPE, dtype=torch.float64)
    plain = gan.classify(x)
    gan.discriminator_average = {name: 2 * value.detach() for name, value in gan.discriminator.named_parameters()}
    other = small().double().eval()
    other.discriminator.load_state_dict(gan.discriminator.state_dict() | gan.discriminator_average)
    torch.testing.assert_close(gan.classify(x), other.classify(x))
    assert not torch.allclose(gan.classify(x), plain)
    assert torch.equal(gan.discriminator(x).softmax(1), plain)


def test_any_objective_will_do_and_labelled_examples_may_be_given() -> None:
    images, labels = torch.rand(3, *SHAPE, dtype=torch.float64), torch.arange(3)
    gan = small(objective=NonSaturating(), labelled=(images, labels))
    assert (gan.num_labels, gan.minibatches_per_round) == (3, 1)
    trainer(max_steps=2).fit(gan, Rounds(torch.rand(20, *SHAPE, dtype=torch.float64)))
    assert gan.trainer.callback_metrics["train/label_loss"] > 0


# -- Going on, and sharing out -----------------------------------------------------------------------------------------


def test_resumed_in_an_epoch_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = checkpointed(tmp_path / "whole", 8)
    checkpointed(tmp_path / "stopped", 4)
    gone_on = checkpointed(tmp_path / "on", 8, ckpt_path=tmp_path / "stopped" / "last.ckpt", weights_only=True)
    for one, other in (
        (gone_on.state_dict(), whole.state_dict()),
        (gone_on.discriminator_average, whole.discriminator_average),
    ):
        assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_checkpoint_alone_samples_and_classifies(tmp_path: Path) -> None:
    gan = checkpointed(tmp_path, 3)
    loaded = SemiSupervisedGAN.load_from_checkpoint(
        tmp_path / "last.ckpt", generator=small().generator, discriminator=small().discriminator, num_classes=3
    )
    x = torch.rand(4, *SHAPE)
    assert torch.equal(loaded.sample(4, rng=0), gan.sample(4, rng=0))
    assert torch.equal(loaded.classify(x), gan.classify(x))


def test_the_command_trains_tests_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = [f"--model.init_args.{player}.init_args.hidden=[8]" for player in ("generator", "discriminator")]
    ending = lit_gan("fit", "--config=digits_semi_supervised", *SHORT, *small, "--trainer.max_epochs=1")
    assert (ending.code, ending.err) == (0, "")
    run = the_run()
    last = metrics(run)[-1]
    assert 0 < float(last["val/error"]) <= 1
    assert float(last["train/label_loss"]) > 0
    assert lit_gan("test", run, *QUIET).code == 0
    tested = float(metrics(run)[-1]["test/error"])
    gan, data = GAN.load_from_checkpoint(run), DigitsDataModule()
    assert isinstance(gan, SemiSupervisedGAN)
    assert gan.discriminator_average is not None
    wrong = gan.classify(data.images("test")).argmax(1) != data.dataset("test").labels
    assert tested == pytest.approx(wrong.double().mean().item())
    assert lit_gan("sample", run, "--num=4", "--out=grid.pt").code == 0
    assert torch.equal(torch.load("grid.pt", weights_only=True), gan.sample(4, rng=0))


def test_the_command_says_in_one_line_what_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for num, message in ((0, "num_labels = 0: no label at all"), (5, "num_labels = 5: fewer labels than classes")):
        ending = lit_gan("fit", "--config=digits_semi_supervised", *SHORT, f"--model.init_args.num_labels={num}")
        assert message in ending.line
    ending = lit_gan("fit", "--config=digits_semi_supervised", *SHORT, "--model.init_args.num_labels=1195")
    assert "examples of class" in ending.line


@pytest.mark.slow
def test_two_ranks_equal_one_process(tmp_path: Path) -> None:
    alone = on_both(None)
    assert {"val/error", "val/loss_d", "average output.weight"} <= alone.keys()
    assert "val/loss_g" not in alone  # of features there are none there
    for rank in on_ranks(on_both, 2, tmp_path):
        assert rank.keys() == alone.keys()
        for name, value in alone.items():
            assert torch.allclose(rank[name].double(), value.double(), rtol=0, atol=1e-11), name


# -- What cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_labels": 0}, r"^num_labels = 0: no label at all: expected at least one for each of the 3 classes"),
        ({"num_labels": 2}, r"^num_labels = 2: fewer labels than classes"),
        ({"label_weight": -1.0}, r"^label_weight = -1.0: expected 0 or more"),
    ],
)
def test_what_cannot_be_is_told(change: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        small(**change)


def test_another_number_of_classes_is_told() -> None:
    players = MLPGenerator(SHAPE), NoisyMLPDiscriminator(SHAPE, 3)
    with pytest.raises(UserError, match=r"^the discriminator's num_classes = 3 but the data have 10 classes: expected"):
        SemiSupervisedGAN(*players, 10)
    with pytest.raises(UserError, match=r"^num_classes = 0: expected data with labels of at least 2 classes"):
        SemiSupervisedGAN(*players, 0)
    gan = SemiSupervisedGAN(MLPGenerator(SHAPE), MLPDiscriminator(SHAPE), 3)
    with pytest.raises(UserError, match=r"^the discriminator \(MLPDiscriminator\) gives .* a logit for each class"):
        gan.classify(torch.rand(2, *SHAPE))


def test_an_unlabelled_data_set_is_told() -> None:
    with pytest.raises(UserError, match=r"^SemiSupervisedGAN needs a few labels, and Blots has none"):
        trainer(max_steps=1).fit(small(), datamodule=Blots(num_classes=0))


def test_a_d_without_features_is_told() -> None:
    class Bare(nn.Module):
        num_classes = 3

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x.flatten(1))

    gan = SemiSupervisedGAN(MLPGenerator(SHAPE, 3, (4,)), Bare(), 3, num_labels=6)
    with pytest.raises(UserError, match=r"^the objective matches features, and the discriminator \(Bare\) has no"):
        trainer(max_steps=1).fit(gan, datamodule=Blots())
