"""`python -m lit_gan.tuning JOURNAL WORKER TOTAL STARTER`: one worker, as `lit-gan sweep` starts it."""

import sys
from pathlib import Path

from optuna import logging

from lit_gan.errors import USER_ERROR, UserError
from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_layout import SweepLayout
from lit_gan.tuning.worker import Worker


def main(journal: str, worker: str, total: str, starter: str) -> int:
    """Works until all trials are over.

    Args:
        journal: The file that all workers share.
        worker: The name of this one.
        total: How many trials the sweep has.
        starter: The process that starts it; when it is gone, the worker stops.

    Returns:
        The exit code: 0, 75, 130 or 143 as :meth:`lit_gan.tuning.worker.Worker.run` says it, 2 with one line.
    """
    logging.set_verbosity(logging.ERROR)
    try:
        return Worker(SweepStudy.join(SweepLayout(Path(journal))), worker, int(total), int(starter)).run()
    except UserError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return USER_ERROR


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
