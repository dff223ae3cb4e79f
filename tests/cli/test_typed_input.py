"""Whatever is typed ends in one line and exit code 2, over all verbs."""

from pathlib import Path

import pytest
from command_line import lit_gan

_FILES: dict[str, bytes] = {
    "alias.yaml": b"model: &m {class_path: lit_gan.GAN, init_args: {generator: *m}}\n",
    "binary.yaml": bytes(range(256)),
    "tabs.yaml": b"trainer:\n\tmax_epochs: 3\n",
    "documents.yaml": b"trainer: {}\n---\nmodel: {}\n",
    "tag.yaml": b"model: !!python/object/apply:os.system ['true']\n",
    "utf16.yaml": "trainer: {}".encode("utf-16"),
    "keys.yaml": b"? [a, b]\n: 3\n",
    "number.yaml": b"3\n",
    "class.yaml": b"model: {class_path: 3}\n",
    "arguments.yaml": b"model: {class_path: lit_gan.GAN, init_args: [1]}\n",
    "callbacks.yaml": b"trainer: {callbacks: [3]}\n",
    "twice.yaml": b"seed_everything: 1\nseed_everything: x\n",
    "verb.yaml": b"fit: {trainer: {max_epochs: 3}}\n",
}
_NAMELESS = "expected a run folder or a checkpoint, got an empty name."


@pytest.mark.parametrize("name", _FILES)
def test_a_strange_file_is_refused_in_one_line(name: str) -> None:
    Path(name).write_bytes(_FILES[name])
    assert lit_gan("fit", "--config", "quickstart", "--config", name).line.startswith(f"--config {name}: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trainer.max_epochs=1", "--trainer.max_epochs=x"], "--trainer.max_epochs: expected a whole number, got x"),
        (["--config="], "--config : no such file"),
        (["--config", "."], "--config .: that is a folder"),
        (["--config", "x" * 5000], "xxxxx"),
        (["--größe", "3"], "--größe: no such option"),
        (["--model.init_args", "3"], "--model.init_args: expected keys and values as init_args, got init_args: 3."),
        (
            ["--model", ""],
            "--model: expected a class; these fit: lit_gan.ConditionalGAN, lit_gan.InferenceNetwork, lit_gan.In",
        ),
        (["--trainer.callbacks", "3"], "--trainer.callbacks: expected a"),
        (
            ["--trainer.callbacks", "[3]"],
            "--trainer.callbacks: expected a class derived from Callback, got 3; these fit: ",
        ),
        (["--trainer.max_epochs.x=3"], "--trainer.max_epochs: expected a whole number, got x: 3."),
        (["--seed_everything.x=3"], ""),
        (["--model.init_args.generator.help", "Nope"], ""),
        (["--trainer.max_epochs", "\udce4"], r"'\udce4': expected a text in the encoding of this terminal"),
        (["--", "x"], "unrecognized arguments: -- x"),
        (["--="], "--: no such option"),
        (["--ckpt_path="], _NAMELESS),
    ],
)
def test_a_strange_option_is_refused_in_one_line(words: list[str], message: str) -> None:
    assert lit_gan("fit", "--config", "quickstart", "--print_config", *words).line.startswith(message)


@pytest.mark.parametrize("verb", ["validate", "test", "predict", "sample"])
@pytest.mark.parametrize(("name", "message"), [("", _NAMELESS), ("x" * 5000, "xxxxx"), (".", ". holds no checkpoint")])
def test_a_strange_checkpoint_is_refused_in_one_line(verb: str, name: str, message: str) -> None:
    assert lit_gan(verb, name).line.startswith(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", ""], "FILE : no such file"),
        (["sweep", "x" * 5000], "xxxxx"),
        (["sweep", "digits_quick", "--storage", ""], "--storage: expected a file"),
        (["sweep", "digits_quick", "--workers", "1" * 30], "--workers 1111111111"),
        (["submit", "--", ""], ": expected one of fit"),
        (["submit", "--sweep", "."], "--sweep .: no such file"),
        (["baselines", "--config", "."], "--config .: that is a folder"),
        (["baselines", "--config=quickstart", "--parzen.sigma", "x"], "--parzen.sigma: expected a number"),
        ([""], "unknown command ''"),
        (["FIT"], "unknown command 'FIT'"),
    ],
)
def test_strange_words_for_other_verbs_are_refused_in_one_line(words: list[str], message: str) -> None:
    assert lit_gan(*words).line.startswith(message)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("parzen: 3", "--parzen: expected keys and values, got 3."),
        ("trainer: [1]", "--trainer: expected keys and values, got [1]."),
        ("sample_grid: null", "--sample_grid: expected keys and values, got nothing."),
        ("checkpoint: true", "--checkpoint: expected keys and values, got True."),
    ],
)
def test_a_value_in_the_place_of_a_group_is_refused(text: str, line: str) -> None:
    Path("more.yaml").write_text(text)
    assert lit_gan("fit", "--config", "quickstart", "--config", "more.yaml").line == line
