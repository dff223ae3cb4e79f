"""``${...}`` means what it would mean to type the value: in every place, under every verb, in every shipped run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import QUIET, SHORT, checkpoint, fit, lit_gan, resolved, the_run, weights
from fake_sweep import write
from nursery import nursery

from lit_gan.cli.parsing.shipped import find, shipped_names
from lit_gan.cli.trainer.command import Command
from lit_gan.cli.trainer.settings import trainer_settings
from lit_gan.engine.stored_configuration import escaped

_MODEL = "model.init_args"
_CLOSED = "expected ${path.of.a.key} or ${oc.env:VARIABLE}, closed by a brace."


def _more(content: str, name: str = "more.yaml") -> str:
    Path(name).write_text(content)
    return name


def _options(*arguments: str, config: str = "quickstart") -> Any:
    """What a command is, parsed to its end."""
    return Command("fit", ["--config", config, *arguments]).options


# What is written, and what the same would be if it were typed: flags, or a file.
_WRITTEN = {
    "a number": ("sample_grid: {num_samples: '${data.init_args.batch_size}'}", "sample_grid: {num_samples: 100}"),
    "a default of the data": (
        "trainer: {max_steps: '${data.init_args.seed}'}", "trainer: {max_steps: 0}",
    ),
    "a default of the trainer": ("sample_grid: {num_samples: '${trainer.num_nodes}'}", "sample_grid: {num_samples: 1}"),
    "within a list": (
        "model: {init_args: {generator: {init_args: {hidden: ['${data.init_args.batch_size}', 256]}}}}",
        "model: {init_args: {generator: {init_args: {hidden: [100, 256]}}}}",
    ),
    "a whole list": (
        "model: {init_args: {generator: {init_args: {hidden: '${model.init_args.discriminator.init_args.hidden}'}}}}",
        "model: {init_args: {generator: {init_args: {hidden: [64, 64]}}}}",
    ),
    "an element of a list": (
        "sample_grid: {num_samples: '${model.init_args.generator.init_args.hidden[1]}'}",
        "sample_grid: {num_samples: 256}",
    ),
    "within a tuple": (
        ("model: {init_args: {optimizer_g: {class_path: torch.optim.Adam, init_args: {"
        "lr: 0.1, betas: ['${model.init_args.optimizer_d.init_args.momentum}', 0.99]}}}}"),
        "model: {init_args: {optimizer_g: {class_path: torch.optim.Adam, init_args: {lr: 0.1, betas: [0.5, 0.99]}}}}",
    ),
    "a whole optimiser": (
        "model: {init_args: {optimizer_d: {init_args: {lr: 0.3}}, optimizer_g: '${model.init_args.optimizer_d}'}}",
        "model: {init_args: {optimizer_d: {init_args: {lr: 0.3}}, optimizer_g: {init_args: {lr: 0.3}}}}",
    ),
    "a number from the environment": (
        "model: {init_args: {optimizer_g: {init_args: {lr: '${oc.env:RATE}'}}}}",
        "model: {init_args: {optimizer_g: {init_args: {lr: 0.25}}}}",
    ),
    "with something else to take": (
        "trainer: {max_steps: '${oc.env:NOT_SET,${data.init_args.batch_size}}'}", "trainer: {max_steps: 100}",
    ),
    "oc.select": ("trainer: {max_steps: '${oc.select:data.init_args.batch_size,5}'}", "trainer: {max_steps: 100}"),
    "a class from the environment": (
        "model: {init_args: {latent: {class_path: '${oc.env:LATENT}', init_args: {size: 32}}}}",
        "model: {init_args: {latent: {class_path: lit_gan.latents.Normal, init_args: {size: 32}}}}",
    ),
    "within a text": (
        "trainer: {default_root_dir: 'lr-${model.init_args.optimizer_g.init_args.lr}'}",
        "trainer: {default_root_dir: lr-0.1}",
    ),
    "the seed, and what it is linked to": (
        "{seed_everything: '${oc.env:SEED}', trainer: {max_steps: '${data.init_args.seed}'}}",
        "{seed_everything: 7, trainer: {max_steps: 7}}",
    ),
    "from its own place": (
        "sample_grid: {num_samples: 9, every_n_rounds: '${.num_samples}'}",
        "sample_grid: {num_samples: 9, every_n_rounds: 9}",
    ),
    "from further out": (
        "model: {init_args: {clip_d: 3.0, optimizer_g: {init_args: {momentum: '${...optimizer_d.init_args.lr}'}}}}",
        "model: {init_args: {clip_d: 3.0, optimizer_g: {init_args: {momentum: 0.1}}}}",
    ),
    "a chain": (
        ("{num_threads: '${trainer.max_steps}', trainer: {max_steps: '${sample_grid.num_samples}'}, "
        "sample_grid: {num_samples: '${data.init_args.batch_size}'}}"),
        "{num_threads: 100, trainer: {max_steps: 100}, sample_grid: {num_samples: 100}}",
    ),
    "true or false": ("tensorboard: '${checkpoint.save_last}'", "tensorboard: true"),
    "nothing": ("model: {init_args: {clip_g: '${model.init_args.clip_d}'}}", "model: {init_args: {clip_g: null}}"),
    "within a callback": (
        ("trainer: {callbacks: [{class_path: lit_gan.callbacks.GeneratorEMA, init_args: {"
        "decay: '${model.init_args.optimizer_g.init_args.momentum}'}}]}"),
        "trainer: {callbacks: [{class_path: lit_gan.callbacks.GeneratorEMA, init_args: {decay: 0.5}}]}",
    ),
    "in an added callback": (
        ("trainer: {callbacks+: [{class_path: lit_gan.callbacks.GeneratorEMA, init_args: {"
        "decay: '${model.init_args.optimizer_g.init_args.momentum}'}}]}"),
        "trainer: {callbacks+: [{class_path: lit_gan.callbacks.GeneratorEMA, init_args: {decay: 0.5}}]}",
    ),
    "of a schedule": (
        ("model: {init_args: {schedule_g: [{scheduler: {class_path: lit_gan.schedules.ExponentialDecay, init_args: {"
        "divisor: 1.1, min_lr: '${model.init_args.optimizer_g.init_args.lr}'}}}]}}"),
        ("model: {init_args: {schedule_g: [{scheduler: {class_path: lit_gan.schedules.ExponentialDecay, init_args: {"
        "divisor: 1.1, min_lr: 0.1}}}]}}"),
    ),
    "a text that is none": (r"trainer: {default_root_dir: 'a\${b}'}", None),
    "a comment that is none": ("# ${nothing.here}\ntrainer: {max_steps: 5}", "trainer: {max_steps: 5}"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RATE": "0.25", "LATENT": "lit_gan.latents.Normal", "SEED": "7"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("written", "typed"), _WRITTEN.values(), ids=_WRITTEN)
def test_it_is_as_if_the_value_had_been_typed(written: str, typed: str | None) -> None:
    found = _options("--config", _more(written))
    if typed is None:
        assert found.trainer.default_root_dir == "a${b}"
        return
    expected = _options("--config", _more(typed))
    assert found == expected


@pytest.mark.parametrize("name", shipped_names("configs"))
def test_every_shipped_configuration_is_as_if_it_had_been_typed(name: str) -> None:
    """The places that a link will fill included, and the name that the run will have."""
    given = yaml.safe_load(find(name).read_text())
    model = given["model"]["init_args"]
    optimizer, source, clip = ("optimizer_g", "optimizer_d.init_args.lr", "clip_d")
    if "optimizer_d" not in model:  # an inference network by itself
        optimizer, source, clip = ("optimizer_e", "image_weight", "clip_e")
    rate = model["image_weight"] if "optimizer_d" not in model else model["optimizer_d"]["init_args"]["lr"]
    batch = str(given["data"]["init_args"]["batch_size"])
    flags = ("--sample_grid.num_samples", f"--{_MODEL}.{optimizer}.init_args.lr", f"--{_MODEL}.{clip}")
    sources = ("${data.init_args.batch_size}", f"${{{_MODEL}.{source}}}", "${sample_grid.num_samples}")
    typed = [word for pair in zip(flags, (batch, str(rate), batch), strict=True) for word in pair]
    written = [word for pair in zip(flags, sources, strict=True) for word in pair]
    command = Command("fit", ["--config", name, *written])
    assert command.options == _options(*typed, config=name)
    assert command.name == name


def test_flags_take_it_in_any_order_and_see_what_has_a_short_form() -> None:
    hidden = f"${{{_MODEL}.generator.init_args.hidden[0]}}"
    options = _options(
        "--trainer.max_steps=${data.init_args.batch_size}",
        "--data.batch_size",
        hidden,
        "--model.generator.hidden=[90,7]",
    )
    assert (options.trainer.max_steps, options.data.init_args.batch_size) == (90, 90)


def test_the_whole_path_of_a_short_form_is_told() -> None:
    line = lit_gan("fit", "--config", "quickstart", "--trainer.max_steps=${data.batch_size}").line
    assert line == (
        "--trainer.max_steps: ${data.batch_size}: there is no data.batch_size; "
        "did you mean ${data.init_args.batch_size}?"
    )


@pytest.mark.parametrize("key", ["--model.init_args.clip_g", "--model.clip_g"])
def test_flags_of_the_model_take_it(key: str) -> None:
    assert _options(f"{key}=${{trainer.max_epochs}}").model.init_args.clip_g == 500
    assert _options("--data.batch_size", "${trainer.max_epochs}").data.init_args.batch_size == 500


def test_a_later_value_replaces_it_and_a_replaced_one_need_not_lead_anywhere() -> None:
    first = _more("trainer: {max_steps: '${nothing.here}'}\nsample_grid: {num_samples: '${trainer.max_steps}'}")
    options = _options("--config", first, "--trainer.max_steps", "9")
    assert (options.trainer.max_steps, options.sample_grid.num_samples) == (9, 9)


def test_it_sees_what_later_files_and_flags_say() -> None:
    more = _more("sample_grid: {num_samples: '${data.init_args.batch_size}'}")
    last = _more("data: {init_args: {batch_size: 70}}", "last.yaml")
    assert _options("--config", more, "--config", last).sample_grid.num_samples == 70
    assert _options("--config", more, "--data.batch_size", "20").sample_grid.num_samples == 20


def test_a_file_of_the_data_alone_takes_it() -> None:
    data = _more(
        "class_path: lit_gan.data.DigitsDataModule\ninit_args: {batch_size: '${trainer.max_epochs}'}", "data.yaml"
    )
    assert _options("--data", data).data.init_args.batch_size == 500


@pytest.mark.parametrize(
    ("key", "written", "told"),
    [
        (
            "sample_grid.num_samples", "${nothing.here}",
            "there is no nothing.here; expected a whole path, such as ${data.init_args.batch_size}.",
        ),
        (
            "trainer.max_steps", "${data.init_args.batch_sise}",
            "there is no data.init_args.batch_sise; did you mean ${data.init_args.batch_size}?",
        ),
        (
            "trainer.max_steps", "${model.init_args.generator.init_args.image_shape}",
            ("model.init_args.generator.init_args.image_shape is filled by the data when they are there: expected a "
            "key of a configuration."),
        ),
        (
            "trainer.max_steps", "${oc.env:NOT_SET}",
            "KeyError raised while resolving interpolation: \"Environment variable 'NOT_SET' not found\".",
        ),
        ("trainer.max_steps", "${trainer.max_steps}", "Recursive interpolation detected."),
        ("trainer.max_steps", "${trainer.max_epochs", _CLOSED),
        ("trainer.max_steps", "${}", _CLOSED),
        ("trainer.max_steps", "${times:3}", "Unsupported interpolation type times."),
    ],
)  # fmt: skip
def test_one_that_leads_nowhere_is_told(key: str, written: str, told: str) -> None:
    group, name = key.split(".")
    more = _more(yaml.safe_dump({group: {name: written}}))
    assert lit_gan("fit", "--config", "quickstart", "--config", more).line == f"--{key}: {written}: {told}"
    assert lit_gan("fit", "--config", "quickstart", f"--{key}", written).line == f"--{key}: {written}: {told}"
    assert not Path("runs").exists()


def test_a_value_of_the_wrong_type_is_told_as_a_typed_one_is() -> None:
    line = lit_gan("fit", "--config", "quickstart", "--trainer.max_steps=${data.class_path}").line
    assert line.startswith("--trainer.max_steps: expected a whole number, got lit_gan.data.DigitsDataModule")


def test_printed_configurations_hold_the_values() -> None:
    more = _more("sample_grid: {num_samples: '${data.init_args.batch_size}'}")
    ending = lit_gan("fit", "--config", "quickstart", "--config", more, "--print_config")
    assert (ending.code, ending.err) == (0, "")
    assert yaml.safe_load(ending.out)["sample_grid"]["num_samples"] == 100


def test_help_is_not_in_its_way() -> None:
    assert lit_gan("fit", "--help", "--trainer.max_steps=${nothing}").code == 0


# -- To the end --------------------------------------------------------------------------------------------------------

_RATES = f"""
model:
  init_args:
    optimizer_g: {{init_args: {{lr: '${{oc.env:RATE}}'}}}}
    optimizer_d: {{init_args: {{lr: '${{{_MODEL}.optimizer_g.init_args.lr}}'}}}}
    generator: {{init_args: {{hidden: ['${{data.init_args.batch_size}}', 16]}}}}
"""
_TYPED = (
    "--model.optimizer_g.lr=0.25", "--model.optimizer_d.lr=0.25", "--model.generator.hidden=[300,16]",
)  # fmt: skip


def test_it_trains_the_same_bits_under_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit("--config", _more(_RATES), epochs=1).code == 0
    written = tmp_path / the_run()
    (tmp_path / "typed").mkdir()
    monkeypatch.chdir(tmp_path / "typed")
    assert fit(*_TYPED, epochs=1).code == 0
    typed = the_run()
    assert written.parent.name == typed.parent.name == "quickstart"
    assert resolved(written) == resolved(typed)
    rates = [group["lr"] for state in checkpoint(written)["optimizer_states"] for group in state["param_groups"]]
    assert rates == [0.25, 0.25]
    assert all(torch.equal(mine, weights(typed)[name]) for name, mine in weights(written).items())


def test_a_stopped_run_goes_on_by_the_same_command() -> None:
    stop = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=${oc.env:SEED}")
    more = _more(_RATES)
    assert fit("--config", more, *stop).code == 130
    assert checkpoint(the_run())["global_step"] == 4
    ending = fit("--config", more, *stop)
    assert (ending.code, ending.err) == (0, "")
    assert checkpoint(the_run())["global_step"] == 8


def test_every_verb_takes_it(finished_run: Path) -> None:
    more = _more("num_threads: '${trainer.devices}'")
    for verb in ("validate", "test"):
        ending = lit_gan(verb, finished_run, *QUIET, "--num_threads=${trainer.devices}")
        assert (ending.code, ending.err) == (0, "")
        assert lit_gan(verb, finished_run, "--config", finished_run / "config.yaml", "--config", more, *QUIET).code == 0
    ending = lit_gan("predict", finished_run, *QUIET, "--num_samples=${data.init_args.batch_size}")
    assert (ending.code, ending.err) == (0, "")
    assert len(torch.load(finished_run / "samples.pt", weights_only=True)) == 300
    ending = lit_gan(
        "baselines", "--config", "quickstart", "--parzen.num_samples=${data.init_args.batch_size}",
        "--data.init_args.batch_size", "20",
    )  # fmt: skip
    assert (ending.code, ending.err) == (0, "")
    assert " 20 " in ending.out


def test_a_text_that_is_none_stays_one_when_the_run_is_read_again() -> None:
    assert fit(r"--trainer.default_root_dir=a\${b}", epochs=1).code == 0
    run = the_run()
    assert r"default_root_dir: a\${b}" in (run / "config.yaml").read_text()
    assert lit_gan("validate", run, *QUIET).code == 0


def test_a_job_asks_for_what_it_leads_to() -> None:
    ending = lit_gan(
        "submit", "--print", "--", "fit", "--config", "quickstart", "--num_threads=2",
        "--trainer.num_nodes=${num_threads}", "--trainer.devices=${trainer.num_nodes}",
    )  # fmt: skip
    assert (ending.code, ending.err) == (0, "")
    assert "--nodes=2" in ending.out
    assert "--ntasks-per-node=2" in ending.out


def test_what_a_command_leaves_to_the_job_has_a_value_all_the_same() -> None:
    settings = trainer_settings("fit", ["--config", "quickstart", "--num_threads=${trainer.devices}"])
    assert (settings.devices, settings.num_nodes) == (None, None)


@pytest.mark.slow
def test_trials_of_a_sweep_take_it() -> None:
    rate = f"{_MODEL}.optimizer_g.init_args.lr"
    write(
        Path("s.yaml"),
        program="lit-gan",
        method="grid",
        metric={"name": "val/loss_d", "goal": "minimize"},
        parameters={rate: {"values": [0.05]}, f"{_MODEL}.optimizer_d.init_args.lr": {"value": f"${{{rate}}}"}},
        command=["${program}", "fit", "--config", "quickstart", *SHORT, "--trainer.max_epochs=1", "${args}"],
    )
    with nursery():
        ending = lit_gan("sweep", "s.yaml", "--storage", "runs/s.journal")
    assert ending.code == 0, ending.err
    rates = set()
    for run in Path("runs/quickstart").iterdir():
        arguments = resolved(run)["model"]["init_args"]
        rates.add(tuple(arguments[player]["init_args"]["lr"] for player in ("optimizer_g", "optimizer_d")))
        assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert rates == {(0.05, 0.05)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("${x}", r"\${x}"), (r"\${x}", r"\\\${x}"), ("a${x}b${y}", r"a\${x}b\${y}"), ("$ {", "$ {")],
)
def test_a_text_is_escaped_so_that_it_is_read_as_it_stands(text: str, expected: str) -> None:
    assert escaped(text) == expected
    more = _more(yaml.safe_dump({"trainer": {"default_root_dir": escaped(text)}}))
    assert _options("--config", more).trainer.default_root_dir == text
