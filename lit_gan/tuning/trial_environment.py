"""The environment of one trial."""

from collections.abc import Mapping


def trial_environment(environ: Mapping[str, str], sweep: str, run_id: str) -> dict[str, str]:
    """What a trial finds in its environment.

    Args:
        environ: That of the worker.
        sweep: The name of the sweep.
        run_id: The id of the trial's run: the same again goes on with the same run.

    Returns:
        The same, with the names by which the trial knows that it is one. W&B is offline unless the user says otherwise,
        and shows the trials of a sweep as one group.

    Example:
        >>> trial_environment({"HOME": "/home/me"}, "lr", "lr-3fa9x2-000")["WANDB_MODE"]
        'offline'
    """
    # A run folder or an agent's sweep of somebody around us is not the trial's.
    own = {name: value for name, value in environ.items() if name not in ("WANDB_SWEEP_ID", "LIT_GAN_RUN_DIR")}
    return {
        "WANDB_MODE": "offline",
        **own,
        "WANDB_RUN_GROUP": sweep,
        "WANDB_RUN_ID": run_id,
        "LIT_GAN_SWEEP": sweep,
    }
