"""What the terminal shows of a training."""

import io
import pickle
import re
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks import progress
from lit_gan.callbacks.progress import LossProgressBar, PlayerSummary


class _Recording(LossProgressBar):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drawn: list[int] = []

    def draw_training(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().draw_training(trainer, pl_module)
        self.drawn.append(trainer.global_step)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 80 columns, and all that was ever drawn on it."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr("rich._console", console)
    monkeypatch.setattr(progress, "Console", lambda: console)
    return written


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says: its last entry."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[-1])
    return now


def _drawn(screen: io.StringIO) -> list[str]:
    return re.sub(r"\x1b\[[?\d]*\w", "", screen.getvalue()).replace("\r", "\n").split("\n")


def _lines(screen: io.StringIO) -> list[str]:
    return [" ".join(re.sub("[━╸]", "", line).split()) for line in _drawn(screen) if line.strip()]


def _fit(bar: LossProgressBar, module: LightningModule | None = None, **options: Any) -> None:
    options = {"max_epochs": 1, **options}
    run = trainer(callbacks=[bar], enable_progress_bar=True, **options)
    data = loader(examples(100), batch_size=4)
    val = None if options.get("limit_val_batches") == 0 else loader(examples(8), batch_size=4)
    run.fit(linear_gan() if module is None else module, data, val)


def test_the_bar_goes_over_the_whole_training(screen: io.StringIO, clock: list[float]) -> None:
    _fit(LossProgressBar(), max_epochs=3)
    shown = _lines(screen)
    assert max(map(len, _drawn(screen))) <= 80
    counts = [line.split()[1] for line in shown if line.startswith("Training")]
    assert counts[0] == "0/75"
    assert counts[-1] == "75/75"
    assert "45/75" in counts  # in the second epoch


def test_both_players_losses_are_behind_it_and_no_version(screen: io.StringIO, tmp_path: Any) -> None:
    _fit(LossProgressBar(), logger=CSVLogger(tmp_path), log_every_n_steps=1)
    words = _lines(screen)[-1].split()
    assert words[-4::2] == ["loss_d", "loss_g"]
    assert 0 < float(words[-3]) < 10


def test_it_says_when_it_validates_and_takes_that_away(screen: io.StringIO) -> None:
    _fit(LossProgressBar())
    shown = _lines(screen)
    assert {"Validating 0/2", "Validating 1/2", "Validating 2/2"} <= set(shown)
    assert shown[-1].startswith("Training 25/25")


def test_it_says_that_samples_are_evaluated(screen: io.StringIO) -> None:
    class Evaluates(LossProgressBar):
        def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.show_evaluation(trainer)

    _fit(Evaluates())
    assert "Evaluating samples 2/2" in _lines(screen)


@pytest.mark.parametrize(("verb", "word"), [("validate", "Validating 2/2"), ("test", "Testing 2/2")])
def test_an_evaluation_has_a_bar_of_its_own(screen: io.StringIO, verb: str, word: str) -> None:
    run = trainer(callbacks=[LossProgressBar()], enable_progress_bar=True)
    getattr(run, verb)(linear_gan(), loader(examples(8), batch_size=4), verbose=False)
    assert word in _lines(screen)


def test_speed_and_time_left_are_those_of_the_whole_run(screen: io.StringIO, clock: list[float]) -> None:
    pace = progress._Pace()
    pace.begin(100)  # a run that goes on
    clock.append(110.0)
    assert pace.told(300, 1100) == "300/1,100 20/s 0:00:40 left"
    pace.pause()
    clock.append(115.0)
    pace.go_on()
    clock.append(120.0)  # 20 s, five of them for an evaluation, for 300 rounds
    assert pace.told(400, 1100) == "400/1,100 20/s 0:00:47 left"
    assert pace.told(1100, 1100) == "1,100/1,100 66.7/s"
    assert pace.told(400, None) == "400 20/s"


@pytest.mark.parametrize(("refresh_rate", "redraws"), [(10, {10, 20, 25}), (1, set(range(1, 26)))])
def test_it_is_redrawn_as_rarely_as_it_is_told(
    refresh_rate: int, redraws: set[int], screen: io.StringIO, clock: list[float]
) -> None:
    bar = _Recording(refresh_rate=refresh_rate)
    _fit(bar, limit_val_batches=0)
    assert set(bar.drawn) == redraws


def test_slow_rounds_are_shown_every_second(screen: io.StringIO, clock: list[float]) -> None:
    class Slow(_Recording):
        def on_train_batch_start(self, *args: Any) -> None:
            clock.append(clock[-1] + 0.6)

    bar = Slow()
    _fit(bar, limit_val_batches=0, max_steps=6, max_epochs=-1)
    assert bar.drawn == [2, 4, 6, 6]


def test_zero_is_no_bar_at_all(screen: io.StringIO) -> None:
    _fit(LossProgressBar(refresh_rate=0))
    assert screen.getvalue() == ""


def test_every_tenth_round_is_the_default() -> None:
    assert LossProgressBar().refresh_rate == 10


def test_batches_are_counted_where_steps_are_no_rounds(screen: io.StringIO) -> None:
    class Twice(LightningModule):
        """Two optimisers in one step: Lightning counts fifty."""

        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch: Any, batch_idx: int) -> None:
            for optimizer in self.optimizers():  # type: ignore[union-attr]
                self.manual_backward(self.layer(torch.ones(1, 3)).sum())
                optimizer.step()

        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(self.parameters(), 0.1) for _ in range(2)]

    _fit(LossProgressBar(), Twice(), limit_val_batches=0)
    assert _lines(screen)[-1].startswith("Training 25/25")


def test_a_training_without_an_end_has_a_count(screen: io.StringIO, clock: list[float]) -> None:
    class Stops(LossProgressBar):
        def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
            trainer.should_stop = trainer.global_step >= 4

    _fit(Stops(), max_epochs=-1, limit_val_batches=0)
    assert _lines(screen)[-1].startswith("Training 5")


def test_what_the_module_prints_stands_above_it(screen: io.StringIO) -> None:
    class Speaks(LossProgressBar):
        def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            pl_module.print("[bold] 12 words")

    _fit(Speaks())
    assert "[bold] 12 words" in _lines(screen)


def test_it_goes_to_another_process_without_its_screen(screen: io.StringIO) -> None:
    bar = LossProgressBar()
    bar._begun()
    again = pickle.loads(pickle.dumps(bar))
    bar._end()
    assert (again._progress, again.is_enabled) == (None, True)


# -- The table of what is trained --------------------------------------------------------------------------------------


def test_the_table_has_no_column_that_says_nothing(screen: io.StringIO) -> None:
    run = trainer(callbacks=[PlayerSummary()], enable_model_summary=True, max_epochs=1)
    run.fit(linear_gan(), loader(examples(4), batch_size=4))
    text = screen.getvalue()
    assert "generator" in text
    assert "Params" in text
    assert "FLOPs" not in text
    assert "Mode" not in text
    assert "parameters; " in text


def test_what_is_counted_and_what_is_frozen_is_told(screen: io.StringIO) -> None:
    data = [(" ", ["0"]), ("Name", ["g"]), ("Params", ["2"]), ("Mode", ["eval"]), ("FLOPs", ["6"])]
    PlayerSummary.summarize(data, 3000, 1000, 0.012, {}, 6)
    text = screen.getvalue()
    assert "FLOPs" in text
    assert "3,000 parameters, 2,000 of them frozen; 0.012 MB" in text
