"""Tells during a training what is wrong with it, once it can be known."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.coordination import FixedSteps
from lit_gan.engine.lightning_seam import callbacks_of, row_is_written
from lit_gan.engine.rounds import planned_rounds
from lit_gan.evaluation.diagnosis import ROUNDS, TRAIN_NAMES, VAL_NAMES, Finding, Game, Row, diagnose
from lit_gan.gan import GAN
from lit_gan.objectives import Minimax
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.layout import RunLayout

_ROWS = 400  # of rounds, and as many of validations: 20,000 rounds at the usual pace of the loggers


class DiagnosisWarning(UserWarning):
    """The logged numbers say what is wrong with a training, and which setting to change."""


class Diagnosis(Callback):
    """Warns of a collapsed generator, of lost modes, of a discriminator that has won, and of memorisation.

    After every validation of a training it reads what has been logged; see
    :func:`~lit_gan.evaluation.diagnosis.diagnose` for the rules. Each disease is told once in a run, when it has lasted
    for three validations and a thousand rounds, or a twentieth of the rounds that are planned where these are more, up
    to ten thousand. It is told with the numbers that say so and the setting to change, and kept in
    ``diagnosis.json`` of the run folder. Nothing is computed for it: a number that nobody logs says nothing, so
    ``parzen`` is what it knows collapse by, and :class:`~lit_gan.metrics.SampleClasses`, ``ModesCovered`` and
    ``Memorization`` are to be asked for.

    ``lit-gan fit`` and :class:`lit_gan.Run` have one.

    Args:
        folder: Where ``diagnosis.json`` goes; if ``None``, the run folder, and without a run nowhere.

    Example:
        >>> from lit_gan.callbacks import ParzenEvaluation
        >>> callbacks = [ParzenEvaluation(), Diagnosis()]  # of a Trainer: warns of a GAN that collapses
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self.findings: list[Finding] = []
        self._rounds: deque[Row] = deque(maxlen=_ROWS)
        self._validations: deque[Row] = deque(maxlen=_ROWS)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """A training begins anew; what a checkpoint knows of one that goes on is loaded after this."""
        if stage == TrainerFn.FITTING:
            self._begin([], [], [])

    def state_dict(self) -> dict[str, Any]:
        """What was told, and what it can be told from."""
        rows = {"rounds": list(self._rounds), "validations": list(self._validations)}
        return {"findings": [asdict(finding) for finding in self.findings], **rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A run that goes on has told what it told before its checkpoint."""
        findings = [Finding(**each) for each in state_dict["findings"]]
        rounds, validations = map(_rows_again, (state_dict["rounds"], state_dict["validations"]))
        self._begin(findings, rounds, validations)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What was told after the checkpoint that a run goes on from has not happened."""
        self._keep()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Reads the numbers of a round for which the loggers write a row, which are read then anyway."""
        if row_is_written(trainer, trainer.global_step):
            self._rounds.append(_row(trainer, TRAIN_NAMES))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells what can be known now."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        self._validations.append(_row(trainer, VAL_NAMES))
        rows = sorted([*self._rounds, *self._validations], key=lambda row: row["step"])
        told = {finding.disease for finding in self.findings}
        told |= {"collapse"} if "discriminator wins" in told else set()  # which comes with it, and stays for longer
        found = diagnose(rows, _game_of(pl_module), _wait(trainer))
        new = [finding for finding in found if finding.disease not in told]
        self.findings += new
        for finding in new:
            rank_zero_warn(str(finding), category=DiagnosisWarning)
        if new:
            self._keep()

    def _begin(self, findings: list[Finding], rounds: list[Row], validations: list[Row]) -> None:
        self.findings = findings
        self._rounds, self._validations = deque(rounds, maxlen=_ROWS), deque(validations, maxlen=_ROWS)

    @rank_zero_only
    def _keep(self) -> None:
        if self.folder is None:
            return
        path = RunLayout(self.folder).diagnosis
        if self.findings:
            write_atomically(path, json.dumps([asdict(finding) for finding in self.findings], indent=2) + "\n")
        else:
            path.unlink(missing_ok=True)


def _rows_again(saved: list[dict[str, float]]) -> list[Row]:
    """As they were; what a checkpoint holds in their place is refused here, not when a disease is looked for."""
    return [{"step": int(row["step"]), **{name: float(row[name]) for name in row if name != "step"}} for row in saved]


def _row(trainer: Trainer, names: tuple[str, ...]) -> dict[str, float]:
    """The numbers of this round or validation; not those that a validation has left out, which are an earlier one's."""
    others = [each for each in callbacks_of(trainer) if isinstance(each, GenerativeEvaluation)]
    logged: Mapping[str, Any] = trainer.callback_metrics
    present = (name for name in names if name in logged and not any(each.leaves_out(name, trainer) for each in others))
    return {"step": trainer.global_step - 1, **{name: float(logged[name]) for name in present}}


def _wait(trainer: Trainer) -> int:
    """How long a disease has to last: a long training has a long start."""
    return min(max((planned_rounds(trainer) or 0) // 20, ROUNDS), 10 * ROUNDS)


def _game_of(module: LightningModule) -> Game:
    if not isinstance(module, GAN):
        return Game()
    k = module.coordination.k if isinstance(module.coordination, FixedSteps) else None
    return Game(k, isinstance(module.objective, Minimax), module.augment is not None)
