import pytest

from lit_gan.cluster.time_limit import seconds_of
from lit_gan.errors import UserError


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("5", 300),
        ("90:30", 5430),
        ("1:00:00", 3600),
        ("2-0", 172800),
        ("1-2:03", 93780),
        ("1-02:03:04", 93784),
        ("0", None),
        ("infinite", None),
        ("UNLIMITED", None),
    ],
)
def test_every_form_of_slurm_is_understood(limit: str, seconds: int | None) -> None:
    assert seconds_of(limit) == seconds


@pytest.mark.parametrize("limit", ["", "4h", "1.5", "-5", "1:2:3:4", "1-", "1-2:3:4:5", "4:00:00 "])
def test_anything_else_is_told_with_the_forms_there_are(limit: str) -> None:
    with pytest.raises(UserError, match=r"^--time .*: expected MINUTES, MINUTES:SECONDS, .* or infinite\.$"):
        seconds_of(limit)
