"""A test that cannot run skips in the open, and fails where it must run."""

import pytest
from requirements import require


@pytest.mark.parametrize("required", [None, "", "netns", "slurm"])
def test_what_is_there_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, required: str | None) -> None:
    if required is not None:
        monkeypatch.setenv("LIT_GAN_REQUIRE", required)
    require("slurm", None)


@pytest.mark.parametrize("required", ["", "netns", "slurmctld"])
def test_what_is_missing_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv("LIT_GAN_REQUIRE", required)
    with pytest.raises(pytest.skip.Exception, match=r"^slurm: there is no slurmctld$"):
        require("slurm", "there is no slurmctld")


@pytest.mark.parametrize("required", ["slurm", "netns, slurm", "slurm,netns"])
def test_what_is_missing_although_required_fails_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, required: str
) -> None:
    monkeypatch.setenv("LIT_GAN_REQUIRE", required)
    with pytest.raises(pytest.fail.Exception, match=r"names slurm, and it cannot be had: there is no slurmctld$"):
        require("slurm", "there is no slurmctld")
