"""Taking back a run folder that turned out to be of no use."""

import shutil
from contextlib import suppress
from pathlib import Path


class UnusedRun:
    """Knows what was there before a run folder was made, and removes the rest.

    Args:
        place: The run folder itself where the user named it, else the folder that it will be made in.
    """

    def __init__(self, place: Path) -> None:
        place = place.absolute()
        self._absent = [folder for folder in (place, *place.parents) if not folder.exists()]
        self._present = set(place.iterdir()) if place.is_dir() else set()
        self._place = place

    def remove(self, run: Path) -> None:
        """Removes what was made; a file that was there before stays.

        Args:
            run: The run folder, given up by this process already.
        """
        if run == self._place:
            made = [path for path in run.iterdir() if path not in self._present]
        elif run in self._present:  # named by the environment, and empty
            made = [run / "run.json", run / "run.lock"]
        else:
            made = [run]
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        with suppress(OSError):  # another run has been made beside this one meanwhile
            for folder in self._absent:
                folder.rmdir()
