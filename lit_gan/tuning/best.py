"""The best trial's configuration, written beside the journal and ready for ``lit-gan fit --config``."""

from pathlib import Path

import yaml
from optuna.trial import FrozenTrial

from lit_gan.tracking.atomic_write import write_atomically
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_layout import shown


def write_best(study: SweepStudy, best: FrozenTrial) -> list[Path]:
    """Writes ``NAME.best.yaml`` and ``best.yaml``.

    Args:
        study: The sweep.
        best: Its best trial.

    Returns:
        The files; none where the trial's program keeps no ``config.yaml``.
    """
    folder = TrialRun(study.run_id(best.number)).folder
    if folder is None or not (folder / "config.yaml").is_file():
        return []
    sweep, layout = study.sweep, study.layout
    comment = [
        f"Trial {best.number}, the best of {len(study.trials())} of the sweep {sweep.name}.",
        f"{sweep.metric}: {best.value} ({sweep.goal}d)",
        f"Its run is {shown(folder)}.",
        *yaml.safe_dump(best.params, sort_keys=False).splitlines(),
    ]
    text = "".join(f"# {line}\n" for line in comment) + (folder / "config.yaml").read_text()
    for path in (layout.best, layout.newest_best):
        write_atomically(path, text)
    return [layout.newest_best, layout.best]
