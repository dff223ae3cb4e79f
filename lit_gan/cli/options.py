"""The options of `fit`, `validate`, `test` and `predict` beside those of model, data and trainer."""

from typing import Literal

from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.callbacks.sample_grid import SampleGrid
from lit_gan.cli.parser import Parser
from lit_gan.tracking.wandb import wandb_mode

_CHECKPOINT_DEFAULTS = {
    "checkpoint.save_top_k": 0,
    "checkpoint.save_last": True,
    "checkpoint.save_on_train_epoch_end": True,
    "checkpoint.enable_version_counter": False,
}


def add_run_options(parser: Parser, verb: str) -> None:
    """Adds our own options.

    Args:
        parser: The verb's parser.
        verb: Which verb.
    """
    parser.add_argument("--wandb", type=Literal["online", "offline", "off"] | None, help=wandb_mode.__doc__)
    parser.add_argument("--num_threads", type=int | None, help="CPU threads of one operation; torch's choice if null.")
    parser.add_lightning_class_args(SampleGrid, "sample_grid")
    parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
    parser.set_defaults(_CHECKPOINT_DEFAULTS)
    if verb == "fit":
        parser.add_argument("--run_dir", type=str | None, help="The run folder, instead of runs/CONFIG/ID.")
        parser.add_argument(
            "--resume", type=str, default="auto", help="auto, never, or the run folder that is continued."
        )
    if verb == "predict":
        parser.add_argument("--num_samples", type=int, default=1000, help="How many samples are written.")
        parser.add_argument("--out", type=str | None, help="The .pt file; samples.pt in the run folder if null.")


def link_data_to_model(parser: Parser) -> None:
    """Hands the data's facts to the networks, and the seed to the data.

    Args:
        parser: The verb's parser.
    """
    parser.link_arguments("seed_everything", "data.init_args.seed")
    for network in ("generator", "discriminator"):
        target = f"model.init_args.{network}.init_args.image_shape"
        parser.link_arguments("data.image_shape", target, apply_on="instantiate")
    parser.link_arguments("data.num_classes", "model.init_args.num_classes", apply_on="instantiate")
