"""The work of a job that runs trials of a sweep, of W&B's server or of a file."""

import argparse
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from lit_gan.cli.parsing.shipped import find, shipped_names
from lit_gan.cluster.work import Work
from lit_gan.errors import UserError
from lit_gan.installation import install_command
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.tuning.command import LIT_GAN
from lit_gan.tuning.sweep_file import Sweep, load_sweep
from lit_gan.tuning.sweep_layout import SweepLayout

_AT_WANDB = re.compile(r"(?:[\w.-]+/){0,2}([a-z0-9]{8})")
_ON_CPU = re.compile(r"--trainer\.accelerator[= ]cpu\b")


def work_of_sweep(options: argparse.Namespace, command: list[str]) -> Work:
    """What a job does that runs trials: one of a sweep at W&B, or those of a file until there are enough."""
    if command:
        raise UserError(f"--sweep {options.sweep} has a command of its own: leave out what follows --.")
    if options.container is not None:
        raise UserError(
            "--container with --sweep: a trial in an image can start no ranks by srun and not queue its job again; "
            "write the image into the sweep's command."
        )
    file = _file_of(options.sweep)
    return _work_of_agent(options) if file is None else _work_of_worker(options, file)


def _work_of_agent(options: argparse.Namespace) -> Work:
    if options.count is not None:
        raise UserError(
            f"--count {options.count}: a job runs one trial of a sweep at W&B; expected as many tasks, --array "
            f"1-{options.count}."
        )
    if options.storage is not None:
        raise UserError(f"--storage {options.storage}: a sweep at W&B has no journal; leave it out.")
    # One trial a job: it has the whole of the job's time, and a requeue is that trial's alone.
    arguments = ("agent", "--count", "1", "--forward-signals", options.sweep)
    return _work(options, options.sweep.rpartition("/")[2], "wandb", arguments, gpus=True)


def _work_of_worker(options: argparse.Namespace, file: Path) -> Work:
    if find_spec("optuna") is None:
        raise UserError(f"--sweep FILE needs Optuna, which is not installed: {install_command('sweep')}.")
    sweep = load_sweep(file)
    total = import_module("lit_gan.tuning.sampling").number_of_trials(sweep, options.count)
    if total is None:
        raise UserError(f"--count: expected how many trials there are: a {sweep.method} sweep has no end of its own.")
    if sweep.program == LIT_GAN:
        import_module("lit_gan.cli.sweep.check").check_options(sweep, options.sweep)  # imports torch
    count = () if options.count is None else ("--count", str(options.count))
    storage = options.storage or f"runs/{sweep.word}.journal"
    _check_journal(sweep, Path(storage), total)
    arguments = ("sweep", options.sweep, "--storage", storage, "--workers", "1", *count)
    constant = sweep.parameters.get("trainer.accelerator", {}).get("value")
    on_cpu = constant == "cpu" or _ON_CPU.search(" ".join(sweep.command)) is not None
    return _work(options, sweep.name, "lit_gan", arguments, gpus=not on_cpu)


def _check_journal(sweep: Sweep, journal: Path, total: int) -> None:
    """Refuses a journal that the worker would refuse, or have nothing to do for; one that there is not it begins."""
    if not journal.exists():
        return
    study = import_module("lit_gan.tuning.study").SweepStudy.begin(sweep, SweepLayout(journal))
    if study.is_over(total):
        raise UserError(
            f"--storage {relative_to_cwd(journal)}: all {total} trials are over; give a larger --count, or another "
            "file."
        )


def _work(options: argparse.Namespace, name: str, module: str, arguments: tuple[str, ...], *, gpus: bool) -> Work:
    return Work(
        name=name,
        module=module,
        arguments=arguments,
        nodes=options.nodes or 1,
        devices=options.devices or 1,
        gpus=gpus and not options.no_gpus,
        sweep="wandb" if module == "wandb" else "file",
    )


def _file_of(sweep: str) -> Path | None:
    """The file that is meant; None for a sweep at W&B."""
    if Path(sweep).is_file() or sweep.removesuffix(".yaml") in shipped_names("sweeps"):
        return find(sweep, "sweeps")
    if _AT_WANDB.fullmatch(sweep):
        return None
    shipped = ", ".join(shipped_names("sweeps"))
    raise UserError(
        f"--sweep {sweep}: no such file; expected a sweep file, one of {shipped}, or one at W&B (ENTITY/PROJECT/ID)."
    )
