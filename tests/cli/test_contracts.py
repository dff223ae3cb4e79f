"""Users' parts that do not fit: told before the first round, in one line with the way out, and nothing is left."""

import re
from pathlib import Path

import pytest
from command_line import QUIET, Ending, lit_gan, the_run, weights

from lit_gan.engine.value_ranges import ContractWarning
from lit_gan.strategies.step_count import StepCountWarning

_PARTS = {
    "model": "lit_gan.GAN",
    "model.generator": "faulty_parts.FaultyGenerator",
    "model.discriminator": "faulty_parts.FaultyDiscriminator",
    "data": "faulty_parts.FaultyData",
}


def _fit(options: dict[str, str], *flags: str) -> Ending:
    chosen = [f"--{name}={value}" for name, value in {**_PARTS, **options}.items()]
    short = ("--wandb=off", "--report=false", "--sample_grid.num_samples=4")
    rounds = ("--trainer.max_steps=2", "--trainer.log_every_n_steps=1")
    return lit_gan("fit", *chosen, *QUIET, *short, *rounds, *flags)


def test_parts_that_fit_train_without_a_word() -> None:
    ending = _fit({})
    assert (ending.code, ending.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # batches; tests/engine has the others
        (
            {"data.form": "bytes"},
            r"training data are bytes \(torch.uint8\).*expected torch.float32 in \[0.0, 1.0\].*x.float\(\) / 255",
        ),
        ({"data.form": "nan"}, "first batch of the training data holds values that are not finite"),
        (
            {"data.form": "0 to 255"},
            r"values from .* to 25\d.*, but faulty_parts.FaultyData declares value_range = \[0.0, 1.0\]: scale",
        ),
        ({"data.form": "none"}, "the batch is None: expected the examples"),
        (
            {"data.form": "two names"},
            r'image, pixel_values could all be the examples: .*split_batch.*`return batch\["image"\], None`',
        ),
        (
            {"data": "faulty_parts.ValidatedData", "data.validation": "float64"},
            r"validation data are torch.float64 and the networks torch.float32.*\.float\(\) in the data set.*64-true",
        ),
        ({"model": "faulty_parts.ExamplesAlone"}, "ExamplesAlone.split_batch gives a tensor .*: expected two things"),
        ({"data": "faulty_parts.NoTrainingData"}, "train_dataloader"),
        # the generator
        (
            {"model.generator.fault": "size"},
            r"generator \(faulty_parts.FaultyGenerator\) makes samples of shape \(1, 6, 6\) but .* \(1, 8, 8\): ",
        ),
        (
            {"model.generator": "faulty_parts.LatentMaps"},
            r"generator \(faulty_parts.LatentMaps\) fails on latents \(20, 4\): .*nn.Unflatten\(1, \(nz, 1, 1\)\)",
        ),
        ({"model.generator.fault": "detached"}, "samples that do not depend on its weights"),
        ({"model.generator.fault": "key"}, r"latents \(20, 4\): KeyError: 'images' \(faulty_parts.py, line \d+\)"),
        (
            {"model.generator.fault": "range"},
            r"the data lie in \[0.0, 1.0\] but .* gives \[-1.0, 1.0\]: .*--data.init_args.value_range '\[-1.0, 1.0\]'",
        ),
        # the discriminator
        (
            {"model.discriminator.fault": "list"},
            r"discriminator \(faulty_parts.FaultyDiscriminator\) gives a list of 2 tensors: .*discriminate",
        ),
        (
            {"model.discriminator.fault": "channels"},
            r"Discriminator\) fails on images \(40, 1, 8, 8\): RuntimeError: (addmm: )?mat1 and mat2 .*image_shape",
        ),
    ],
)
def test_a_part_that_does_not_fit_is_told_and_leaves_no_run(options: dict[str, str], message: str) -> None:
    line = _fit(options).line
    assert re.search(message, line), line
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model.discriminator.fault": "sigmoid"}, r"FaultyDiscriminator\) ends in a Sigmoid: expected logits"),
        ({"model.discriminator.fault": "probabilities"}, r"FaultyDiscriminator\) ends in a Sigmoid"),
        (
            {"model.generator.fault": "tanh"},
            r"\(faulty_parts.FaultyGenerator\) ends in a Tanh, .*--data.init_args.value_range '\[-1.0, 1.0\]'",
        ),
        ({"model": "faulty_parts.OwnSteps"}, "OwnSteps.training_step makes 2 optimiser steps a batch"),
    ],
)
def test_what_looks_wrong_is_told_once_and_trains(options: dict[str, str], message: str) -> None:
    with pytest.warns((ContractWarning, StepCountWarning), match=message) as told:
        ending = _fit(options, "--trainer.max_steps=4")
    assert ending.code == 0, ending.err
    assert len([each for each in told if each.category in (ContractWarning, StepCountWarning)]) == 1


@pytest.mark.parametrize("form", ["pixel_values", "named tuple"])
def test_batches_with_names_train_and_are_evaluated_as_bare_ones(form: str) -> None:
    data = {"data": "faulty_parts.ValidatedData", "data.form": form, "data.validation": form}
    assert _fit(data, "--run_dir=named", "--parzen.num_samples=4", "--parzen.sigma=1").err == ""
    assert _fit({}, "--run_dir=bare").err == ""
    named, bare = weights(Path("named")), weights(Path("bare"))
    assert all(named[name].equal(bare[name]) for name in bare)


def test_the_lines_that_a_message_shows_are_the_way_out() -> None:
    assert _fit({"data.form": "no usual name", "model": "faulty_parts.ByName"}).code == 0
    assert weights(the_run())


def test_float64_trains_in_float64() -> None:
    ending = _fit({"data.form": "float64"}, "--trainer.precision=64-true")
    assert (ending.code, ending.err) == (0, "")


def test_an_evaluation_checks_its_data_too() -> None:
    assert _fit({"data": "faulty_parts.ValidatedData"}).code == 0
    line = lit_gan("validate", the_run(), *QUIET, "--data.validation=bytes").line
    assert "the examples of the validation data are bytes (torch.uint8)" in line
