"""What makes two runs the same run."""

from collections.abc import Mapping
from typing import Any

# What says where and how a run is recorded, not what it computes: two runs that differ in these alone are the same.
_NOT_OF_THE_RESULT = (
    "config",
    "run_dir",
    "resume",
    "wandb",
    "tensorboard",
    "wandb_checkpoints",
    "weights_only",
    "num_samples",
    "out",
    "verbose",
)


def result_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved configuration that a run's numbers follow from.

    Args:
        config: The resolved configuration.

    Example:
        >>> result_of({"seed_everything": 0, "wandb": "off"})
        {'seed_everything': 0}
    """
    # What a run starts from is of the result.
    absent = [name for name in ("ckpt_path", "init_from", "init_part") if config.get(name) is None]
    if not (config.get("evaluation") or {}).get("metrics"):
        absent.append("evaluation")  # it evaluates nothing
    return {key: value for key, value in config.items() if key not in (*_NOT_OF_THE_RESULT, *absent)}
