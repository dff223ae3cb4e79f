"""Where everything of one sweep lies: beside its journal."""

from pathlib import Path


class SweepLayout:
    """The paths of a sweep.

    Example:
        >>> layout = SweepLayout(Path("runs/lr.journal"))
        >>> layout.best.name, layout.output(7).name
        ('lr.best.yaml', 'trial-007.out')
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal.absolute()
        self.name = journal.name.removesuffix(".journal")

    @property
    def workers(self) -> Path:
        """The folder of what commands need to know of each other, and of what trials print."""
        return self.journal.with_name(f"{self.name}.workers")

    @property
    def claims(self) -> Path:
        """Locked by the command that takes a trial."""
        return self.workers / "claims.lock"

    @property
    def best(self) -> Path:
        """The configuration of the best trial."""
        return self.journal.with_name(f"{self.name}.best.yaml")

    @property
    def newest_best(self) -> Path:
        """The same, of the sweep of this folder that ended last."""
        return self.journal.with_name("best.yaml")

    def plot(self, kind: str) -> Path:
        """A picture of the search: its ``history``, ``parallel`` or ``importances``."""
        return self.journal.with_name(f"{self.name}-{kind}.png")

    def output(self, trial: int) -> Path:
        """What a trial prints."""
        return self.workers / f"trial-{trial:03d}.out"

    def errors(self, trial: int) -> Path:
        """What a trial prints to standard error."""
        return self.workers / f"trial-{trial:03d}.err"

    def record(self, owner: str) -> Path:
        """The sign of life of a command, for machines that cannot see its locks."""
        return self.workers / f"{owner}.json"

    def lock(self, trial: int) -> Path:
        """Locked from when a trial is taken until its process and the command that took it are done with it."""
        return self.workers / f"trial-{trial:03d}.lock"

    def arguments(self, trial: int) -> Path:
        """A trial's parameters, for ``${args_json_file}``."""
        return self.workers / f"trial-{trial:03d}.json"
