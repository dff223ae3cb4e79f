"""``--resume``: which run a command goes on with, and when it starts a new one."""

import functools
import os
import shlex
import time
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError
from lit_gan.launch import ranks
from lit_gan.runs.fingerprint import describe_differences, fingerprint
from lit_gan.runs.folder import FolderInUse, RunFolder
from lit_gan.runs.layout import check_foreign
from lit_gan.runs.ownership import Claims, owner_of
from lit_gan.runs.record import RunRecord, read_record
from lit_gan.runs.relative_path import relative_to_cwd

# How long the other ranks of an srun wait for rank 0's choice: network file systems show a new folder after
# up to 60 s.
_WAIT_SECONDS = 120.0
_POLL_SECONDS = 0.2


def choose_run_folder(
    runs_root: Path | str,
    config_name: str,
    resolved_config: Mapping[str, Any],
    resume: str | Path = "auto",
    run_dir: Path | str | None = None,
    *,
    environ: MutableMapping[str, str] | None = None,
) -> tuple[RunFolder, bool]:
    """Choose the folder of this run, and take it: no other process can be given the same one.

    A folder named from outside (``run_dir``, or WANDB_RUN_ID, which is one run of a sweep) is gone on with,
    or begun, and never replaced by another. Otherwise ``auto`` goes on with the newest run of the same
    configuration that is neither finished, nor failed by NaN, nor alive, nor left to another owner: a
    Slurm job that is still in the queue, another task of the same array, an agent's trial. That of the same Slurm
    job comes first.

    Args:
        runs_root: Where the runs are, ``runs`` as a rule.
        config_name: The stem of the first ``--config``.
        resolved_config: The resolved configuration without the keys that do not change the result
            (``run_dir``, ``resume``, the W&B mode, ...): two runs are the same when these are equal.
        resume: ``auto``, ``never`` (always a new folder) or the path of the run to go on with.
        run_dir: The folder itself, or None.
        environ: The environment that names the run and receives LIT_GAN_RUN_DIR; None means ``os.environ``.

    Returns:
        The folder and whether a run goes on in it. On ranks other than 0 the latter is whether it holds
        checkpoints.

    Raises:
        UserError: When the folder asked for is missing, alive, of another configuration, finished (where ``resume``
            names it) or cannot be written, and under torchrun when neither ``run_dir`` nor anything else names the
            run for all ranks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     first, resumed = choose_run_folder(root, "mnist", {"lr": 0.1}, environ={})
        ...     first.mark("stopped", "preempted")
        ...     first.release()
        ...     second, resumed_then = choose_run_folder(root, "mnist", {"lr": 0.1}, environ={})
        ...     second.path == first.path, resumed, resumed_then
        (True, False, True)
    """
    environ = os.environ if environ is None else environ
    group = Path(runs_root) / config_name
    asked = _requested_folder(resume, run_dir)
    if not ranks.is_rank_zero(environ):
        return _join_rank_zero(group, resolved_config, asked, environ)
    if resume not in ("auto", "never"):
        folder = _existing(Path(resume))
        _check_unfinished(folder)
        return folder, _go_on(folder, resolved_config, environ)
    named = asked or _named_by_environment(group, environ)
    if resume == "never":
        # torchrun's other ranks know the folder by its name alone: there it must be this very one.
        exact = named if ranks.ranks_start_alone(environ) else asked
        return RunFolder.create(runs_root, config_name, resolved_config, run_dir=exact, environ=environ), False
    if named is not None:
        folder = RunFolder(named)
        return folder, _go_on(folder, resolved_config, environ)
    if not ranks.ranks_start_alone(environ):
        for folder, seen in _resumable(group, fingerprint(resolved_config), owner_of(environ)):
            with suppress(UserError):  # taken or withdrawn meanwhile: the next one
                check = functools.partial(_check_still_resumable, folder, seen)
                return folder, folder.take(resolved_config, check=check, environ=environ)
    return RunFolder.create(runs_root, config_name, resolved_config, environ=environ), False


def _requested_folder(resume: str | Path, run_dir: Path | str | None) -> Path | None:
    """The folder that the user named on the command line."""
    by_resume = None if resume in ("auto", "never") else Path(resume).absolute()
    by_run_dir = None if run_dir is None else Path(run_dir).absolute()
    if by_resume and by_run_dir and by_resume != by_run_dir:
        raise UserError(
            f"--resume {resume} and --run_dir {run_dir} name two folders: give only --resume PATH to go on with a run."
        )
    return by_resume or by_run_dir


def _named_by_environment(group: Path, environ: Mapping[str, str]) -> Path | None:
    name = ranks.wandb_id(environ)
    return group / name if name else None


def _existing(path: Path) -> RunFolder:
    if not path.exists():
        raise UserError(f"--resume {path}: expected auto, never or the path of a run folder, and there is no {path}.")
    return RunFolder.open(path)


def _check_unfinished(folder: RunFolder) -> None:
    found = folder.read_record()
    if found.status == "finished":
        why = f" ({found.reason})" if found.reason else ""
        path = shlex.quote(relative_to_cwd(folder.path))
        raise UserError(
            f"--resume {path}: the run has finished{why}, and nothing is left to train: for a longer one begin a new "
            f"run from its checkpoint (--ckpt_path {path} --trainer.max_epochs N), or anew with its weights "
            f"(--init_from {path})."
        )


def _go_on(folder: RunFolder, resolved_config: Mapping[str, Any], environ: MutableMapping[str, str]) -> bool:
    check = functools.partial(_check_same, folder, resolved_config)
    return folder.take(resolved_config, check=check, environ=environ)


def _check_same(folder: RunFolder, resolved_config: Mapping[str, Any], found: RunRecord | None) -> None:
    if found is None:
        check_foreign(folder)
    elif found.fingerprint != fingerprint(resolved_config):
        raise UserError(
            f"{folder.path} holds a run of another configuration "
            f"({describe_differences(got=resolved_config, expected=found.config)}): "
            "give that run's configuration, or another --run_dir for a new run."
        )


def _check_still_resumable(folder: RunFolder, seen: RunRecord, found: RunRecord | None) -> None:
    if found is None or not found.resumable or (found.fingerprint, found.owner) != (seen.fingerprint, seen.owner):
        raise FolderInUse(f"{folder.path} was taken by another process.")


def _resumable(group: Path, wanted: str, mine: str | None) -> Iterator[tuple[RunFolder, RunRecord]]:
    """The runs to try: this owner's own first, then the newest; those left to others are told at the end."""
    found = [item for item in _records(group) if item[1].fingerprint == wanted and item[1].resumable]
    found.sort(key=lambda item: (mine is not None and item[1].owner == mine, item[1].started, item[0]), reverse=True)
    claims, left = Claims(mine), []
    for path, record in found:
        folder = RunFolder(path)
        if _is_alive(folder):
            continue
        claim = claims.on(record)
        if claim is None:
            yield folder, record
        else:
            left.append(
                f"{path} is left to {claim}: --resume {shlex.quote(str(path))} goes on with it here all the same"
            )
    if left:  # reached only when none was taken
        more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        warnings.warn(f"{left[0]}{more}.", stacklevel=2)


def _is_alive(folder: RunFolder) -> bool:
    try:
        return folder.is_alive()
    except (UserError, OSError):  # whatever keeps it from being looked at keeps it from being taken, too
        return False


def _records(group: Path) -> list[tuple[Path, RunRecord]]:
    records = []
    for status in group.glob("*/run.json"):
        try:
            record = read_record(status)
        except (UserError, OSError) as error:
            warnings.warn(f"Left aside while looking for a run to go on with: {error}", stacklevel=2)
            continue
        if record is not None:
            records.append((status.parent, record))
    return records


def _join_rank_zero(
    group: Path, resolved_config: Mapping[str, Any], asked: Path | None, environ: MutableMapping[str, str]
) -> tuple[RunFolder, bool]:
    """The folder of rank 0, known by what it handed over, by name, or by its record of this ``srun``."""
    path: Path | str | None = ranks.path_from_rank_zero(environ) or asked
    if path is None and ranks.ranks_start_alone(environ):
        path = _named_by_environment(group, environ)
    elif path is None:
        path = _published(group, fingerprint(resolved_config), ranks.slurm_launch(environ))
    if path is None:
        raise ranks.run_dir_required()
    folder = RunFolder.join(path, environ)
    # No rank writes a checkpoint before all have met, so that all ranks see the same ones here.
    return folder, any((folder.path / "checkpoints").glob("*.ckpt"))


def _published(group: Path, wanted: str, step: str | None) -> Path | None:
    """The folder whose record says that rank 0 of this ``srun`` has taken it; None outside a Slurm step."""
    if step is None:
        return None
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        for path, record in _records(group):
            if (record.launch, record.fingerprint, record.status) == (step, wanted, "running"):
                return path
        time.sleep(_POLL_SECONDS)
    raise UserError(
        f"Rank 0 of this srun has taken no run folder under {group} within {_WAIT_SECONDS:.0f} s: read "
        "its own message, and see that all nodes share that folder, or give --run_dir PATH."
    )
