"""What is left of a sweep at its end: the best configuration, and pictures of the search."""

from collections.abc import Mapping
from pathlib import Path

from optuna.trial import FrozenTrial

from lit_gan.tuning.best import write_best
from lit_gan.tuning.journal import told_of_the_disk
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.plots import draw_history, draw_importances, draw_parallel
from lit_gan.tuning.study import SweepStudy


def write_results(study: SweepStudy, best: FrozenTrial, names: Mapping[str, str]) -> dict[str, Path]:
    """Writes them beside the journal.

    Args:
        study: The sweep.
        best: Its best trial.
        names: The short name by each parameter's.

    Returns:
        The files and the best run's folder, by what they are.

    Raises:
        UserError: When the disk is full.
    """
    sweep, layout, trials = study.sweep, study.layout, study.trials()
    plots = {kind: layout.plot(kind) for kind in ("history", "parallel", "importances")}
    with told_of_the_disk(layout.journal.parent):
        configurations = write_best(study, best)
        draw_history(trials, sweep.metric, sweep.goal, plots["history"])
        draw_parallel(trials, names, sweep.metric, sweep.goal, plots["parallel"])
        draw_importances(study.study, names, sweep.metric, plots["importances"])
    folder = TrialRun(study.run_id(best.number)).folder
    found = {} if folder is None else {"run": folder}
    return found | dict(zip(("configuration", "kept as"), configurations, strict=False)) | plots
