"""`fit`, `validate`, `test` and `predict`: LightningCLI, in a run folder."""

import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import CheckpointIO
from torch import Tensor, nn

import lit_gan.data
import lit_gan.extensions.conditional
import lit_gan.networks  # noqa: F401 -- short class names in YAML resolve among what is imported
from lit_gan.callbacks.graceful_stop import GracefulStop, StopBetweenRounds
from lit_gan.callbacks.last_round import LastRound
from lit_gan.callbacks.metrics_rows import RowsAfterCheckpoint
from lit_gan.callbacks.numeric_guard import NumericGuard
from lit_gan.callbacks.player_monitor import PlayerMonitor
from lit_gan.callbacks.progress import LossProgressBar
from lit_gan.callbacks.stop_signals import StopSignals, stopped_at_once
from lit_gan.callbacks.throughput import Throughput
from lit_gan.cli.baselines import show_beside
from lit_gan.cli.lightning_seam import Command
from lit_gan.cli.parsing.as_typed import told_as_typed
from lit_gan.cli.parsing.interpolation import interpolated
from lit_gan.cli.parsing.module_builder import ModuleBuilder
from lit_gan.cli.parsing.options import FILLED_BY_DATA, add_run_options, keep_what_was_given, link_data_to_model
from lit_gan.cli.parsing.parser import Parser
from lit_gan.cli.parsing.run_arguments import check_asks_for_no_tracking, completed_arguments, run_folder_of
from lit_gan.cli.parsing.unbuilt import built_network, told_of_what_is_built
from lit_gan.cli.quiet import silence_what_users_cannot_mend
from lit_gan.cli.samples_file import TENSORS, Rows, check_target, replace_by_samples, write_beside
from lit_gan.cli.trainer.devices import allocated_devices, chosen_strategy
from lit_gan.cli.trainer.ending import Ending, planned_rounds, time_limit
from lit_gan.cli.trainer.errors import told_of_the_trainer, told_to_the_user
from lit_gan.cli.trainer.initial_weights import load_initial_weights, settle_start
from lit_gan.cli.trainer.recording import Recording
from lit_gan.cli.trainer.run_identity import result_of
from lit_gan.cli.trainer.run_messages import say_where_everything_is, say_where_the_profile_is
from lit_gan.cli.trainer.start_checks import check_groups, check_something_is_left
from lit_gan.cli.trainer.unused_run import UnusedRun
from lit_gan.engine.lightning_seam import evaluate_as_after
from lit_gan.engine.rounds import RoundModule
from lit_gan.errors import DONE, INTERRUPTED, RunError, UserError
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.generative import GenerativeModule
from lit_gan.launch.ranks import is_rank_zero
from lit_gan.launch.sweep_trial import sweep_of
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.tensorboard import tensorboard_logger
from lit_gan.loggers.wandb.choice import finished_wandb, with_wandb, without_wandb
from lit_gan.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from lit_gan.runs.checkpoint_io import AtomicCheckpointIO
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.heartbeat import Heartbeat
from lit_gan.runs.resume import choose_run_folder
from lit_gan.strategies import DDPGANStrategy
from lit_gan.strategies.ddp_gan import check_moves_players_apart
from lit_gan.strategies.lightning_seam import has_own_checkpoint_io

_RUNS = "runs"


def main(verb: str, arguments: list[str]) -> int:
    """Runs one of the four verbs.

    Args:
        verb: Which.
        arguments: What follows it on the command line.

    Returns:
        The exit code.
    """
    silence_what_users_cannot_mend()
    try:
        with completed_arguments(verb, arguments) as complete:
            RunCLI(verb, complete)
    except SystemExit as ending:
        # Lightning turns Ctrl-C into exit(1); `--help` and `--print_config` end with 0.
        interrupted = isinstance(ending.__context__, KeyboardInterrupt)
        return INTERRUPTED if interrupted else int(ending.code or 0)
    return DONE


class RunCLI(Command):
    """LightningCLI for one verb, any LightningModule and any data, whose files all go to one run folder.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        arguments: What follows it on the command line.
    """

    def __init__(self, verb: str, arguments: list[str]) -> None:
        self.verb = verb
        self.arguments = arguments
        self.run: RunFolder | None = None
        self.recording: Recording | None = None  # of a command that has a run folder of its own
        self.signals = StopSignals()
        self.started = time.monotonic()
        super().__init__(
            LightningModule,
            LightningDataModule,
            save_config_callback=None,  # written to the run folder instead
            seed_everything_default=0,  # the same command again is the same run
            trainer_defaults={"devices": 1},
            parser_class=Parser,
            parser_kwargs={"parser_mode": "yaml", "prog": "lit-gan", "allow_abbrev": False},
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            args=[verb, *arguments],
        )

    # -- Parsing ----------------------------------------------------------------------------------------------------

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # one verb's parser takes a quarter of the time
        """The one verb that was asked for."""
        return {self.verb: LightningCLI.subcommands()[self.verb]}

    def add_arguments_to_parser(self, parser: Parser) -> None:  # type: ignore[override]
        """Our own options, and what the data tell the networks."""
        add_run_options(parser, self.verb)
        link_data_to_model(parser)

    def build_by_class(self) -> None:
        """The networks and the model by builders of our own."""
        self.parser.add_instantiator(built_network, nn.Module, subclasses=True, prepend=True)
        self.parser.add_instantiator(ModuleBuilder(self, "model"), LightningModule, subclasses=True, prepend=True)

    def parse_arguments(self, parser: Parser, args: Any) -> None:  # type: ignore[override]
        """Parses the arguments that were passed, whatever stands in ``sys.argv``."""
        verb, *flags = args
        found = interpolated(parser, flags, verb=verb, filled_later=FILLED_BY_DATA)
        with told_as_typed(verb, flags), found as values:
            self.config = self._parse(parser, [verb, *values])
            check_groups(self.parser_of(verb), self.options)

    def _parse(self, parser: Parser, arguments: list[str]) -> Any:
        return parser.parse_args(arguments)

    def dumped(self) -> None:
        """Adds what was given although the data might say it."""
        keep_what_was_given(self.config_dump, self.options)

    @property
    def options(self) -> Any:
        """The parsed options of the verb."""
        return self.config[self.verb]

    def before_instantiate_classes(self) -> None:
        """Refuses what has nothing to do, and sets the number of threads before anything is computed."""
        if self.verb == "fit":
            settle_start(self.options, self.arguments)
            if self.options.get("ckpt_path") is not None:
                check_something_is_left(self.options.ckpt_path, self.options.trainer)
        threads = self.options.num_threads
        if threads is not None:
            if threads < 1:
                raise UserError(f"--num_threads {threads}: expected at least 1.")
            torch.set_num_threads(threads)

    def instantiate_classes(self) -> None:
        """As LightningCLI's; what an argument's own class says of it reaches the user without the report around it."""
        with told_of_what_is_built(), told_to_the_user():
            super().instantiate_classes()

    # -- Building ---------------------------------------------------------------------------------------------------

    def _choose_run_folder(self) -> None:
        """Training makes or continues a run folder; evaluation writes into the one it is given, or has its own."""
        self.dump()
        if self.verb == "fit" or self._evaluates_apart():
            name = self._name_of_the_runs()
            place = UnusedRun(Path(self.options.run_dir or Path(_RUNS, name)))
            self.run, resumed = choose_run_folder(
                _RUNS,
                name,
                result_of(self.config_dump),
                resume=self.options.resume if self.verb == "fit" else "auto",
                run_dir=self.options.run_dir,
            )
            anew = self.verb == "fit" and self.options.resume == "never"
            self.recording = Recording(self.run, place, resumed=resumed, anew=anew)
        else:
            if self.verb != "predict":
                check_asks_for_no_tracking(self.options.wandb, self.options.tensorboard, self.arguments)
            existing = run_folder_of(Path(self.options.ckpt_path))
            self.run = None if existing is None else RunFolder.open(existing)

    def _evaluates_apart(self) -> bool:
        """Whether the numbers are a run's of their own: trials of a sweep that share a checkpoint would mix theirs."""
        return self.verb in ("validate", "test") and (self.options.run_dir is not None or sweep_of() is not None)

    def _name_of_the_runs(self) -> str:
        """The ``<config>`` of ``runs/<config>/<id>``: of an evaluation that of the run it evaluates."""
        evaluated = None if self.verb == "fit" else run_folder_of(Path(self.options.ckpt_path))
        if evaluated is not None:
            return evaluated.parent.name
        configs = self.options.get("config") or []
        return Path(str(configs[0])).stem if configs else "custom"

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer whose root is the run folder, with our loggers and callbacks beside the user's own."""
        self._choose_run_folder()  # only now: model and data could be built, so there is something to run
        try:
            with told_of_the_trainer():
                return self._built_trainer(kwargs)
        except BaseException:
            if self.recording is not None:
                self.recording.take_back()
            raise

    def _built_trainer(self, kwargs: dict[str, Any]) -> Trainer:
        given = self.built("trainer")
        given = {**given, **allocated_devices(given, os.environ)}
        if self.run is not None:
            kwargs["default_root_dir"] = str(self.run.path)
        kwargs["logger"] = self._loggers(given.get("logger"))
        callbacks = given.get("callbacks") or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        limit, callbacks = time_limit(given.get("max_time"), callbacks) if self.verb == "fit" else (None, callbacks)
        kwargs |= _without_time(given)
        kwargs["callbacks"] = [*callbacks, *self._own_callbacks(given, callbacks)]
        kwargs["strategy"] = chosen_strategy(given)
        kwargs["plugins"] = _plugins(given)
        return self.built_trainer({**given, **kwargs}, self._configured_callbacks(given, limit))

    def _loggers(self, given: Any) -> list[Logger] | bool:
        if self.run is None:
            return False
        extra = [] if isinstance(given, bool) or given is None else given
        loggers: list[Logger] = extra if isinstance(extra, list) else [extra]
        if self.recording is not None:
            checkpoints = bool(self.options.get("wandb_checkpoints"))
            on_stop = self.signals.stop_by_tracker
            loggers = with_wandb(
                loggers, self.run.path, self.options.wandb, self.config_dump, on_stop, checkpoints=checkpoints
            )
            loggers += [tensorboard_logger(self.run.path)] if self.options.tensorboard else []
        else:
            loggers = without_wandb(loggers)  # it would begin a run of its own there, beside the one that is evaluated
        return [CSVMetrics(self.run.path), *loggers]

    def _own_callbacks(self, given: Mapping[str, Any], callbacks: list[Callback]) -> list[Callback]:
        has_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
        bar: list[Callback] = [] if has_bar or given.get("enable_progress_bar") is False else [LossProgressBar()]
        return [*bar, RowsAfterCheckpoint()]

    def _configured_callbacks(self, given: Mapping[str, Any], limit: timedelta | None) -> list[Callback]:
        keys = ("parzen", "evaluation", "sample_grid", "interpolation", "checkpoint")
        parzen, evaluation, grid, interpolation, checkpoint = map(self.built, keys)
        if evaluation.cache_dir is None:
            evaluation.cache_dir = str(KEPT)
        if self.verb != "fit":
            return [parzen, evaluation]
        for pictures in (grid, interpolation):
            if self.run is not None and pictures.folder is None:
                pictures.folder = str(self.run.path / "samples")
        watching = [parzen, evaluation, grid, interpolation]
        watching += [PlayerMonitor(), Throughput(), NumericGuard(), LastRound()]
        if given.get("enable_checkpointing") is False:
            return [*watching, StopBetweenRounds(self.signals, limit)]
        if self.run is not None and checkpoint.dirpath is None:
            checkpoint.dirpath = str(self.run.checkpoints)
        return [*watching, checkpoint, GracefulStop(self.signals, limit)]

    # -- Running ----------------------------------------------------------------------------------------------------

    def fit(self, model: LightningModule, **kwargs: Any) -> None:
        """Trains in the run folder, and leaves it marked with how the run ended."""
        recording = self.recording
        assert recording is not None  # noqa: S101 -- the folder was chosen before anything was built
        run = recording.run
        self.signals.listen()
        if isinstance(self.trainer.strategy, DDPGANStrategy):
            self.trainer.strategy.on_loss = lambda reason: run.mark("failed", reason)
        try:
            checkpoint = newest_checkpoint(run.checkpoints) if recording.resumed else None
            kwargs["ckpt_path"] = str(checkpoint) if checkpoint is not None else kwargs.get("ckpt_path")
            if kwargs["ckpt_path"] is None and self.options.init_from is not None:
                load_initial_weights(model, self.options.init_from, self.options.init_part)
            with Heartbeat(run), finished_wandb(self.trainer.loggers), told_to_the_user(kwargs["ckpt_path"]):
                if isinstance(model, RoundModule):  # it says so itself, but by then there is a rank on each device
                    check_moves_players_apart(self.trainer.strategy, self.trainer.world_size, model.players)
                recording.begin(self.config_dump, self.options.seed_everything, kwargs["ckpt_path"])
                recording.say_that_it_goes_on()
                self.trainer.fit(model, **kwargs)
        except BaseException as error:
            ending = self._root_of(error)
            recording.end_by(ending, self.trainer.global_step, planned_rounds(self.trainer))
            if ending is error:
                raise
            raise ending from error
        end = Ending.of(self.trainer, recording.first_round)
        recording.finish("" if end.as_planned else end.reason)
        if is_rank_zero(os.environ):
            say_where_everything_is(run, end, time.monotonic() - self.started)
            say_where_the_profile_is(run, "fit")

    def _root_of(self, error: BaseException) -> BaseException:
        """The loss of another rank, where that is what this one ends by: not the broken connection that it left."""
        lost = getattr(self.trainer.strategy, "lost", None)
        return error if lost is None else RunError(lost)

    def validate(self, model: LightningModule, **kwargs: Any) -> None:
        """Evaluates on the validation data; the numbers go to the run's metrics."""
        self._evaluate(self.trainer.validate, model, kwargs)

    def test(self, model: LightningModule, **kwargs: Any) -> None:
        """Evaluates on the test data; the numbers go to the run's metrics."""
        self._evaluate(self.trainer.test, model, kwargs)
        if self.trainer.is_global_zero:
            name = "this model" if self.run is None else self.run.path.name
            show_beside(self.built("parzen"), name)

    def _evaluate(self, evaluate: Any, model: LightningModule, kwargs: dict[str, Any]) -> None:
        checkpoint = load_checkpoint(Path(kwargs["ckpt_path"]))
        evaluate_as_after(self.trainer, int(checkpoint.get("global_step", 0)), int(checkpoint.get("epoch", 0)))
        recorded = (
            nullcontext()
            if self.recording is None
            else self.recording.of_an_evaluation(self.config_dump, self.options.seed_everything)
        )
        with recorded, finished_wandb(self.trainer.loggers), stopped_at_once(), told_to_the_user(kwargs["ckpt_path"]):
            evaluate(model, **kwargs)
        if self.run is not None and self.trainer.is_global_zero:
            say_where_the_profile_is(self.run, self.verb)

    def predict(self, model: LightningModule, **kwargs: Any) -> None:
        """Writes samples to a ``.pt`` file; a module that is no GAN predicts from its own data."""
        checkpoint = kwargs["ckpt_path"]
        if not isinstance(model, GenerativeModule):
            with told_to_the_user(checkpoint):
                self.trainer.predict(model, **kwargs)
            return
        num, out = self.options.num_samples, self.options.out
        if num < 1:
            raise UserError(f"--num_samples {num}: expected at least 1.")
        if out is None and self.run is None:
            raise UserError("--out: expected a file for the samples, since the checkpoint lies in no run folder.")
        if out is not None:
            check_target(Path(out), TENSORS)
        with told_to_the_user(checkpoint):
            pieces = self.trainer.predict(model, Rows(num), ckpt_path=checkpoint, weights_only=True)
        samples = torch.cat(cast(list[Tensor], pieces))
        if out is not None:
            where = replace_by_samples(Path(out), samples)
        else:
            where = write_beside(self.run.path / "samples.pt", samples)  # type: ignore[union-attr]  # checked above
        print(f"lit-gan: wrote {num} samples to {where}")


def _without_time(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the Trainer is told in place of its ``max_time``, which is ours: see `time_limit`."""
    if given.get("max_time") is None:
        return {}
    endless = given.get("max_epochs") is None and given.get("max_steps", -1) == -1  # as Lightning then has it
    return {"max_time": None, **({"max_epochs": -1} if endless else {})}


def _plugins(given: Mapping[str, Any]) -> list[Any]:
    """The user's plugins, and ours that writes checkpoints where they bring none."""
    plugins = given.get("plugins") or []
    plugins = plugins if isinstance(plugins, list) else [plugins]
    brought = any(isinstance(plugin, CheckpointIO) for plugin in plugins)
    brought = brought or has_own_checkpoint_io(given.get("strategy"))
    return plugins if brought else [*plugins, AtomicCheckpointIO()]
