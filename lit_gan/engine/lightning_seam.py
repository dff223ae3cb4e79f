"""Every private name of Lightning's loops, callbacks and plugins that we need, a function each.

For Lightning 2.6: each says why there is no public way, and which test holds it. The strategies' and the command line's
are in a ``lightning_seam`` of their own, beside their users. ``tests/test_private_names.py`` lets none stand elsewhere.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from lightning.fabric.plugins.precision.amp import _optimizer_handles_unscaling
from lightning.fabric.utilities.types import Optimizable
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters, _given_hyperparameters_context
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.optim import Optimizer
from torchmetrics import Metric

# -- What a type checker does not see, for the Trainer's connectors set it --------------------------------------------


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """All its callbacks."""
    callbacks: list[Callback] = getattr(trainer, "callbacks", [])
    return callbacks


def data_of(trainer: Trainer) -> Any:
    """Its data module, or ``None``."""
    return getattr(trainer, "datamodule", None)


def is_trial_run(trainer: Trainer) -> bool:
    """Whether it does a few batches of everything, for a look at errors."""
    return bool(getattr(trainer, "fast_dev_run", False))


def log_interval_of(trainer: Trainer) -> int:
    """Every how many rounds the loggers write a row; 0: never."""
    interval: int = getattr(trainer, "log_every_n_steps", 1)
    return interval


def set_log_interval(trainer: Trainer, interval: int) -> None:
    """Lets the loggers write at another pace."""
    trainer.log_every_n_steps = interval  # type: ignore[attr-defined]  # see above


# -- Which rounds are logged: reading numbers off the device costs as much as a small network's round ------------------


def round_is_logged(trainer: Trainer, number: int) -> bool:
    """Whether a round's numbers are wanted: where a logger writes, at the end of an epoch, and in the last round."""
    return trainer.is_last_batch or number == trainer.max_steps or row_is_written(trainer, number)


def row_is_written(trainer: Trainer, number: int) -> bool:
    """Whether the loggers write a row for the round of this number, from 1 on."""
    interval = log_interval_of(trainer)
    return interval > 0 and number % interval == 0


def log_round(trainer: Trainer) -> None:
    """Writes what the round has logged, which Lightning does after its hooks: a checkpoint is never ahead of the log.

    ``tests/callbacks/test_graceful_stop.py::test_stopped_after_any_round``
    """
    trainer._logger_connector.update_train_step_metrics()  # noqa: SLF001


def log_number(module: LightningModule, name: str, value: Tensor | Metric, **how: Any) -> None:
    """As ``module.log(name, value, batch_size=1)``; a number that is held already is only given its new value.

    Lightning copies all that it holds of a number each time one is logged: in a run of short epochs, whose last rounds
    are all logged, a twentieth of its time, and as much again for the metrics of small held-out batches.
    ``tests/engine/test_lightning_seam.py::test_numbers_are_logged_as_lightning_does``
    """
    trainer, hook = module.trainer, module._current_fx_name  # noqa: SLF001
    connector, held = trainer._logger_connector, trainer._results  # noqa: SLF001
    loader = "" if held is None or held.dataloader_idx is None else f".{held.dataloader_idx}"
    key = f"{hook}.{name}{loader}"
    if hook is None or held is None or key not in held:
        module.log(name, value, batch_size=1, **how)
        return
    if connector.should_reset_tensors(hook):
        held.reset(metrics=False, fx=hook)
    held.update_metrics(key, value.detach() if isinstance(value, Tensor) else value, 1)
    connector._current_fx = hook  # noqa: SLF001


# -- Backward passes and steps of optimisers --------------------------------------------------------------------------


def _takes_part(trainer: Trainer) -> bool:
    """Whether a strategy, a scaler or a profiler has a part in what a module does by hand."""
    plugin = trainer.precision_plugin
    plain = type(trainer.strategy) is SingleDeviceStrategy and type(plugin) in (Precision, MixedPrecision)
    seen = not isinstance(getattr(trainer, "profiler", None), PassThroughProfiler)
    return seen or not plain or getattr(plugin, "scaler", None) is not None


def backward_is_plain(trainer: Trainer) -> bool:
    """Whether ``manual_backward`` comes to no more than ``loss.backward()``: no scaler, no reducer, nobody who listens.

    ``tests/engine/test_lightning_seam.py::test_who_listens_to_a_backward_pass_hears_it``
    """
    if _takes_part(trainer):
        return False
    module, hooks = trainer.lightning_module, ("on_before_backward", "on_after_backward")
    heard = any(is_overridden(hook, each, Callback) for each in callbacks_of(trainer) for hook in hooks)
    return not heard and not any(is_overridden(hook, module, LightningModule) for hook in ("backward", *hooks))


def step_of(trainer: Trainer) -> Callable[[Optimizer], None]:
    """How an optimiser steps under manual optimisation: as the strategy has it, which calls a hook of each callback.

    Where that is all that it does, those callbacks alone are called that have such a hook: of twenty they are one, and
    the others took a twentieth of a short round.
    ``tests/engine/test_lightning_seam.py::test_who_looks_on_before_a_step_does_so``
    """
    strategy, module = trainer.strategy, trainer.lightning_module
    if _takes_part(trainer):
        return lambda optimizer: strategy.optimizer_step(optimizer, _nothing)
    hook = "on_before_optimizer_step"
    listeners = [each for each in callbacks_of(trainer) if is_overridden(hook, each, Callback)]

    def look(optimizer: Optimizer) -> None:
        if listeners:
            before, module._current_fx_name = module._current_fx_name, hook  # noqa: SLF001
            for each in listeners:
                each.on_before_optimizer_step(trainer, module, optimizer)
            module._current_fx_name = before  # noqa: SLF001
        module.on_before_optimizer_step(optimizer)

    def step(optimizer: Optimizer) -> None:
        optimizer.step(functools.partial(look, optimizer))  # type: ignore[arg-type]  # it has no loss to return

    return step


# -- Counting ---------------------------------------------------------------------------------------------------------


def count_round(trainer: Trainer) -> None:
    """Counts a step that no ``LightningOptimizer`` has made, under manual optimisation.

    Lightning counts each optimiser's steps, so a round of several players would count as many times.
    ``tests/engine/test_rounds.py::test_a_round_is_one_step_whoever_moves_in_it``
    """
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    progress.increment_ready()
    progress.increment_completed()


def evaluate_as_after(trainer: Trainer, rounds: int, epochs: int) -> None:
    """Lets an evaluation log at the round of its checkpoint: Lightning restores the loops for a training alone.

    ``tests/cli/test_evaluation.py::test_numbers_go_to_the_runs_own_metrics``
    """
    trainer.fit_loop.epoch_loop._batches_that_stepped = max(rounds - 1, 0)  # noqa: SLF001
    trainer.fit_loop.epoch_progress.current.completed = epochs


# -- The end of a round -----------------------------------------------------------------------------------------------


def round_is_settled(trainer: Trainer) -> bool:
    """Whether nothing but another round follows this one: Lightning's loops go on exactly from there.

    From the last round of an epoch, or one that a validation follows, they would go on behind the validation, whose
    numbers would be lost.
    """
    if epoch_ends(trainer) or 0 <= trainer.max_steps <= trainer.global_step:
        return False
    return not validation_is_due(trainer)


def validation_is_due(trainer: Trainer) -> bool:
    """Whether a validation follows this round by the intervals that were asked for.

    Lightning tells in no other way what comes next. The class is asked: `validate_after_the_last_round` adds to the
    loop's own answer. ``tests/callbacks/test_graceful_stop.py::test_stopped_after_any_round``
    """
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher  # noqa: SLF001
    return fetcher is None or type(loop)._should_check_val_fx(loop, fetcher)  # noqa: SLF001


def validate_after_the_last_round(trainer: Trainer, *, switched_on: bool = True) -> None:
    """Adds a validation after a round in which ``max_steps`` ends training within an epoch; Lightning has none there.

    ``tests/engine/test_lightning_seam.py::test_a_training_cut_off_within_an_epoch_validates``
    """
    loop = trainer.fit_loop.epoch_loop
    if switched_on:
        loop.__dict__["_should_check_val_fx"] = functools.partial(_validation_follows, trainer)
    else:
        loop.__dict__.pop("_should_check_val_fx", None)


def _validation_follows(trainer: Trainer, fetcher: Any) -> bool:
    loop = trainer.fit_loop.epoch_loop
    due = type(loop)._should_check_val_fx(loop, fetcher)  # noqa: SLF001
    return due or (trainer.enable_validation and ends_within_epoch(trainer))


def ends_within_epoch(trainer: Trainer) -> bool:
    """Whether training ends with this round, by ``max_steps`` and in the middle of an epoch."""
    return 0 <= trainer.max_steps <= trainer.global_step and not epoch_ends(trainer)


def is_last_round(trainer: Trainer) -> bool:
    """Whether training ends with the round that begins, by ``max_steps`` or ``max_epochs``."""
    epochs = trainer.max_epochs
    last_epoch = epochs is not None and 0 <= epochs <= trainer.current_epoch + 1
    return trainer.global_step + 1 == trainer.max_steps or (last_epoch and epoch_ends(trainer))


def epoch_ends(trainer: Trainer) -> bool:
    """Whether this is the last round of its epoch: ``is_last_batch`` says so of the loader's batches alone.

    ``tests/callbacks/test_run_checkpoint.py::test_it_is_written_at_the_end_whenever_it_was_due_before``
    """
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()  # noqa: SLF001


def training_goes_on(trainer: Trainer) -> bool:
    """Whether another epoch follows the one that ends."""
    epochs, steps = trainer.max_epochs, trainer.max_steps
    last_epoch = epochs is not None and 0 <= epochs <= trainer.current_epoch + 1
    return not (last_epoch or 0 <= steps <= trainer.global_step or trainer.should_stop)


# -- Going on, and stopping -------------------------------------------------------------------------------------------


def resume_between_epochs(trainer: Trainer) -> None:
    """Lets a checkpoint taken at an epoch's end begin the next epoch, before the loops are restored.

    Lightning takes every run with ``max_steps`` for one that stopped within an epoch: it would end the epoch a second
    time, with its hooks and their schedules, and go on with other batches.
    ``tests/engine/test_resumption.py::test_an_epoch_ends_once``
    """
    trainer.fit_loop.__dict__["_iteration_based_training"] = _counts_epochs


def _counts_epochs() -> bool:
    """Lightning's question is whether epochs count for nothing."""
    return False


def broadcast_sigterm(trainer: Trainer, *, switched_on: bool) -> None:
    """Spares a broadcast and a wait for the device in every round, for a flag that nobody raises any more.

    ``tests/engine/test_lightning_seam.py::test_lightnings_methods_are_there_to_be_replaced``
    """
    loop = trainer.fit_loop.epoch_loop
    if switched_on:
        loop.__dict__.pop("_broadcast_sigterm_tensor", None)
    else:
        loop.__dict__["_broadcast_sigterm_tensor"] = _nothing


def _nothing() -> None:
    """What is left of the broadcast."""


# -- What somebody asked for ------------------------------------------------------------------------------------------


def validates_by_time(trainer: Trainer) -> bool:
    """Whether ``val_check_interval`` is a time. ``tests/engine/test_lightning_seam.py::test_times_are_seen``."""
    return getattr(trainer, "_val_check_time_interval", None) is not None


def saves_by_time(checkpoint: ModelCheckpoint) -> bool:
    """Whether it has a ``train_time_interval``. ``tests/engine/test_lightning_seam.py::test_times_are_seen``."""
    return checkpoint._train_time_interval is not None  # noqa: SLF001


def is_built_from_class_paths() -> bool:
    """Whether the command line builds the module right now, and knows its arguments as plain data.

    ``tests/engine/test_loading.py::test_built_from_class_paths_it_loads_from_the_file_alone``
    """
    return _given_hyperparameters.get() is not None


def built_from_class_paths(arguments: dict[str, Any]) -> AbstractContextManager[None]:
    """Within this context a module that is built keeps these plain arguments, by which Lightning builds it again.

    ``tests/engine/test_loading.py::test_built_from_class_paths_it_loads_from_the_file_alone``
    """
    return _given_hyperparameters_context(arguments, instantiator="lightning.pytorch.cli.instantiate_module")


def has_unscaled_for(optimizer: Optimizable) -> bool:
    """Whether a fused optimiser unscales its gradients itself, in its step: too late for clipping.

    ``tests/engine/test_precision.py::test_clipping_sees_unscaled_gradients_with_a_fused_optimiser``
    """
    return bool(_optimizer_handles_unscaling(optimizer))
