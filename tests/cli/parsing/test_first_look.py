"""Misspelt commands are refused at once, and right ones never."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from command_line import lit_gan
from hypothesis import given
from hypothesis import strategies as st
from mutations import check_told, mutations
from properties import examples, numbers

import lit_gan as package
from lit_gan.cli.parsing.first_look import look
from lit_gan.cli.parsing.shipped import find, shipped_names
from lit_gan.cli.parsing.typed import read_config
from lit_gan.errors import UserError
from lit_gan.runs.fingerprint import leaves_of

_ROOT = Path(package.__file__).parents[1]
_Q = ("--config", "quickstart")
_RATES = "--model.init_args.optimizer_g.init_args.lr or --model.init_args.optimizer_d.init_args.lr?"


def _told(*arguments: str, verb: str = "fit") -> str:
    with pytest.raises(UserError) as raised:
        look(verb, arguments)
    return str(raised.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--trainer.max_epoch", "3"], "--trainer.max_epochs?"),
        (["--trainer.max_epoch=3"], "--trainer.max_epochs?"),
        (["--lr", "0.1"], _RATES),
        (["--trainer.lr", "0.1"], _RATES),
        (["--learning-rate", "0.1"], _RATES),
        (["--batch_size", "3"], "--data.init_args.batch_size?"),
        (["--trainer.batch_size", "3"], "--data.init_args.batch_size?"),
        (["--epochs", "3"], "--trainer.max_epochs?"),
        (["--max_epochs", "3"], "--trainer.max_epochs?"),
        (["--steps", "3"], "--trainer.max_steps?"),
        (["--gpus", "3"], "--trainer.devices?"),
        (["--devices", "3"], "--trainer.devices?"),
        (["--seed", "3"], "--seed_everything?"),
        (["--nz", "3"], "--model.init_args.generator.init_args.latent_size?"),
        (["--precision", "16"], "--trainer.precision?"),
        (["--out_dir", "x"], "--run_dir?"),
        (["--hidden", "3"], "--model.init_args.generator.init_args.hidden or "),
        (["--sigma", "3"], "--parzen.sigma?"),
        (["--run-dir", "x"], "--run_dir?"),
        (["--modle.init_args.clip_g", "1"], "--model.init_args.clip_g?"),
        (["--optimizer_g.lr", "1"], "--model.init_args.optimizer_g.lr?"),
        (
            ["--model.init_args.generater.init_args.hidden", "[3]"],
            "--model.init_args.generator.init_args.hidden?",
        ),
        (["--model.generator.hiden", "[3]"], "--model.generator.hidden?"),
        (["--model.optimizer_d.momentun", "3"], "--model.optimizer_d.momentum?"),
        (["--sample_grid.num_sample", "3"], "--sample_grid.num_samples?"),
        (["--checkpoint.monitr", "x"], "--checkpoint.monitor?"),
        (["--parzen", "{num_sample: 3}"], "--parzen.num_samples?"),
        (
            ["--k", "3"],
            "--model.init_args.coordination lit_gan.coordination.FixedSteps --model.init_args.coordination.",
        ),
        (["--model.objective=lit_gan.objectives.Hinge", "--model.objective.margin=1"], ""),
        (
            ["--trainer.callbacks=lit_gan.callbacks.GeneratorEMA", "--trainer.callbacks.decya=1"],
            "--trainer.callbacks.d",
        ),
    ],
)
def test_what_was_meant_is_told(typed: list[str], meant: str) -> None:
    line = _told(*_Q, *typed)
    option = next(word for word in reversed(typed) if word.startswith("--")).partition("=")[0]
    if typed[0] != "--parzen":
        assert line.startswith(f"{option}: no such option; ")
    assert (f"did you mean {meant}" if meant else "`lit-gan fit --help all` lists the options.") in line


def test_a_class_that_is_named_already_is_not_named_again() -> None:
    assert _told("--config=mnist", "--k=3").endswith("did you mean --model.init_args.coordination.init_args.k?")


def test_only_options_of_the_verb_are_meant() -> None:
    assert "run_dir" not in _told("x.ckpt", "--out_dir=3", verb="predict") or Path("x.ckpt").exists()
    Path("x.ckpt").touch()
    assert _told("x.ckpt", "--output=3", verb="predict").endswith("lists the options.")
    assert _told("x.ckpt", "--resume=3", verb="test").startswith("--resume: no such option")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("trainer: {max_epoch: 3}", "trainer.max_epoch: no such key; did you mean trainer.max_epochs?"),
        ("modle: {}", "modle: no such key; did you mean model?"),
        ("lr: 3", "lr: no such key; did you mean model.init_args.optimizer_g.init_args.lr or "),
        (
            "model: {class_path: lit_gan.GAN, init_args: {generater: 3}}",
            "model.init_args.generater: no such key; did you mean model.init_args.generator?",
        ),
        (
            "trainer: {callbacks: [{class_path: lit_gan.callbacks.GeneratorEMA, init_args: {decya: 3}}]}",
            "trainer.callbacks.0.init_args.decya: no such key; did you mean trainer.callbacks.0.init_args.decay?",
        ),
        (
            "data: {class_path: lit_gan.data.DigitsDataModule, init_args: {b: 3}}",
            "data.init_args.b: no such key; `lit-gan fit",
        ),
        ("a: &a {init_args: *a}", "an alias (*) stands within what it stands for."),
        ("a: b: c", "expected a YAML file, and it is none: mapping values are not allowed here at line 1, column 5"),
        ("a:\n\t- b", "expected a YAML file, and it is none: found character '\\t' that cannot start any token at"),
        ("a: !!python/object:os.system {}", "expected a YAML file, and it is none: could not determine a constructor"),
        ("[1, 2]", "expected keys such as model and data, got a list"),
        ("3", "expected keys such as model and data, got 3"),
        ("", "expected keys such as model and data, got an empty file"),
        ("[" * 5000, "it nests too deep"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_name(content: str, message: str) -> None:
    Path("mine.yaml").write_text(content)
    assert _told("--config=mine.yaml").startswith(f"--config mine.yaml: {message}")


def test_a_key_is_looked_up_in_the_class_of_an_earlier_configuration() -> None:
    Path("more.yaml").write_text("data: {init_args: {batch: 3}}")
    line = _told(*_Q, "--config", "more.yaml")
    assert line == "--config more.yaml: data.init_args.batch: no such key; did you mean data.init_args.batch_size?"


def test_a_shipped_name_without_its_option_is_told() -> None:
    assert _told("quickstart") == "quickstart: expected an option; did you mean --config quickstart?"


@pytest.mark.parametrize("name", shipped_names("configs"))
def test_every_shipped_configuration_passes(name: str) -> None:
    look("fit", ["--config", name])


@pytest.mark.parametrize(
    "words",
    [
        ["--model.generator=lit_gan.networks.ConvGenerator", "--model.generator.base_shape=[1,2,3]"],
        ["--model", "mine.GAN", "--model.anything.at.all", "3"],
        ["--data=mine.Data", "--data.whatever=3"],
        ["--model.init_args.generator=mine.G", "--model.init_args.generator.init_args.width=3"],
        ["--model.init_args.generator", "MLPGenerator", "--model.init_args.generator.foo", "3"],
        ["--model=ConditionalGAN", "--model.num_classes=3"],
        ["--model={class_path: mine.GAN, init_args: {x: 3}}", "--model.y=3"],
        ["--trainer.callbacks+=mine.Callback", "--trainer.callbacks.anything=3"],
        ["--trainer.callbacks+", "lit_gan.callbacks.GeneratorEMA", "--trainer.callbacks.decay", "0.9"],
        ["--trainer.logger.init_args.anything=3", "--trainer.strategy.whatever=3"],
        ["--model.help", "lit_gan.GAN"],
        ["--model.init_args.generator.help"],
        ["--data.dict_kwargs.anything", "3"],
        ["--print_config=skip_null"],
        ["--trainer", "{max_epochs: 3}"],
        ["--trainer", "trainer.yaml"],
        ["--trainer.max_steps", "-1", "--data.init_args.value_range=[-1, 1]"],
        ["--seed_everything", "--ckpt_path=null", "--weights_only=true"],
        ["--", "--anything"],
        ["-c", "mnist", "-c", "quickstart"],
        ["--model=lit_gan.GAN", "--model.optimizer_g=torch.optim.Adam", "--model.optimizer_g.betas=[0.5,0.9]"],
    ],
)
def test_what_is_right_or_in_doubt_passes(words: list[str]) -> None:
    look("fit", [*_Q, *words])


def test_a_run_behind_what_may_be_imported_passes() -> None:
    look("test", ["--allow", "mine", "runs/mine/ID"])


@pytest.mark.parametrize(
    "content",
    [
        "trainer.max_epochs: 3",
        "model: mine.GAN\ndata: DigitsDataModule",
        "model: {init_args: {generator: {class_path: mine.G, init_args: {x: 3}}}}",
        "trainer: null\nmodel: ${nothing}",
        "base: &b\n",
        "trainer: {max_time: 2026-99-99, <<: {max_epochs: 3}}",
        "trainer: {max_epochs: 1, max_epochs: 2}",
        "parzen: {metrics: [{class_path: mine.Metric, init_args: {x: 3}}]}",
    ],
)
def test_a_configuration_that_is_right_or_in_doubt_passes(content: str) -> None:
    Path("mine.yaml").write_text(content.replace("base: &b\n", "trainer: {}"))
    look("fit", ["--config=mine.yaml"])


@pytest.mark.parametrize(
    ("verb", "arguments", "said"),
    [
        ("fit", ["--config", "quickstrat"], "did you mean quickstart?"),
        ("fit", ["--config", "quickstart", "--lr", "1"], "did you mean --model.init_args.optimizer_g"),
        ("fit", [], "required, and not given: data and model"),
        ("validate", ["nowhere"], "nowhere does not exist"),
        ("test", [], "needs something trained"),
        ("predict", ["--ckpt_path=nowhere"], "nowhere does not exist"),
        ("baselines", ["--config", "mnits"], "did you mean mnist?"),
        ("submit", ["--", "fit", "--config", "mnits"], "did you mean mnist?"),
        ("submit", ["--", "fit", "--config", "mnist", "--lr", "1"], "did you mean --model.init_args.optimizer_g"),
        ("submit", ["--tim", "3"], "did you mean --time?"),
        ("sweep", ["digit_quick"], "did you mean digits_quick?"),
        ("sweep", ["digits_quick", "--worker", "3"], "did you mean --workers?"),
        ("sample", ["nowhere"], "nowhere does not exist"),
        ("sample", ["x", "--number", "3"], "did you mean --num?"),
        ("tran", [], "did you mean fit?"),
    ],
)
def test_nothing_heavy_is_imported_for_a_misspelt_command(verb: str, arguments: list[str], said: str) -> None:
    program = (
        "import sys\nfrom lit_gan.cli.main import main\n"
        f"assert main({[verb, *arguments]}) == 2\n"
        "heavy = {'torch', 'lightning', 'scipy', 'sklearn', 'torchvision', 'wandb', 'optuna'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_the_command_says_it_too() -> None:
    assert lit_gan("fit", *_Q, "--trainer.max_epoch", 3).line.endswith("did you mean --trainer.max_epochs?")


_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{place}: &a{place} [{', '.join([f'*a{place - 1}'] * 10)}]\n" for place in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed_everything: !!int ''", "expected a YAML file, and it is none: its tag cannot have that value ("),
        ("seed_everything: !!bool x", "expected a YAML file, and it is none: its tag cannot have that value ("),
        (_BOMB, "it holds more than 100,000 values: expected a configuration."),
        (
            "a: " + "[" * 150 + "]" * 150,
            "it is nested more than 100 deep: expected a configuration.",
        ),
        (
            "seed_everything: " + "9" * 5000,
            "a number of 5,000 digits: expected a configuration.",
        ),
        (
            "seed_everything: 0x" + "f" * 5000,
            "a number of 5,002 digits: expected a configuration.",
        ),
    ],
    ids=["number", "truth", "aliases", "nested", "digits", "hexadecimal"],
)
def test_what_no_configuration_can_be_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    assert _told("--config", str(file)).startswith(f"--config {file}: {told}")


def test_any_damage_to_a_configuration_is_told_or_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    for content in mutations(find("quickstart").read_bytes(), 60):
        file.write_bytes(content)
        try:
            read = read_config(file)
        except UserError as error:
            check_told(error)
        else:
            assert isinstance(read, Mapping)


_WORDS = st.text(st.characters(categories=["L", "N"], include_characters="_-."), min_size=1, max_size=12)


@examples(60)
@given(st.lists(_WORDS, min_size=1, max_size=4), st.sampled_from(("", "model", "model.init_args", "trainer", "data")))
def test_any_key_that_there_is_not_is_one_line_in_a_file_and_as_an_option(
    tmp_path: Path, words: list[str], section: str
) -> None:
    name = "".join(words).strip(".").replace(".", "").lstrip("-") + "_nowhere"
    path = [*section.split(".") * bool(section), name]
    tree: object = 1
    for key in reversed(path):
        tree = {key: tree}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    for arguments in (["--config", str(tmp_path / "x.yaml")], [*_Q, f"--{'.'.join(path)}=1"]):
        try:
            look("fit", arguments)
        except UserError as error:
            check_told(error)
        else:
            assert section.startswith(("model", "data"))  # of a class that is not said yet: the parser will know


def _printed(*arguments: str) -> dict[str, object]:
    ending = lit_gan("fit", *arguments, "--print_config")
    assert ending.code == 0, ending.err
    content: dict[str, object] = yaml.safe_load(ending.out)
    return content


@pytest.mark.slow
@examples(4)
@given(numbers(0, 1), st.integers(1, 10**6), st.booleans(), st.text("abc \u00e4\U0001f600:#'\"{[0", max_size=8))
def test_what_is_typed_as_options_is_what_a_file_says(
    tmp_path: Path, number: float, whole: int, truth: bool, text: str
) -> None:
    given = {
        "trainer": {"max_steps": whole, "log_every_n_steps": whole, "gradient_clip_val": None},
        "model": {"init_args": {"clip_g": number}},
        "tensorboard": truth,
        "run_dir": f"x{text}",
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
    options = [f"--{key}={json.dumps(value)}" for key, value in leaves_of(given).items() if key != "run_dir"]
    by_options = _printed(*_Q, *options, f"--run_dir=x{text}")
    by_file = _printed(*_Q, "--config", str(tmp_path / "x.yaml"))
    assert by_options == by_file
    assert leaves_of(by_file)["model.init_args.clip_g"] == number
    assert (by_file["tensorboard"], by_file["run_dir"]) == (truth, f"x{text}")
