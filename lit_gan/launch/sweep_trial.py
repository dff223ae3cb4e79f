"""Whether this process is a trial of a sweep, and whose."""

import os
from collections.abc import Mapping

#: What `lit-gan sweep` tells its trials: the sweep's name. A W&B agent sets WANDB_SWEEP_ID instead.
LOCAL_SWEEP_VARIABLE = "LIT_GAN_SWEEP"


def sweep_of(environ: Mapping[str, str] | None = None) -> str | None:
    """The sweep that this process is a trial of: W&B's id of it, or the name in `lit-gan sweep`; None outside one.

    Example:
        >>> sweep_of({"WANDB_SWEEP_ID": "a1b2"}), sweep_of({"LIT_GAN_SWEEP": "mnist_sigma"}), sweep_of({})
        ('a1b2', 'mnist_sigma', None)
    """
    environ = os.environ if environ is None else environ
    return environ.get("WANDB_SWEEP_ID") or environ.get(LOCAL_SWEEP_VARIABLE) or None


def is_local_trial(environ: Mapping[str, str] | None = None) -> bool:
    """Whether `lit-gan sweep` started this process: it is that command that queues a job again.

    Example:
        >>> is_local_trial({"WANDB_SWEEP_ID": "a1b2"}), is_local_trial({"LIT_GAN_SWEEP": "mnist_sigma"})
        (False, True)
    """
    environ = os.environ if environ is None else environ
    return bool(environ.get(LOCAL_SWEEP_VARIABLE))
