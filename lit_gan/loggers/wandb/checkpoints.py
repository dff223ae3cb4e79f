"""Checkpoints of a run as versions of an artifact at W&B."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lit_gan.loggers.wandb.pieces import is_at_the_server

if TYPE_CHECKING:
    from wandb import Run

_KEPT = "checkpoints"


def log_checkpoints(run: "Run", folder: Path, last: Path | None, best: Path | None) -> None:
    """Makes the last and the best checkpoint versions of one artifact, ``model-ID``, of type ``model``.

    Lightning's own ``log_model`` refuses to do so offline. The files are linked into W&B's folder: they are there, as
    they are now, when they are uploaded, and no byte is copied.
    """
    import wandb  # two seconds of imports that a run without W&B need not pay  # noqa: PLC0415

    forget_checkpoints(folder)
    for path, aliases in ((best, ["best"]), (last, ["last", "latest"])):
        if path is not None and path.is_file():
            artifact = wandb.Artifact(f"model-{run.id}", type="model", metadata={"file": path.name})
            kept = _linked_or_copied(path, folder / _KEPT / Path(run.settings.sync_dir).name)
            artifact.add_file(str(kept), name="model.ckpt", policy="immutable", skip_cache=True)
            run.log_artifact(artifact, aliases=aliases)


def forget_checkpoints(folder: Path) -> None:
    """Removes the links of the pieces that have been uploaded, or are no more."""
    for links in (folder / _KEPT).glob("*run-*"):
        piece = folder / links.name
        if not piece.is_dir() or is_at_the_server(piece):
            shutil.rmtree(links, ignore_errors=True)


def _linked_or_copied(path: Path, folder: Path) -> Path:
    """The file under a name that nothing replaces."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / path.name
    try:
        os.link(path, kept)
    except OSError:  # a file system without links
        shutil.copyfile(path, kept)
    return kept
