"""What users' parts are held to, one fault at a time, and that nothing has moved when it is told."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from faulty_parts import (
    Batches,
    FaultyData,
    FaultyDiscriminator,
    FaultyGenerator,
    LatentMaps,
    OwnConditional,
    ValidatedData,
)
from ranks import on_ranks
from tiny_gan import sgd, trainer
from torch import Tensor, nn

from lit_gan.coordination import FixedSteps
from lit_gan.engine.example_contract import ExampleContract
from lit_gan.engine.look import Look
from lit_gan.engine.probabilities import ends_in_probabilities
from lit_gan.engine.value_ranges import ContractWarning
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.objectives import LeastSquares, NonSaturating


def _gan(generator: str = "", discriminator: str = "", cls: type[GAN] = GAN, **kwargs: Any) -> GAN:
    players = FaultyGenerator(generator), FaultyDiscriminator(discriminator)
    return cls(*players, optimizer_g=sgd(), optimizer_d=sgd(), **kwargs)


def _fit(gan: GAN, data: Any = None, **kwargs: Any) -> GAN:
    settings = {"precision": "32-true", "max_steps": 2, **kwargs}
    trainer(**settings).fit(gan, FaultyData() if data is None else data)
    return gan


def _refused(gan: GAN, data: Any = None, **kwargs: Any) -> str:
    """What is said, and nothing has moved."""
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    with pytest.raises(UserError) as caught:
        _fit(gan, data, **kwargs)
    assert gan.global_step == 0
    assert "\n" not in str(caught.value)
    assert all(value.equal(before[name]) for name, value in gan.state_dict().items())
    return str(caught.value)


# -- Batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("bytes", r"are bytes \(torch.uint8\), 0 to 255: expected torch.float32 in \[0.0, 1.0\]: .*x.float\(\) / 255"),
        ("whole numbers", r"are whole numbers \(torch.int64\): expected torch.float32"),
        ("truth values", r"are truth values \(torch.bool\)"),
        ("complex", r"are complex \(torch.complex64\).*view_as_real"),
        ("float64", r"are torch.float64 and the networks torch.float32: .*\.float\(\) .*--trainer.precision 64-true"),
        ("float16", r"are torch.float16 and the networks torch.float32: .*--trainer.precision 16-true"),
        ("bfloat16", r"are torch.bfloat16 and .*--trainer.precision bf16-true"),
        ("nan", "not finite"),
        ("inf", "not finite"),
        ("0 to 255", r"declares value_range = \[0.0, 1.0\]"),
        ("-1 to 1", r"values from -0\.\d+ to 0\.9\d+, but faulty_parts.FaultyData declares value_range = \[0.0, 1.0\]"),
        ("gradient", "require a gradient: expected plain data; .detach()"),
        ("channels last", r"the shape \(8, 8, 3\) but faulty_parts.FaultyData.image_shape = \(1, 8, 8\)"),
        ("no channels", r"shape \(8, 8\) but .*: expected the same; the axis of the channels is missing: x.unsqueeze"),
        ("flat", r"are a tensor \(20,\) of torch.float32: expected rows of data"),
        ("empty", "a batch of 0 rows cannot be cut"),
        ("none", "the training loader gives None"),
        ("text", "the batch is a str"),
        ("nested", "first entry is a list of 2 tensors"),
        ("array", r"the batch is a numpy.ndarray \(20, 1, 8, 8\)"),
        ("two names", "image, pixel_values could all be the examples"),
        ("pictures in a list", "entry 'image' is a list of 20 strs"),
    ],
)
@pytest.mark.filterwarnings("ignore:train_dataloader yielded None")
def test_a_batch_that_cannot_be_trained_on_is_told(form: str, message: str) -> None:
    assert re.search(message, _refused(_gan(), FaultyData(form)))


def test_channels_that_come_last_are_told_the_turn() -> None:
    data = FaultyData("channels last", image_shape=(3, 8, 8))
    data.train_dataloader = lambda: Batches("channels last", (1, 8, 8))
    assert "channels come first: x.permute(0, 3, 1, 2)" in _refused(_gan(), data)


@pytest.mark.parametrize("form", ["bytes", "nan", "0 to 255", "no usual name"])
def test_held_out_batches_are_checked_before_the_first_round(form: str) -> None:
    told = _refused(_gan(), ValidatedData(validation=form))
    assert "validation data" in told or "split_batch" in told


@pytest.mark.parametrize(
    ("form", "value_range", "message"),
    [
        ("", (-1.0, 1.0), r"values from [\d.e-]+ to [\d.]+, the upper part alone of what is declared .*\[-1.0, 1.0\]"),
        ("", (0.0, 255.0), r"next to nothing of what is declared .*\[0.0, 255.0\]\): have they been scaled twice\?"),
    ],
)
def test_a_range_that_is_hardly_used_is_a_warning(form: str, value_range: Any, message: str) -> None:
    with pytest.warns(ContractWarning, match=message) as told:
        _fit(_gan("linear"), FaultyData(form, value_range=value_range))
    assert len([each for each in told if each.category is ContractWarning]) == 1


@pytest.mark.parametrize(("form", "told"), [("0 to 255", True), ("-1 to 1", False)])
def test_without_a_declared_range_the_generators_counts(form: str, told: bool) -> None:
    gan, data = _gan("range"), FaultyData(form, value_range=None)
    if told:
        assert re.search(
            r"to 25\d, but the generator .* gives \[-1.0, 1.0\]: expected the same range", _refused(gan, data)
        )
    else:
        _fit(gan, data)


def test_without_a_declared_range_half_of_the_generators_is_a_warning() -> None:
    with pytest.warns(ContractWarning, match=r"gives \[-1.0, 1.0\]: are the data scaled to that"):
        _fit(_gan("range"), FaultyData(value_range=None))


def test_rounding_beyond_the_range_is_none() -> None:
    examples = ExampleContract("the generator", Look(FaultyData(), closely=True))
    x = torch.rand(4, 1, 8, 8)
    x[0, 0, 0, 0] = 1 + 5e-4
    examples.check(x, torch.float32)
    examples.check(x.bfloat16() + 0.01, torch.bfloat16)
    x[0, 0, 0, 0] = 1 + 5e-3
    with pytest.raises(UserError, match=r"to 1\.005, but"):
        examples.check(x, torch.float32)


@pytest.mark.parametrize("value_range", [(1.0, 0.0), (0.0,), "ab", (0.0, float("inf"))])
def test_a_range_that_is_none_is_told(value_range: Any) -> None:
    told = _refused(_gan(), FaultyData(value_range=value_range))
    assert "faulty_parts.FaultyData.value_range = " in told
    assert "expected two finite numbers, the lower one first" in told


def test_values_are_read_in_the_first_round_alone() -> None:
    class LaterNaN:
        def __len__(self) -> int:
            return 4

        def __iter__(self) -> Any:
            good, bad = torch.rand(20, 1, 8, 8), torch.full((20, 1, 8, 8), 9.0)
            return iter([good, bad, bad, bad])

    data = FaultyData()
    data.train_dataloader = LaterNaN
    gan = _gan()
    _fit(gan, data, max_steps=4)
    data.train_dataloader = lambda: Batches("0 to 255", (1, 8, 8))
    with pytest.raises(UserError, match="declares value_range"):  # of the next training
        _fit(gan, data)


# -- Conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lambda self, batch: batch, r"split_batch gives a tensor \(20, 1, 8, 8\) .*: expected two things"),
        (lambda self, batch: (batch, [1, 2]), "split_batch gives a tuple of 2 entries"),
        (lambda self, batch: (batch, torch.zeros(7)), r"and a tensor \(7,\) of torch.float32 as their condition: exp"),
        (
            lambda self, batch: batch["image"],
            r"split_batch fails on a tensor .*: IndexError: .*test_contracts.py, line",
        ),
    ],
)
def test_a_batch_that_is_taken_apart_wrongly_is_told(split: Any, message: str) -> None:
    assert re.search(message, _refused(_gan(cls=type("Own", (GAN,), {"split_batch": split}))))


@pytest.mark.parametrize(
    ("classes", "form", "message"),
    [
        (3, "", "without labels: expected images with the class of each"),
        (
            2,
            "pair",
            r"the labels of a batch of the training data run from 0 to 2: expected 0 to 1, for num_classes = 2",
        ),
        (2, "image", "run from 0 to 2"),
    ],
)
def test_labels_are_checked(classes: int, form: str, message: str) -> None:
    assert re.search(message, _refused(_gan(cls=OwnConditional, num_classes=classes), FaultyData(form)))


def test_networks_without_a_condition_in_a_conditional_game_are_told() -> None:
    told = _refused(_gan(cls=ConditionalGAN, num_classes=3), FaultyData("image"))
    assert re.search(r"generator \(.*\) fails on latents \(20, 4\): TypeError: .* takes 2 positional arguments", told)


@pytest.mark.parametrize("form", ["image", "image with a mapping", "mapping with labels"])
def test_a_conditional_game_takes_named_labels(form: str) -> None:
    assert _fit(_gan(cls=OwnConditional, num_classes=3), FaultyData(form)).global_step == 2


# -- G ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "size",
            r"samples of shape \(1, 6, 6\) but the examples .* the shape \(1, 8, 8\): expected the same; with image_s",
        ),
        ("channels", r"samples of shape \(3, 8, 8\) but"),
        ("rank", r"samples of shape \(64,\) but"),
        ("rows", r"gives a tensor \(10, 1, 8, 8\) of torch.float32 for 20 latents: expected 20 rows"),
        ("tuple", "gives a tuple of 2 tensors: expected one tensor of samples"),
        ("mapping", "gives a dict with sample: expected one tensor"),
        ("nan", "samples that are not finite"),
        ("float64", "gives torch.float64 and the examples are torch.float32"),
        ("whole numbers", "of torch.int64: expected floating-point samples"),
        ("raises", r"fails on latents \(20, 4\): RuntimeError: .*faulty_parts.py, line \d+\)"),
    ],
)
def test_samples_that_d_cannot_see_are_told(fault: str, message: str) -> None:
    told = _refused(_gan(fault))
    assert told.startswith("the generator (faulty_parts.FaultyGenerator) ")
    assert re.search(message, told), told


def test_samples_without_a_gradient_are_told_before_the_round_counts() -> None:
    gan = _gan("detached")
    with pytest.raises(UserError, match="samples that do not depend on its weights"):
        _fit(gan)
    assert gan.global_step == 0


def test_latents_in_four_dimensions_are_told_their_first_layer() -> None:
    told = _refused(GAN(LatentMaps(), FaultyDiscriminator()))
    assert "let its first layer be nn.Unflatten(1, (nz, 1, 1))" in told
    mended = LatentMaps()
    mended.layers.insert(0, nn.Unflatten(1, (4, 1, 1)))
    assert _fit(GAN(mended, FaultyDiscriminator())).global_step == 2


def test_sampling_tells_what_is_wrong_with_g() -> None:
    with pytest.raises(UserError, match=r"LatentMaps\) fails on latents \(3, 4\).*nn.Unflatten"):
        GAN(LatentMaps(), FaultyDiscriminator()).sample(3)
    with pytest.raises(UserError, match="gives a tuple of 2 tensors"):
        _gan("tuple").sample(3)


def test_an_overridden_generate_is_held_to_the_same() -> None:
    class Own(GAN):
        def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
            return super().generate(z, condition)[:, :, :4]

    assert "samples of shape (1, 4, 8) but" in _refused(_gan(cls=Own))


@pytest.mark.parametrize(
    ("last", "output_range", "warns"),
    [
        (nn.Tanh(), None, True),
        (nn.Sequential(nn.Tanh(), nn.Identity()), None, True),
        (nn.Hardtanh(), None, True),
        (nn.Hardtanh(0, 1), None, False),
        (nn.Sigmoid(), None, False),
        (nn.Identity(), None, False),
        (nn.Tanh(), (0.0, 1.0), False),  # it says what it does with it
    ],
)
def test_a_last_layer_of_another_range_than_the_datas_is_a_warning(last: Any, output_range: Any, warns: bool) -> None:
    generator = FaultyGenerator()
    generator.last = last
    generator.forward = lambda z: generator.last(generator.layer(z)).view(-1, 1, 8, 8).abs() / 4  # type: ignore[method-assign]
    generator.output_range = output_range
    gan = GAN(generator, FaultyDiscriminator())
    if warns:
        with pytest.warns(
            ContractWarning, match=r"ends in a \w+, which gives \[-1.0, 1.0\]: --data.init_args.value_range"
        ):
            _fit(gan)
    else:
        _fit(gan)


def test_samples_outside_of_what_g_declares_are_a_warning() -> None:
    gan = _gan("tanh")
    gan.generator.output_range = (0.0, 1.0)
    with pytest.warns(
        ContractWarning, match=r"gives values from -0\.\d+ to .*, but declares output_range = \[0.0, 1.0\]"
    ):
        _fit(gan)


# -- D ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("list", "gives a list of 2 tensors: expected one tensor of logits"),
        ("tuple", "gives a tuple of 2 tensors"),
        ("mapping", "gives a dict with logits"),
        ("rows", r"gives a tensor \(20, 2\) of torch.float32 for 40 images: expected 40 rows"),
        ("scalar", r"gives a tensor \(\) of torch.float32 for 40 images"),
        ("detached", "logits that no gradient flows through"),
        ("inf", "logits that are not finite"),
        ("whole numbers", "expected floating-point logits"),
        (
            "channels",
            r"fails on images \(40, 1, 8, 8\): RuntimeError: (addmm: )?mat1 and mat2 shapes .*\(faulty_parts.py, line",
        ),
    ],
)
def test_what_is_no_logit_of_each_image_is_told(fault: str, message: str) -> None:
    told = _refused(_gan("", fault))
    assert told.startswith("the discriminator (faulty_parts.FaultyDiscriminator) ")
    assert re.search(message, told), told


def test_a_d_that_sees_examples_and_samples_apart_is_held_to_the_rows_of_each() -> None:
    gan = _gan("", "rows")
    gan._joint_forward = False
    assert re.search(r"gives a tensor \(10, 2\) .* for 20 images: expected 20 rows", _refused(gan))


def test_a_d_that_gives_g_no_gradient_is_told() -> None:
    with pytest.raises(UserError, match="logits that no gradient flows through, neither to its weights nor to G's"):
        _fit(_gan("", "argmax of x"))


@pytest.mark.parametrize("form", ["(N,)", "map"])
def test_rows_of_logits_in_other_forms_train(form: str) -> None:
    assert _fit(_gan("", form)).global_step == 2


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), True),
        (nn.Sequential(nn.Linear(4, 1), nn.Sequential(nn.Sigmoid(), nn.Flatten(0))), True),
        (nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1)), True),
        (nn.Sequential(nn.Linear(4, 2), nn.LogSoftmax(dim=1)), True),
        (nn.Sequential(nn.Linear(4, 1), nn.LogSigmoid()), True),
        (nn.Sequential(nn.Linear(4, 1), nn.Hardsigmoid(), nn.Dropout(0.1)), True),
        (nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 1)), nn.Sigmoid()), True),
        (nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 1)), False),
        (nn.Sequential(nn.Linear(4, 1)), False),
        (nn.Linear(4, 1), False),
        (nn.utils.parametrizations.spectral_norm(nn.Linear(4, 1)), False),
    ],
)
def test_a_last_sigmoid_is_seen_wherever_it_stands(network: nn.Module, expected: bool) -> None:
    assert ends_in_probabilities(network) is expected


def test_a_parametrisation_is_no_layer() -> None:
    network = nn.Sequential(nn.Linear(4, 1))
    nn.utils.parametrize.register_parametrization(network[0], "weight", nn.Sigmoid())
    assert not ends_in_probabilities(network)


@pytest.mark.parametrize(
    ("fault", "name"),
    [("probabilities", "Sigmoid"), ("squeezed sigmoid", "Sigmoid"), ("softmax", "Softmax")],
)
def test_probabilities_are_told_in_the_first_round_wherever_they_are_made(fault: str, name: str) -> None:
    with pytest.warns(ContractWarning, match=rf"FaultyDiscriminator\) ends in a {name}: expected logits") as told:
        _fit(_gan("", fault), max_steps=4)
    assert len([each for each in told if each.category is ContractWarning]) == 1


def test_outputs_that_all_lie_in_0_1_are_told_in_a_round_that_is_logged_and_once() -> None:
    with pytest.warns(ContractWarning, match=r"lie in \[0, 1\] after 20 rounds, as probabilities do") as told:
        _fit(_gan("", "clamped"), max_steps=48, log_every_n_steps=24)
    assert len([each for each in told if each.category is ContractWarning]) == 1


@pytest.mark.parametrize("fault", ["", "(N,)", "map"])
def test_logits_are_no_probabilities(fault: str) -> None:
    _fit(_gan("", fault), max_steps=24)


def test_an_objective_on_bounded_outputs_may_have_them() -> None:
    _fit(_gan("", "probabilities", objective=LeastSquares()))


def test_a_loss_that_is_no_scalar_is_told() -> None:
    class PerRow(NonSaturating):
        def loss_d(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
            return fake_logits - real_logits

    told = _refused(_gan(objective=PerRow()))
    assert re.search(
        r"the objective's loss_d \(.*PerRow\) gives a tensor \(20, 1\) .*: expected a scalar, as by .mean", told
    )


# -- In the game ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"k": 2}, {"micro_batches": 3}])
def test_the_first_round_is_checked_in_all_its_parts(options: dict[str, int]) -> None:
    coordination = FixedSteps(**options)
    assert _fit(_gan(coordination=coordination)).global_step == 2
    assert "gives a list" in _refused(_gan("", "list", coordination=coordination))


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true", "bf16-true"])
def test_all_precisions_pass(precision: str) -> None:
    assert _fit(_gan(), precision=precision).global_step == 2


def test_nothing_is_computed_for_a_check() -> None:
    calls = []
    gan = _gan()
    gan.generator.register_forward_hook(lambda *_: calls.append("G"))
    gan.discriminator.register_forward_hook(lambda *_: calls.append("D"))
    _fit(gan, max_steps=1)
    assert calls == ["G", "D", "G", "D"]


# -- On several ranks -------------------------------------------------------------------------------------------------


def refused_on_a_rank(rank: int) -> str:
    """What each of two ranks says of a fault of the second one's data."""
    gan = _gan()
    try:
        trainer(precision="32-true", max_steps=2, devices=2, strategy="ddp_gan").fit(gan, FaultyData("nan", on_rank=1))
    except UserError as error:
        return f"{gan.global_step} {error}"
    return "trained"


@pytest.mark.slow
def test_a_fault_of_one_rank_is_told_by_all(tmp_path: Path) -> None:
    first, second = on_ranks(refused_on_a_rank, 2, tmp_path)
    assert first == second
    assert first.startswith("0 the first batch of the training data holds values that are not finite")
