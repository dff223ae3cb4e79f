"""The import paths of 0.1 whose modules stand elsewhere now: each is the very module, under both names."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

_MOVED = {
    "lit_gan.callbacks.parzen_score": "lit_gan.evaluation.scores",
    "lit_gan.checkpointing": "lit_gan.engine.loading",
    "lit_gan.exit_codes": "lit_gan.errors",
    "lit_gan.held_out": "lit_gan.engine.held_out",
    "lit_gan.latent_table": "lit_gan.latents",
    "lit_gan.metrics.baselines": "lit_gan.evaluation.baselines",
    "lit_gan.players": "lit_gan.engine.players",
    "lit_gan.precision": "lit_gan.engine.precision",
    "lit_gan.shares": "lit_gan.sharding",
    "lit_gan.tracking": "lit_gan.runs",
    "lit_gan.tracking.csv_logger": "lit_gan.loggers.csv",
    "lit_gan.tracking.run_folder": "lit_gan.runs.folder",
    "lit_gan.tracking.run_record": "lit_gan.runs.record",
    "lit_gan.tracking.wandb": "lit_gan.loggers.wandb.choice",
    "lit_gan.tracking.wandb_mode": "lit_gan.loggers.wandb.mode",
    **{
        f"lit_gan.tracking.{name}": f"lit_gan.runs.{name}"
        for name in ("checkpoint_files", "checkpoint_io", "environment", "heartbeat", "resume")
    },
}


class _EarlierImportPaths(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(_MOVED[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run already. The import system has written the earlier name over its own: taken back."""
        module.__spec__ = module.__spec__ and module.__spec__.loader_state


def install() -> None:
    """Before Python's own finders, which would load a second copy from the folder that was renamed."""
    sys.meta_path.insert(0, _EarlierImportPaths())
