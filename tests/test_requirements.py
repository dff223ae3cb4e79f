"""What the machine lacks skips a test, or fails it where it is required."""

import pytest
from requirements import require


def test_what_is_there_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_GAN_REQUIRE", "tmpfs")
    require("tmpfs", None)


@pytest.mark.parametrize("required", [None, "", "netns", "slurm,netns"])
def test_what_is_missing_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch, required: str | None) -> None:
    monkeypatch.delenv("LIT_GAN_REQUIRE", raising=False)
    if required is not None:
        monkeypatch.setenv("LIT_GAN_REQUIRE", required)
    with pytest.raises(pytest.skip.Exception, match=r"^no tmpfs: only root may mount$"):
        require("tmpfs", "only root may mount")


@pytest.mark.parametrize("required", ["tmpfs", "slurm,tmpfs", "tmpfs,netns"])
def test_what_is_required_and_missing_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv("LIT_GAN_REQUIRE", required)
    with pytest.raises(pytest.fail.Exception, match=r"^tmpfs is required here .* only root may mount$"):
        require("tmpfs", "only root may mount")
