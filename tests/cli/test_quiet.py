"""What Lightning says that was asked for is told; its advice is not."""

import logging
from collections.abc import Iterator

import pytest
from command_line import fit, lit_gan, the_run

from lit_gan.cli import quiet


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What Lightning says while the test runs."""
    listener, logger = _Listener(), logging.getLogger("lightning.pytorch")
    logger.addHandler(listener)
    yield listener.said
    logger.removeHandler(listener)


def test_a_profile_is_shown_at_the_end_and_no_advice_beside_it(said: list[str]) -> None:
    assert fit("--trainer.profiler=simple", epochs=1).code == 0
    assert [text.partition("\n")[0] for text in map(str.strip, said)] == ["FIT Profiler Report"]
    assert "run_training_batch" in said[0]


def test_a_profile_in_a_file_is_named(said: list[str]) -> None:
    profiler = ("--trainer.profiler=SimpleProfiler", "--trainer.profiler.filename=perf")
    ending = fit(*profiler, epochs=1)
    file = the_run() / "fit-perf.txt"
    assert f"  profile    {file}\n" in ending.out
    assert "run_training_batch" in file.read_text()
    assert said == []
    ending = lit_gan("test", the_run(), *profiler, "--parzen.num_samples=0", "--trainer.enable_progress_bar=false")
    assert f"  profile    {the_run() / 'test-perf.txt'}\n" in ending.out


def test_what_is_asked_of_a_callback_and_a_dry_run_are_told(said: list[str]) -> None:
    early = ("--trainer.callbacks=EarlyStopping", "--trainer.callbacks.monitor=val/loss_d")
    assert fit(*early, "--trainer.callbacks.verbose=true", epochs=1).code == 0
    assert "Metric val/loss_d improved" in said.pop()
    assert fit("--trainer.fast_dev_run=1").code == 0
    assert [text.partition(":")[0] for text in said] == ["Running in `fast_dev_run` mode"]


def test_a_training_without_such_wishes_is_silent(said: list[str]) -> None:
    assert fit(epochs=1).code == 0
    assert said == []


def test_who_speaks_through_the_rank_zero_logger_is_told_apart() -> None:
    def record(path: str, text: str = "text", level: int = logging.INFO) -> logging.LogRecord:
        return logging.LogRecord("rank_zero", level, path, 1, text, None, None)

    assert quiet._is_a_result(record("lightning/pytorch/tuner/batch_size_scaling.py"))
    assert quiet._is_a_result(record("lightning/pytorch/callbacks/timer.py"))
    assert quiet._is_a_result(record("lightning/pytorch/trainer/setup.py", level=logging.WARNING))
    assert not quiet._is_a_result(record("lightning/pytorch/trainer/setup.py", "GPU available: False"))
