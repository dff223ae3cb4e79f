"""What we need to know of the inside of Lightning 2.6: a function each, with the reason and the test that holds it."""

from lightning.pytorch import Trainer


def count_round(trainer: Trainer) -> None:
    """Counts a step that no ``LightningOptimizer`` has made, under manual optimisation.

    Lightning counts each optimiser's steps, so a round of several players would count as many times.
    Held by ``tests/engine/test_rounds.py::test_a_round_is_one_step_whoever_moves_in_it``.
    """
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    progress.increment_ready()
    progress.increment_completed()
