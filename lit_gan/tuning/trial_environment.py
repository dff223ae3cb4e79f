"""The environment of one trial."""

from collections.abc import Mapping, Sequence


def trial_environment(environ: Mapping[str, str], sweep: str, run_id: str, devices: str | None) -> dict[str, str]:
    """What a trial finds in its environment: the names by which it knows that it is one, and its GPUs.

    W&B is offline unless the user says otherwise, and shows the trials of a sweep as one group. The same ``run_id``
    again goes on with the same run.

    Example:
        >>> trial_environment({"HOME": "/home/me"}, "lr", "lr-3fa9x2-000", None)["WANDB_MODE"]
        'offline'
    """
    # A run folder or an agent's sweep of somebody around us is not the trial's.
    own = {name: value for name, value in environ.items() if name not in ("WANDB_SWEEP_ID", "LIT_GAN_RUN_DIR")}
    return {
        "WANDB_MODE": "offline",
        **own,
        **({} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}),
        "WANDB_RUN_GROUP": sweep,
        "WANDB_RUN_ID": run_id,
        "LIT_GAN_SWEEP": sweep,
    }


def shares_of_devices(devices: Sequence[str], slots: int) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES for the trials of each slot; None, which leaves it alone, where there is nothing to share.

    All get equally many, so that all trials have the same global batch; what is left over stays idle.

    Example:
        >>> shares_of_devices(["0", "1", "2", "3", "4"], 2)
        ['0,1', '2,3']
        >>> shares_of_devices([], 2)
        [None, None]
    """
    each = len(devices) // slots
    if slots == 1 or each == 0:
        return [None] * slots
    return [",".join(devices[each * slot : each * (slot + 1)]) for slot in range(slots)]
