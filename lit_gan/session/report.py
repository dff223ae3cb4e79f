"""The report that a training leaves."""

import warnings

from lit_gan.reporting.report import Shipped, write_report
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.layout import RunLayout
from lit_gan.session.ending import Ending


def write_report_of(run: RunLayout, ending: Ending, shipped: Shipped) -> None:
    """Writes ``report.html`` of a run that has just ended; nothing that goes wrong here fails the training."""
    try:
        reason = "" if ending.as_planned else ending.reason
        write_atomically(run.report, write_report([run.path], "html", shipped, ended=("finished", reason)))
    except Exception as error:  # a training that is done is worth more than a page on it
        told = f"{type(error).__name__}: {error}"
        warnings.warn(f"The report was not written ({told}); `lit-gan report {run.path}` tries again.", stacklevel=2)
