"""Networks of a user's own that cannot be built: one line with the class, what it raised, and where."""

import re
from pathlib import Path

import pytest
from command_line import QUIET, lit_gan, resolved, the_run

_FIT = ("fit", *QUIET, "--wandb=off", "--data=lit_gan.data.DigitsDataModule", "--trainer.max_steps=1")
_PLAYERS = ("--model=lit_gan.GAN", "--model.init_args.discriminator=own_modules.OwnDiscriminator")
_RATES = tuple(
    option
    for player in "gd"
    for option in (
        f"--model.init_args.optimizer_{player}=torch.optim.SGD",
        f"--model.init_args.optimizer_{player}.init_args.lr=0.1",
    )
)


def _fit(generator: str, *options: str) -> tuple[str, ...]:
    return (*_FIT, *_PLAYERS, f"--model.init_args.generator=faulty_constructors.{generator}", *_RATES, *options)


@pytest.mark.parametrize(
    ("generator", "fault", "method"),
    [
        ("LacksKey", "KeyError: 'width'", "__init__"),
        ("Asserts", "AssertionError", "__init__"),
        ("MixesTypes", r"TypeError: unsupported operand type\(s\) for \+: 'int' and 'str'", "_width"),
        ("Refuses", "depth = 3: expected an even number", "__init__"),
        ("FailsInTorch", r"RuntimeError: shape '\[3\]' is invalid for input of size 2", "__init__"),
        ("LacksPackage", "No module named 'no_such_package'", "__init__"),
    ],
)
def test_what_a_network_raises_is_told_with_its_place(generator: str, fault: str, method: str) -> None:
    line = lit_gan(*_fit(generator)).line
    place = rf"\(\S*faulty_constructors\.py, line \d+, in {method}\)"
    assert re.fullmatch(rf"faulty_constructors\.{generator} cannot be built: {fault} {place}\.", line), line
    assert not list(Path().iterdir())


def test_an_argument_without_a_type_is_required_all_the_same() -> None:
    assert lit_gan(*_fit("Untyped")).line == (
        "faulty_constructors.Untyped needs depth: give it within the init_args of the class, or a default in its "
        "__init__ (image_shape comes from the data, where they have one)."
    )


def test_an_argument_without_a_type_is_taken() -> None:
    ending = lit_gan(*_fit("Untyped", "--model.init_args.generator.init_args.depth=3"))
    assert ending.code == 0, ending.err
    built = resolved(the_run())["model"]["init_args"]["generator"]["init_args"]
    assert built == {"image_shape": [1, 8, 8], "depth": 3, "latent_size": 4}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "x = 1 / 0",
            r"divides cannot be imported: ZeroDivisionError: division by zero \(divides\.py, line 1, in <module>\)",
        ),
        ("x = {}['y']", r"divides cannot be imported: KeyError: 'y' \(divides\.py, line 1, in <module>\)"),
        ("class G(:", r"invalid syntax \(divides\.py, line 1\)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(text: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(".")
    Path("divides.py").write_text(text)
    line = lit_gan(*_FIT, *_PLAYERS, "--model.init_args.generator=divides.G").line
    assert re.fullmatch(rf"--model: {fault}\.", line), line
