"""What is left of a sweep at its end: the best configuration, ready for ``lit-gan fit``, and pictures of the search."""

from collections.abc import Mapping
from pathlib import Path

from optuna.trial import FrozenTrial

from lit_gan.reporting.search_plots import draw_history, draw_importances, draw_parallel
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.plain_data import dump_yaml, read_configuration
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.tuning.command import arguments_of_lit_gan, trial_command
from lit_gan.tuning.journal import os_errors_as_user_errors
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_file import Sweep


def write_results(study: SweepStudy, best: FrozenTrial, names: Mapping[str, str]) -> dict[str, Path]:
    """Writes them beside the journal; the files and the best run's folder, by what they are."""
    sweep, layout, trials = study.sweep, study.layout, study.trials()
    plots = {kind: layout.plot(kind) for kind in ("history", "parallel", "importances")}
    with os_errors_as_user_errors(layout.journal.parent):
        configurations = _write_best(study, best)
        draw_history(trials, sweep.metric, sweep.goal, plots["history"])
        draw_parallel(trials, names, sweep.metric, sweep.goal, plots["parallel"])
        draw_importances(study.study, names, sweep.metric, plots["importances"])
    folder = TrialRun(study.run_id(best.number)).folder
    found = {} if folder is None else {"run": folder}
    return found | dict(zip(("configuration", "kept as"), configurations, strict=False)) | plots


def _write_best(study: SweepStudy, best: FrozenTrial) -> list[Path]:
    """Writes ``NAME.best.yaml`` and ``best.yaml``; neither where the trial's program keeps no ``config.yaml``."""
    folder = TrialRun(study.run_id(best.number)).folder
    if folder is None or not (folder / "config.yaml").is_file():
        return []
    sweep, layout = study.sweep, study.layout
    comment = [
        f"Trial {best.number}, the best of {len(study.trials())} of the sweep {sweep.name}.",
        f"{sweep.metric}: {best.value} ({sweep.goal}d)",
        f"Its run is {relative_to_cwd(folder)}.",
        *dump_yaml(best.params).splitlines(),
    ]
    text = "".join(f"# {line}\n" for line in comment) + _trainable(folder / "config.yaml", sweep)
    for path in (layout.best, layout.newest_best):
        write_atomically(path, text)
    return [layout.newest_best, layout.best]


def _trainable(config: Path, sweep: Sweep) -> str:
    """The configuration without the checkpoint that a sweep of evaluations names: training would go on from its end."""
    command = trial_command(sweep.command, sweep.program, {}, Path("arguments.json"))
    arguments = arguments_of_lit_gan(command)
    content = read_configuration(config)
    if not arguments or arguments[0] == "fit":
        return config.read_text()
    content.pop("ckpt_path", None)
    return dump_yaml(content)
