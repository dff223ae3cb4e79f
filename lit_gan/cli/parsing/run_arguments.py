"""What `validate`, `test` and `predict` need when they are given a run folder or a checkpoint alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from lit_gan.cli.parsing.shipped import CONFIG_OPTIONS
from lit_gan.cli.trainer.trainer_verbs import ALLOW_OPTION
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_CHECKPOINT_OPTION = "--ckpt_path"


def run_folder_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, or ``None`` where it lies elsewhere."""
    folder = checkpoint.absolute().parent.parent
    return folder if (folder / "run.json").is_file() and checkpoint.parent.name == "checkpoints" else None


def configuration_name(config: Path) -> str:
    """The ``<config>`` of ``runs/<config>/<id>``: of the configuration that a run keeps, that of the run."""
    run = config.absolute().parent
    kept = config.name == "config.yaml" and (run / "run.json").is_file()
    return run.parent.name if kept else config.stem


@contextmanager
def completed_arguments(verb: str, arguments: list[str]) -> Iterator[list[str]]:
    """Completes a command line from the run or the checkpoint that it names.

    A first argument that is no option is the run folder or the checkpoint. Where no configuration is given, that of
    the run is used; the model is built as the checkpoint says; flags beat both. In training the checkpoint says what
    its weights need, networks and latent, and for the rest a configuration that is given beats it. What they name is
    imported only where it is of lit_gan or torch, allowed by ``--allow``, or typed: here, or in a configuration that is
    given here.
    """
    allowed, arguments = _split_off(list(arguments), (ALLOW_OPTION,))
    if arguments and not arguments[0].startswith("-"):
        arguments[:1] = [_CHECKPOINT_OPTION, arguments[0]]
    configs, flags = _split_off(arguments, CONFIG_OPTIONS)
    checkpoints, flags = _split_off(flags, (_CHECKPOINT_OPTION,))
    if not checkpoints or checkpoints[-1].lower() in ("null", "none"):
        if verb != "fit" and "--help" not in flags and "-h" not in flags:
            raise UserError(
                f"`lit-gan {verb}` needs something trained: expected a run folder or a checkpoint, as in "
                f"`lit-gan {verb} runs/mnist/ID`."
            )
        yield arguments
        return
    checkpoint = resolve_checkpoint(checkpoints[-1])
    run = run_folder_of(checkpoint)
    # With what a checkpoint needs, torch: the first look at a command has none.
    with_stored = import_module("lit_gan.cli.trainer.stored_model").configurations
    with TemporaryDirectory() as folder:
        names = with_stored(verb, checkpoint, run, configs, flags, allowed, Path(folder))
        files = [option for name in names for option in ("--config", name)]
        yield [*files, *flags, _CHECKPOINT_OPTION, str(checkpoint)]


def is_typed(option: str, arguments: list[str]) -> bool:
    """Whether an option is on the command line itself, and not only in a configuration.

    Example:
        >>> is_typed("--wandb", ["--wandb=online"]), is_typed("--wandb", ["--wandb_checkpoints=true"])
        (True, False)
    """
    return any(argument.partition("=")[0] == option for argument in arguments)


def check_asks_for_no_tracking(wandb: str | None, tensorboard: bool, arguments: list[str]) -> None:
    """What is typed for an evaluation without a folder would do nothing; in a configuration it is the run's."""
    asked = {"--wandb": wandb if wandb != "off" else None, "--tensorboard": "true" if tensorboard else None}
    for option, value in asked.items():
        if value is not None and is_typed(option, arguments):
            raise UserError(
                f"{option} {value}: the numbers of an evaluation go to the metrics of the run that is evaluated, "
                "and nowhere else: give --run_dir PATH, too, for an evaluation that is tracked on its own."
            )


def _split_off(arguments: list[str], options: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The values of some options, and the other arguments."""
    values, others = [], []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in options:
            given = value if equals else next(rest, None)
            if given is None:
                raise UserError(f"{name}: expected a value after it.")
            values.append(given)
        else:
            others.append(argument)
    return values, others
