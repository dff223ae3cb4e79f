"""`fit`, `validate`, `test` and `predict`: what each does with a command that is parsed and built."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor

from lit_gan.callbacks.compiled_players import CompiledPlayers
from lit_gan.callbacks.stop_signals import StopSignals
from lit_gan.cli.baselines import show_beside
from lit_gan.cli.parsing.run_arguments import check_asks_for_no_tracking, completed_arguments, run_folder_of
from lit_gan.cli.parsing.shipped import shipped_file
from lit_gan.cli.quiet import silence_what_users_cannot_mend
from lit_gan.cli.samples_file import TENSORS, Rows, check_target, samples_writer, write_beside, write_named
from lit_gan.cli.trainer.command import Command
from lit_gan.cli.trainer.initial_weights import load_initial_weights
from lit_gan.cli.trainer.start import check_start
from lit_gan.engine.compilation import CompileMode
from lit_gan.errors import DONE, INTERRUPTED, UserError
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.generative import GenerativeModule
from lit_gan.launch.sweep_trial import sweep_of
from lit_gan.runs.checkpoint_files import load_checkpoint
from lit_gan.runs.folder import RunFolder
from lit_gan.session.course import evaluate, train
from lit_gan.session.errors import trainer_argument_errors, user_errors
from lit_gan.session.identity import result_of
from lit_gan.session.parts import folder_loggers, run_loggers, trainer_arguments
from lit_gan.session.recording import Recording, say_where_the_profile_is
from lit_gan.session.scores import keep_scores


def main(verb: str, arguments: list[str]) -> int:
    """Runs one of the four verbs."""
    started = time.monotonic()
    silence_what_users_cannot_mend()
    try:
        with completed_arguments(verb, arguments) as complete:
            command = Command(verb, complete)
            if verb == "fit":
                check_start(command.options, complete)
            _set_threads(command.options.num_threads)
            command.build()
            if verb == "fit":
                _fit(command, started)
            elif verb == "predict":
                _predict(command)
            else:
                _evaluate(command)
    except SystemExit as ending:
        # Lightning turns Ctrl-C into exit(1); `--help` and `--print_config` end with 0.
        interrupted = isinstance(ending.__context__, KeyboardInterrupt)
        return INTERRUPTED if interrupted else int(ending.code or 0)
    return DONE


def _set_threads(threads: int | None) -> None:
    """Before anything is computed."""
    if threads is not None:
        if threads < 1:
            raise UserError(f"--num_threads {threads}: expected at least 1.")
        torch.set_num_threads(threads)


def _fit(command: Command, started: float) -> None:
    """Trains in a run folder; only now is one taken: model and data could be built, so there is something to run."""
    options, built, signals = command.options, command.built, StopSignals()
    recording = _recording(command, resume=options.resume)
    folder = recording.run.path
    trainer = _trainer(
        recording,
        lambda: trainer_arguments(
            command.trainer,
            folder,
            _tracked(command, folder, signals),
            [*command.evaluations, built.sample_grid, built.interpolation, *_compiled(options.compile)],
            checkpoint=built.checkpoint,
            signals=signals,
        ),
    )
    method = command.method
    train(
        trainer,
        command.model,
        recording,
        signals,
        lambda start: trainer.fit(command.model, **{**method, "ckpt_path": start}),
        checkpoint=method["ckpt_path"],
        begin=None if options.init_from is None else _initial_weights(command),
        kept=KEPT,
        report=shipped_file if options.report else None,
        started=started,
    )


def _compiled(asked: bool | CompileMode) -> list[Callback]:
    """What compiles the players, where that is asked for."""
    if asked is False:
        return []
    return [CompiledPlayers() if asked is True else CompiledPlayers(asked)]


def _initial_weights(command: Command) -> Callable[[], None]:
    options = command.options
    return lambda: load_initial_weights(command.model, options.init_from, options.init_part)


def _evaluate(command: Command) -> None:
    """Evaluates; the numbers go to the metrics of the run that is evaluated, or to a run folder of their own."""
    options, parzen = command.options, command.built.parzen
    # Trials of a sweep that share a checkpoint would mix their numbers.
    recording = _recording(command) if options.run_dir is not None or sweep_of() is not None else None
    if recording is None:
        check_asks_for_no_tracking(options.wandb, options.tensorboard, command.arguments)
    run = _run_of(command) if recording is None else recording.run
    trainer = _evaluating_trainer(command, run, recording)
    method = getattr(trainer, command.verb)
    evaluate(trainer, lambda: method(command.model, **command.method), options.ckpt_path, recording)
    if not trainer.is_global_zero:
        return
    if run is not None:
        say_where_the_profile_is(run, command.verb)
        rounds = int(load_checkpoint(options.ckpt_path).get("global_step", 0))
        keep_scores(trainer, run, "test" if command.verb == "test" else "val", rounds)
    if command.verb == "test":
        show_beside(parzen, "this model" if run is None else run.path.name)


def _predict(command: Command) -> None:
    """Writes samples to a ``.pt`` file; a module that is no GAN predicts from its own data."""
    run, checkpoint = _run_of(command), command.options.ckpt_path
    trainer = _evaluating_trainer(command, run)
    if not isinstance(command.model, GenerativeModule):
        with user_errors(checkpoint):
            trainer.predict(command.model, **command.method)
        return
    num, out = command.options.num_samples, command.options.out
    if num < 1:
        raise UserError(f"--num_samples {num}: expected at least 1.")
    if out is None and run is None:
        raise UserError("--out: expected a file for the samples, since the checkpoint lies in no run folder.")
    if out is not None:
        check_target(Path(out), TENSORS)
    with user_errors(checkpoint):
        pieces = trainer.predict(command.model, Rows(num), ckpt_path=checkpoint, weights_only=True)
    samples = torch.cat(cast(list[Tensor], pieces))
    if out is not None:
        where = write_named(Path(out), samples_writer(samples))
    else:
        where = write_beside(run.path / "samples.pt", samples_writer(samples))  # type: ignore[union-attr]  # checked above
    print(f"lit-gan: wrote {num} samples to {where}")


# -- What they have in common ------------------------------------------------------------------------------------------


def _recording(command: Command, resume: str = "auto") -> Recording:
    options = command.options
    config = result_of(command.config)
    return Recording(command.name, config, options.seed_everything, resume=resume, run_dir=options.run_dir)


def _run_of(command: Command) -> RunFolder | None:
    """The run folder that the checkpoint lies in."""
    folder = run_folder_of(Path(command.options.ckpt_path))
    return None if folder is None else RunFolder.open(folder)


def _tracked(command: Command, folder: Path, signals: StopSignals) -> list[Logger]:
    options = command.options
    return run_loggers(
        command.trainer["logger"],
        folder,
        command.config,
        signals,
        wandb=options.wandb,
        tensorboard=options.tensorboard,
        wandb_checkpoints=bool(options.get("wandb_checkpoints")),
    )


def _evaluating_trainer(command: Command, run: RunFolder | None, recording: Recording | None = None) -> Trainer:
    def arguments() -> dict[str, Any]:
        loggers: list[Logger] = []
        if recording is not None:
            loggers = _tracked(command, recording.run.path, StopSignals())
        elif run is not None:
            loggers = folder_loggers(command.trainer["logger"], run.path)
        return trainer_arguments(command.trainer, None if run is None else run.path, loggers, command.evaluations)

    return _trainer(recording, arguments)


def _trainer(recording: Recording | None, arguments: Callable[[], dict[str, Any]]) -> Trainer:
    """The trainer; where it refuses its arguments, nothing is left of the folder that was made for it."""
    try:
        with trainer_argument_errors():
            return Trainer(**arguments())
    except BaseException:
        if recording is not None:
            recording.take_back()
        raise
