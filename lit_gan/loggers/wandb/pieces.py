"""What is in a run folder of its W&B run: one piece for each time that it was started.

W&B has a folder for each, ``run-...`` online and ``offline-run-...`` offline. Two things of wandb 0.31 shape what is
done with them: a piece that was killed lacks its last rows, all of them where there were few, and one that cannot be
read keeps ``wandb sync`` from uploading any; and ``wandb sync`` appends to the run at the server, whatever is there
already. So each piece begins where the delivered ones end, and those that never were delivered are set aside when a
newer one has their rows.
"""

import glob
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lit_gan.loggers.wandb.file import last_value
from lit_gan.runs.atomic_write import write_atomically

if TYPE_CHECKING:
    from wandb import Run

STEP = "trainer/global_step"  # Lightning's name of the axis: the index of a round
_END = "end.json"  # in a piece that is whole: how far it goes
_ASIDE = "set-aside"


def pieces_of(wandb_folder: Path, run_id: str) -> list[Path]:
    """The pieces of a run, the oldest first.

    Args:
        wandb_folder: W&B's folder in the run folder.
        run_id: The run's id.
    """
    name = glob.escape(run_id)
    found = [*wandb_folder.glob(f"run-*-{name}"), *wandb_folder.glob(f"offline-run-*-{name}")]
    return sorted(found, key=lambda piece: piece.name.removeprefix("offline-"))


def mark_whole(piece: Path, last_round: int) -> None:
    """Writes into a piece that everything up to a round is in it, or, online, at the server.

    Args:
        piece: Its folder.
        last_round: The index of the last round.
    """
    with suppress(OSError):  # a full disk: then the next piece has these rows once more
        write_atomically(piece / _END, json.dumps({"last_round": last_round}) + "\n")


def delivered_round(pieces: Iterable[Path]) -> int:
    """How far the pieces go that the server has: the index of the last round, or -1.

    Args:
        pieces: Of one run.
    """
    ends = (_end(piece) for piece in pieces if _is_delivered(piece))
    return max((end for end in ends if end is not None), default=-1)


def send_media_again(run: "Run", pieces: Iterable[Path]) -> None:
    """Uploads the files of pieces that were not delivered: a killed process has sent rows before their pictures.

    Args:
        run: The run, at the server.
        pieces: Of the same run.
    """
    for piece in pieces:
        if _is_delivered(piece):
            continue
        files = piece / "files"
        for file in sorted(path for path in (files / "media").rglob("*") if path.is_file()):
            again = Path(run.dir) / file.relative_to(files)
            again.parent.mkdir(parents=True, exist_ok=True)
            if not again.exists():
                shutil.copyfile(file, again)
            run.save(str(again), base_path=run.dir, policy="now")


def set_aside(pieces: Iterable[Path]) -> None:
    """Moves the pieces that were not delivered to where ``wandb sync .../offline-run-*`` does not find them.

    Args:
        pieces: Of one run; all their rows are in a newer piece.
    """
    for piece in pieces:
        if not _is_delivered(piece):
            aside = piece.parent / _ASIDE
            with suppress(OSError):  # in the way of nothing but a second upload of the same rows
                aside.mkdir(exist_ok=True)
                piece.rename(aside / piece.name)


def _is_delivered(piece: Path) -> bool:
    is_online = not piece.name.startswith("offline-")
    return _is_uploaded(piece) or (is_online and _marked_end(piece) is not None)


def _is_uploaded(piece: Path) -> bool:
    """Whether ``wandb sync`` has marked it: as far as it goes, even if its process was killed."""
    return any(piece.glob("*.wandb.synced"))


def _end(piece: Path) -> int | None:
    """The last round of a piece that is delivered."""
    marked = _marked_end(piece)
    if marked is not None or not _is_uploaded(piece):
        return marked
    return max((last_value(file, STEP) for file in piece.glob("*.wandb")), default=None)


def _marked_end(piece: Path) -> int | None:
    """The last round of a piece that is whole; one that cannot be read is none."""
    try:
        return int(json.loads((piece / _END).read_text())["last_round"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
