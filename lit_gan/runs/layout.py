"""Where everything of one run lies: the paths inside ``runs/<config>/<id>/``."""

from pathlib import Path

from lit_gan.errors import UserError


class RunLayout:
    """The paths of a run folder; only the three folders inside are made, when they are asked for.

    Example:
        >>> RunLayout("runs/mnist/3fa9x2").metrics.name
        'metrics.csv'
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    @property
    def config(self) -> Path:
        """``config.yaml``: the resolved configuration."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """``environment.json``: seed, versions, commit, hardware."""
        return self.path / "environment.json"

    @property
    def status(self) -> Path:
        """``run.json``: how the run stands."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """``metrics.csv``: every logged number."""
        return self.path / "metrics.csv"

    @property
    def scores(self) -> Path:
        """``scores.json``: the score beside those of real images and of baselines, of the last of each evaluation."""
        return self.path / "scores.json"

    @property
    def report(self) -> Path:
        """``report.html``: all of the run on one page."""
        return self.path / "report.html"

    @property
    def diagnosis(self) -> Path:
        """``diagnosis.json``: what was found to be wrong with the training, where anything was."""
        return self.path / "diagnosis.json"

    @property
    def lock(self) -> Path:
        """``run.lock``: held by the process that writes the folder."""
        return self.path / "run.lock"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, made when first asked for."""
        return self._made("checkpoints")

    @property
    def samples(self) -> Path:
        """The folder of sample images, made when first asked for."""
        return self._made("samples")

    @property
    def wandb(self) -> Path:
        """The folder of W&B's own files, made when first asked for."""
        return self._made("wandb")

    def _made(self, name: str) -> Path:
        folder = self.path / name
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def check_foreign(folder: RunLayout) -> None:
    """Refuse a folder without a run that holds files which a new run would write over."""
    # A rank that came first has made the folder of the checkpoints, and nothing in it.
    checkpoints = folder.path / "checkpoints"
    found = [name for name in ("config.yaml", "metrics.csv") if (folder.path / name).exists()]
    found += ["checkpoints"] if checkpoints.exists() and (checkpoints.is_file() or any(checkpoints.iterdir())) else []
    if found:
        raise UserError(
            f"--run_dir {folder.path} holds {', '.join(found)} but no run.json, so it is no run of this "
            "program: give a new or an empty folder."
        )
