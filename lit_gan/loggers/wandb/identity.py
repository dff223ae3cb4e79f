"""The id of a run at Weights & Biases: one for each run folder, kept in it."""

import os
import re
import secrets
from pathlib import Path

from lit_gan.launch.ranks import is_fresh_id
from lit_gan.runs.atomic_write import write_atomically

_KEPT = "id"  # in wandb/ of the run folder
_LONGEST = 48  # characters of a name that go into an id: W&B takes 64 in all, of which nine are ours


def run_id(folder: Path) -> str:
    """The id that the folder keeps, else a new one.

    A name that lit-gan has made (the time and a random hash) is an id by itself. Any other may be the name of several
    folders, ``expA/seed0`` and ``expB/seed0``, and hold what W&B refuses: the id of a new run is what W&B takes of it,
    and random digits.

    Example:
        >>> run_id(Path("runs/mnist/20140610-120000-1a2b3c"))
        '20140610-120000-1a2b3c'
        >>> run_id(Path("sweep/lr=[0.1]"))[:-8]
        'lr-0.1-'
    """
    try:
        kept = _place(folder).read_text().strip()
    except (OSError, ValueError):  # not begun yet
        kept = ""
    if kept:
        return kept
    if is_fresh_id(folder.name):
        return folder.name
    taken = re.sub(r"[^A-Za-z0-9_.]+", "-", folder.name)[:_LONGEST].strip("-.")
    return f"{taken or 'run'}-{secrets.token_hex(4)}"


def keep_run_id(folder: Path, used: str) -> None:
    """Writes the id into the folder, for whoever goes on with the run."""
    place = _place(folder)
    if not place.is_file() or place.read_text().strip() != used:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, f"{used}\n")


def run_name(folder: Path) -> str | None:
    """What W&B's pages call the run: as WANDB_NAME says, else as its folder; None leaves it to W&B or its agent."""
    if os.environ.get("WANDB_RUN_ID"):
        return None
    return os.environ.get("WANDB_NAME") or folder.name[:128]  # the longest that W&B takes


def _place(folder: Path) -> Path:
    return folder / "wandb" / _KEPT
