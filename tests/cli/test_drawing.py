"""A class by its name, or by its number."""

import pytest

from lit_gan.cli.drawing import class_number
from lit_gan.errors import UserError

_SHAPES = ("circles", "squares", "triangles")


@pytest.mark.parametrize(
    ("given", "names", "number"),
    [
        ("triangles", _SHAPES, 2),
        ("0", _SHAPES, 0),
        ("02", _SHAPES, 2),
        ("7", (), 7),
        ("7", tuple("0123456789"), 7),
        ("2", ("0", "1", "10", "2"), 3),  # folders named by numbers are in the order of their letters
        ("Ankle boot", ("Ankle boot", "Bag"), 0),
    ],
)
def test_a_name_counts_before_a_number(given: str, names: tuple[str, ...], number: int) -> None:
    assert class_number(given, names, len(names) or 10) == number


@pytest.mark.parametrize(
    ("given", "names", "message"),
    [
        (
            "triangels",
            _SHAPES,
            (
                "--condition triangels: expected one of circles, squares, triangles, or its number from 0 to 2; did "
                "you mean triangles?"
            ),
        ),
        ("SQUARES", _SHAPES, "or its number from 0 to 2; did you mean squares?"),
        ("zzz", _SHAPES, "--condition zzz: expected one of circles, squares, triangles, or its number from 0 to 2."),
        ("3", _SHAPES, "--condition 3: expected one of circles, squares, triangles, or its number from 0 to 2."),
        ("-1", _SHAPES, "or its number from 0 to 2."),
        ("10", tuple("0123456789"), "--condition 10: expected a class from 0 to 9."),
        ("10", (), "--condition 10: expected a class from 0 to 9."),
        ("", (), "--condition : expected a class from 0 to 9 (the checkpoint holds no names of classes)."),
        ("cat", (), "--condition cat: expected a class from 0 to 9 (the checkpoint holds no names of classes)."),
    ],
)
def test_an_unknown_class_is_told_with_those_that_there_are(given: str, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as told:
        class_number(given, names, len(names) or 10)
    assert str(told.value).endswith(message)


def test_a_thousand_names_are_not_all_told() -> None:
    names = [f"n{number:04d}" for number in range(1000)]
    with pytest.raises(UserError, match=r"n0000, .*, n0019, \.\.\. \(1000 in all\), or its number from 0 to 999\.$"):
        class_number("airliner", names, 1000)
