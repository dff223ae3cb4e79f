"""Beginning and ending a run at W&B such that nothing there costs the training.

A server that cannot be reached is waited for less than a minute, and the run is then written to its folder.
"""

import math
import os
import re
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_gan.errors import UserError

if TYPE_CHECKING:
    from wandb import Run

# Seconds; W&B's own are 90 and for ever.
_INIT_SECONDS = 30.0
_FINISH_SECONDS = 45.0


class _Refused(Exception):  # noqa: N818 -- an answer, not an error
    """The server, or W&B's client, does not take us for who we are."""


def session_settings() -> dict[str, Any]:
    """W&B's settings for a run that must not wait for its server, nor talk over its progress bar.

    WANDB_INIT_TIMEOUT and WANDB_FINISH_TIMEOUT, in seconds, change how long the server is waited for.
    """
    return {
        "silent": True,
        "console": "off",  # the run folder holds what W&B would repeat there
        "show_warnings": False,
        "init_timeout": _seconds("WANDB_INIT_TIMEOUT", _INIT_SECONDS),
        "finish_timeout": _seconds("WANDB_FINISH_TIMEOUT", _FINISH_SECONDS),
        "finish_timeout_raises": True,
    }


def run_settings(given: Any, on_stop: Callable[[], None] | None) -> Any:
    """``wandb.Settings`` of ours, with what the user has said himself."""
    import wandb  # two seconds of imports that a run without W&B need not pay  # noqa: PLC0415

    def stop() -> None:
        # W&B copies its settings deeply: a function is copied as it is, a method with all that its object holds.
        if on_stop is not None:
            on_stop()

    settings = wandb.Settings(**session_settings(), stop_fn=stop)
    if isinstance(given, wandb.Settings):
        settings.update_from_settings(given)
    elif given:
        settings.update_from_dict(dict(given))
    return settings


def begin_run(arguments: dict[str, Any], *, offline: bool, stage: Path) -> "Run":
    """Begins a run at the server, or else in a folder; one that keeps nothing where not even that can be written."""
    import wandb  # two seconds of imports that a run without W&B need not pay  # noqa: PLC0415

    if not os.environ.get("WANDB_MODE", "online"):
        del os.environ["WANDB_MODE"]  # empty is as good as absent to us; to W&B it is a mistake
    wandb.setup(settings=wandb.Settings(silent=True, mode="offline" if offline else "online"))
    try:
        if not offline:
            return _begun_online(_fresh(arguments))
    except _Refused as refusal:
        if not os.environ.get("WANDB_SWEEP_ID"):
            raise UserError(
                f"--wandb online: {refusal}: log in with `wandb login`, set WANDB_API_KEY, or give --wandb offline."
            ) from refusal
        _warn_of_absence(refusal)
    except Exception as error:  # whatever goes wrong at W&B
        _warn_of_absence(error)
    try:
        stage.mkdir(parents=True, exist_ok=True)
        # Offline there is nothing to resume from, and `wandb sync` would count the rounds anew.
        return wandb.init(**{**_fresh(arguments), "dir": str(stage), "mode": "offline", "resume": None})
    except Exception as error:
        warnings.warn(f"W&B cannot even write to the run folder ({_first_line(error)}): it is off.", stacklevel=2)
        shut_down()
        return wandb.init(mode="disabled")


def finish_run(run: "Run", exit_code: int) -> str | None:
    """Ends a run, and says why the server does not have everything after the time that is given for it, if so."""
    try:
        run.finish(exit_code=exit_code)
    except Exception as error:
        return _first_line(error)
    return None


def _seconds(name: str, usual: float) -> float:
    """What an environment variable says; W&B reads it too, and to it an empty one is a mistake."""
    said = os.environ.get(name)
    if said == "":
        del os.environ[name]
    if not said:
        return usual
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise UserError(f"{name}={said}: expected seconds, such as {usual:g}.")
    return seconds


def _begun_online(arguments: dict[str, Any]) -> "Run":
    import wandb  # noqa: PLC0415 -- as above

    host = wandb.setup().settings.base_url
    try:
        if wandb.run is None and not wandb.login(prompt=False, verify=False):
            raise _Refused(f"there is no API key for {host}")
    except wandb.errors.AuthenticationError as error:
        raise _Refused(_first_line(error)) from error
    before = set(_folders(arguments))
    try:
        return wandb.init(**{**arguments, "mode": "online"})
    except Exception as error:
        shut_down()
        for attempt in set(_folders(arguments)) - before:
            shutil.rmtree(attempt, ignore_errors=True)
        if re.search(r"\b40[13]\b|permission", str(error)):
            raise _Refused(f"{host} does not accept the API key ({_first_line(error)})") from error
        raise


def _fresh(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with settings of their own: ``wandb.init`` writes the other arguments into those it is given."""
    settings = arguments.get("settings")
    return arguments if settings is None else {**arguments, "settings": settings.model_copy()}


def _folders(arguments: dict[str, Any]) -> list[Path]:
    return list(Path(arguments["dir"], "wandb").glob("run-*"))


def shut_down() -> None:
    """Ends W&B's service, which else counts a run that could not begin as being in use."""
    import wandb  # noqa: PLC0415 -- as above

    with suppress(Exception):  # a service that has died cannot be told to end
        wandb.teardown()
    wandb.setup(settings=wandb.Settings(silent=True))


def _warn_of_absence(error: Exception) -> None:
    warnings.warn(
        f"W&B cannot be reached ({_first_line(error)}): the run is tracked offline, in its folder.", stacklevel=3
    )


def _first_line(error: Exception) -> str:
    """What W&B says, without what it says further."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
