"""The figures and the report that a training leaves."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.reporting.report import Shipped, write_report
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.session.ending import Ending


def write_report_of(run: RunLayout, ending: Ending, shipped: Shipped, module: LightningModule, data: Any) -> None:
    """Draws the figures of a run that has just ended, and writes ``report.html``.

    Nothing that goes wrong here fails the training, whose weights are what they were.
    """
    place = relative_to_cwd(run.path)
    try:
        if isinstance(module, GenerativeModule):
            _draw(run.path, module, data)
    except Exception as error:  # a training that is done is worth more than a picture of it
        warnings.warn(f"No figures were drawn ({_told(error)}); `lit-gan figures {place}` tries again.", stacklevel=2)
    try:
        reason = "" if ending.as_planned else ending.reason
        write_atomically(run.report, write_report([run.path], "html", shipped, ended=("finished", reason)))
    except Exception as error:  # as above
        told = f"The report was not written ({_told(error)}); `lit-gan report {place}` tries again."
        warnings.warn(told, stacklevel=2)


def _draw(run: Path, module: GenerativeModule, data: Any) -> None:
    from lit_gan.figures.of_run import draw_figures  # noqa: PLC0415 -- Matplotlib, for trainings that have ended well

    # Where the density is known a figure trains on: D to its optimum, then G.
    weights = {name: value.clone() for name, value in module.state_dict().items()} if hasattr(data, "mixture") else None
    try:
        with suppress(UserError):  # of a G that takes a batch, say: what draws no samples alone has no figures
            draw_figures(module, "the data are not known" if data is None else data, run, run / "figures")
    finally:
        if weights is not None:
            module.load_state_dict(weights)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
