import pytest

from lit_gan.cluster.task_number import first_task, is_chain, names_the_task, with_number
from lit_gan.errors import UserError


@pytest.mark.parametrize(
    ("array", "first"), [("0", 0), ("0-15", 0), ("4,2", 4), ("10-20:5", 10), ("3-5%2", 3), ("1,7-9:2,20%10", 1)]
)
def test_the_first_task_of_an_array(array: str, first: int) -> None:
    assert first_task(array) == first


@pytest.mark.parametrize("array", ["", "a", "5-3", "1-", "1-5:0", "1-5%0", "1-5%", "1 2", "-1", "1,,2"])
def test_what_is_no_array_is_told(array: str) -> None:
    with pytest.raises(UserError, match=r"^--array .*: expected numbers and ranges"):
        first_task(array)


@pytest.mark.parametrize(("array", "chain"), [("0-9%1", True), ("0-9", False), ("0-9%11", False), ("0-9%10", False)])
def test_a_chain_has_one_task_at_a_time(array: str, chain: bool) -> None:
    assert is_chain(array) is chain


@pytest.mark.parametrize(
    ("word", "of_task_3"), [("%a", "3"), ("x%a-%a", "x3-3"), ("%%a", "%a"), ("%%%a", "%%a"), ("50%", "50%"), ("", "")]
)
def test_the_number_stands_where_it_was_asked_for(word: str, of_task_3: str) -> None:
    assert with_number([word], 3) == [of_task_3]


@pytest.mark.parametrize(("words", "named"), [(["--seed", "%a"], True), (["--seed=%%a", "x"], False), ([], False)])
def test_a_command_names_the_task_or_does_not(words: list[str], named: bool) -> None:
    assert names_the_task(words) is named
