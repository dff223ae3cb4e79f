"""The run folders of earlier versions go on, evaluate and sample; the files beside this one were written by them."""

import shutil
from pathlib import Path

import pytest
import torch
from command_line import lit_gan

from lit_gan import GAN

#: Preempted in mid-epoch, after round 40; a generator with a moving average.
_RUN = Path(__file__).parent / "run_of_version_0_1_0"
_COMMAND = ("fit", "--config", _RUN / "config.yaml")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A copy that the test may write into."""
    return Path(shutil.copytree(_RUN, tmp_path / "earlier"))


def _weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 96
    return {**checkpoint["state_dict"], **checkpoint["lit_gan"]["generator_average"]}


def test_the_command_that_was_preempted_goes_on_as_if_it_had_never_been(earlier: Path, tmp_path: Path) -> None:
    ending = lit_gan(*_COMMAND, "--run_dir", earlier)
    assert ending.code == 0, ending.err
    assert "continuing" in ending.out
    bare = ("--report=false", "--evaluation.metrics=[]")
    assert lit_gan(*_COMMAND, *bare, "--run_dir", tmp_path / "whole").code == 0
    # Not to the bit: the files come from another processor than this one.
    torch.testing.assert_close(_weights(earlier), _weights(tmp_path / "whole"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_it_is_evaluated(earlier: Path, verb: str) -> None:
    ending = lit_gan(verb, earlier, "--wandb=off")
    assert ending.code == 0, ending.err


def test_samples_are_drawn_from_it(earlier: Path) -> None:
    ending = lit_gan("sample", earlier, "--out", earlier / "grid.png")
    assert ending.code == 0, ending.err
    assert (earlier / "grid.png").stat().st_size > 0


def test_it_is_listed_and_has_a_page(earlier: Path) -> None:
    assert lit_gan("runs", earlier.parent).out.splitlines()[1].split()[:3] == ["earlier", "stopped*", "40"]
    ending = lit_gan("report", earlier)
    assert ending.code == 0, ending.err
    page = (earlier / "report.html").read_text()
    assert "stopped" in page
    assert "Losses" in page


def test_its_model_is_loaded_from_python(earlier: Path) -> None:
    gan = GAN.load_from_checkpoint(earlier / "checkpoints" / "last.ckpt")
    assert gan.sample(2).shape == (2, 1, 8, 8)
