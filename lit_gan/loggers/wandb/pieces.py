"""What is in a run folder of its W&B run: one piece for each time that something was logged to it.

W&B has a folder for each, ``run-...`` online and ``offline-run-...`` offline; ``wandb sync`` appends pieces to the run
at the server in their order, and uploads none where one is broken. So an offline piece is written elsewhere and moved
to its place when it is whole, and each begins where the ones before it end.
"""

import glob
import json
import re
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.plain_data import read_json

if TYPE_CHECKING:
    from wandb import Run

STEP = "trainer/global_step"  # Lightning's name of the axis: the index of a round
_END = "end.json"  # in a piece that is whole: how far it goes
_NAME, _STAMP = re.compile(r"(offline-run-)(\d{8}_\d{6})(-.+)"), "%Y%m%d_%H%M%S"  # of an offline piece, by W&B
_ASIDE, _STAGE = "set-aside", "unfinished"


class Pieces:
    """The pieces of one run, in W&B's folder in the run folder."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.folder = folder
        #: Where the next offline one is written; ``wandb.init`` makes a folder ``wandb`` in it.
        self.stage = folder / _STAGE / run_id
        self.earlier: list[Path] = []
        self._id = run_id

    def look(self) -> None:
        """Finds those of earlier sessions, the oldest first; of killed ones the offline piece is where it was begun."""
        online, offline = (f"{kind}-*-{glob.escape(self._id)}" for kind in ("run", "offline-run"))
        found = [*self.folder.glob(online), *self.folder.glob(offline), *self.stage.glob(f"wandb/{offline}")]
        self.earlier = sorted(found, key=lambda piece: piece.name.removeprefix("offline-"))

    def last_round(self) -> int:
        """How far the whole ones go: the index of the last round, or -1."""
        return max((end for end in map(_end, self.earlier) if end is not None), default=-1)

    def keep(self, piece: Path, last_round: int, *, delivered: bool) -> None:
        """Marks one as whole up to a round, and brings it where ``wandb sync`` looks for it."""
        end = {"last_round": last_round, "delivered": delivered}
        with suppress(OSError):  # a full disk: then the next piece has these rows once more
            write_atomically(piece / _END, json.dumps(end) + "\n")
            if piece.is_relative_to(self.stage):
                piece.rename(self._free(piece.name))
                shutil.rmtree(self.stage, ignore_errors=True)
                self.stage.parent.rmdir()

    def _free(self, name: str) -> Path:
        """A piece's place: W&B calls it by the second it was begun in, and so may have called the one before it."""
        place, found = self.folder / name, _NAME.fullmatch(name)
        begun = datetime.strptime(found[2], _STAMP) if found else None
        while found and begun and place.exists():
            begun += timedelta(seconds=1)
            place = self.folder / f"{found[1]}{begun:{_STAMP}}{found[3]}"
        return place

    def send_media_again(self, run: "Run") -> None:
        """Uploads the files of online pieces that were killed: their rows were sent before their pictures."""
        for files in (piece / "files" for piece in self.earlier if _is_online(piece) and not is_at_the_server(piece)):
            for file in sorted(path for path in (files / "media").rglob("*") if path.is_file()):
                again = Path(run.dir) / file.relative_to(files)
                again.parent.mkdir(parents=True, exist_ok=True)
                if not again.exists():
                    shutil.copyfile(file, again)
                run.save(str(again), base_path=run.dir, policy="now")

    def set_aside(self, *, online: bool) -> None:
        """Moves pieces whose rows are in a newer one to where ``wandb sync .../offline-run-*`` does not find them.

        One that is online goes ahead of those that wait for their upload.
        """
        counts = is_at_the_server if online else _is_whole
        for piece in self.earlier:
            if not counts(piece):
                aside = self.folder / _ASIDE
                with suppress(OSError):  # in the way of nothing but a second upload of the same rows
                    aside.mkdir(exist_ok=True)
                    piece.rename(aside / piece.name)


def _is_whole(piece: Path) -> bool:
    return _end(piece) is not None


def is_at_the_server(piece: Path) -> bool:
    """Whether all of a piece has been uploaded."""
    return _is_uploaded(piece) or (_is_online(piece) and _is_whole(piece))


def _is_online(piece: Path) -> bool:
    return not piece.name.startswith("offline-")


def _is_uploaded(piece: Path) -> bool:
    """Whether ``wandb sync`` has marked it."""
    return any(piece.glob("*.wandb.synced"))


def _end(piece: Path) -> int | None:
    """The last round of a piece that is whole, and, online, delivered; of one that cannot be read there is none."""
    try:
        end = read_json(piece / _END)
        whole = end.get("delivered", True) or _is_uploaded(piece)  # an earlier version marked no others
        return int(end["last_round"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
