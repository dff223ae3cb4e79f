"""The options of `fit`, `validate`, `test` and `predict` beside those of model, data and trainer."""

from argparse import SUPPRESS, Action
from functools import reduce
from typing import Any, Literal

from lightning.pytorch import Trainer

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.callbacks.interpolation import Interpolation
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.callbacks.run_checkpoint import USUAL_MONITOR, RunCheckpoint
from lit_gan.callbacks.sample_grid import SampleGrid
from lit_gan.cli.parsing.parser import Parser
from lit_gan.cli.trainer.trainer_verbs import ALLOW_OPTION
from lit_gan.engine.compilation import CompileMode
from lit_gan.runs.fingerprint import plain

_CHECKPOINT_DEFAULTS = {
    "checkpoint.monitor": USUAL_MONITOR,
    "checkpoint.save_top_k": 1,
    "checkpoint.save_last": True,
    "checkpoint.save_on_train_epoch_end": True,
    "checkpoint.enable_version_counter": False,
}


#: The player whose weights alone a run begins with.
Part = Literal["generator", "discriminator"]
#: Of the sections of a configuration that have no ``class_path``, the class whose arguments they are.
SECTIONS: dict[str, type] = {
    "trainer": Trainer,
    "sample_grid": SampleGrid,
    "interpolation": Interpolation,
    "parzen": ParzenEvaluation,
    "evaluation": GenerativeEvaluation,
    "checkpoint": RunCheckpoint,
}

# What the data tell the model: source -> targets.
_FROM_DATA = {
    "data.image_shape": tuple(
        f"model.init_args.{network}.init_args.image_shape" for network in ("generator", "discriminator", "encoder")
    ),
    "data.num_classes": ("model.init_args.num_classes",),
}
FILLED_BY_DATA = tuple(target for targets in _FROM_DATA.values() for target in targets)


class _ReadBefore(Action):
    """An option that is among those of the help alone."""

    def __call__(self, *arguments: Any) -> None:
        """Nothing: it never comes so far."""


def add_run_options(parser: Parser, verb: str) -> None:
    """Adds our own options."""
    parser.add_argument(
        "--wandb",
        type=Literal["online", "offline", "off"] | None,
        help="What W&B is used for; if null, what WANDB_MODE says, else online within a W&B agent, else offline.",
    )
    parser.add_argument(
        "--tensorboard", type=bool, default=False, help="Log to tensorboard/ in the run folder as well."
    )
    parser.add_argument("--num_threads", type=int | None, help="CPU threads of one operation; torch's choice if null.")
    parser.add_argument(
        ALLOW_OPTION,
        action=_ReadBefore,
        default=SUPPRESS,
        dest=SUPPRESS,
        metavar="MODULE",
        help="Import MODULE if the checkpoint, or the configuration beside it, names it; repeatable.",
    )
    parser.add_lightning_class_args(SampleGrid, "sample_grid")
    parser.add_lightning_class_args(Interpolation, "interpolation")
    parser.add_lightning_class_args(ParzenEvaluation, "parzen")
    parser.add_lightning_class_args(GenerativeEvaluation, "evaluation")
    parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
    parser.set_defaults(_CHECKPOINT_DEFAULTS)
    if verb == "fit":
        parser.add_argument("--run_dir", type=str | None, help="The run folder, instead of runs/CONFIG/ID.")
        parser.add_argument(
            "--resume", type=str, default="auto", help="auto, never, or the run folder that is continued."
        )
        parser.add_argument(
            "--init_from",
            type=str | None,
            help="A checkpoint or a run folder whose weights a new run begins with, and with nothing else of it.",
        )
        parser.add_argument(
            "--init_part", type=Part | None, help="The player whose weights alone are taken from --init_from."
        )
        parser.add_argument(
            "--report", type=bool, default=True, help="At the end, draw figures and write report.html, a page with all."
        )
        parser.add_argument(
            "--compile",
            type=bool | CompileMode,
            default=False,
            help="Run the players through torch.compile while they train; reduce-overhead: with CUDA graphs on a GPU.",
        )
        parser.add_argument(
            "--wandb_checkpoints",
            type=bool,
            default=False,
            help="The last and the best checkpoint go to W&B at the end.",
        )
    if verb in ("validate", "test"):
        parser.add_argument(
            "--run_dir",
            type=str | None,
            help="A run folder for the numbers; null: that of the checkpoint, or in a trial of a sweep one of its own.",
        )
    if verb == "predict":
        parser.add_argument("--num_samples", type=int, default=1000, help="How many samples are written.")
        parser.add_argument(
            "--out",
            type=str | None,
            help="The .pt file; if null, samples.pt in the run folder, or samples-2.pt, ... where there is one.",
        )


def link_data_to_model(parser: Parser) -> None:
    """Hands the data's facts to the networks, and the seed to the data."""
    parser.link_arguments("seed_everything", "data.init_args.seed")
    for source, targets in _FROM_DATA.items():
        for target in targets:
            parser.link_arguments(source, target, apply_on="instantiate")


def keep_what_was_given(dump: dict[str, Any], options: Any) -> None:
    """Puts back what jsonargparse leaves out of a dump because the data might have said it."""
    for target in FILLED_BY_DATA:
        value = options.get(target)
        if value is not None:
            *path, name = target.split(".")
            place = reduce(lambda mapping, key: mapping.setdefault(key, {}), path, dump)
            place[name] = plain(value)
