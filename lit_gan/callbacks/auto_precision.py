"""The precision of a training, chosen by what this machine is faster at."""

import copy
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.randomness import aside

_MEASURED = 3  # passes of each kind, in turn, after one that warms up
_GAIN = 1.1  # less is not worth another rounding
_ROWS = 64  # where nobody says how many a minibatch has


class AutoPrecision(Callback):
    """Trains in ``bf16-mixed`` where that is measured to be faster at the sizes of this game, and in float32 elsewhere.

    When a training starts, copies of both networks go forward and backward over a minibatch of samples a few times,
    with and without autocast to bfloat16, and the faster one is taken, with a line that tells both times: a second of
    the networks of ``mnist``. A tie, a gain of less than a tenth, is float32's. On a processor without bf16 products
    float32 is chosen. What was chosen is in the checkpoint, and a run goes on with it, on whatever machine. Nothing of
    the training changes by the measurement.

    It is for the default ``--trainer.precision 32-true``: who chooses another one needs no callback.

    Raises:
        UserError: When training starts, if what is trained is no GAN, or a precision was chosen as well.

    Example:
        ``lit-gan fit --config mnist --trainer.callbacks+=AutoPrecision``, or from Python:

        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(accelerator="cpu", callbacks=[AutoPrecision()], logger=False)
    """

    def __init__(self) -> None:
        #: ``32-true`` or ``bf16-mixed``; ``None`` before a training.
        self.chosen: str | None = None
        self._is_restored = False
        self._before: Precision | None = None
        self._seconds: Callable[[GAN, int, bool], float] = seconds_of_a_pass

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Chooses, where the checkpoint that the run goes on from has not."""
        if not isinstance(pl_module, GAN):
            raise UserError(f"AutoPrecision measures the networks of a lit_gan.GAN: got a {type(pl_module).__name__}.")
        plugin = trainer.precision_plugin
        if type(plugin) is not Precision:
            raise UserError(
                f"AutoPrecision and precision {plugin.precision!r}: expected one: leave --trainer.precision out."
            )
        if not self._is_restored:
            self.chosen = trainer.strategy.broadcast(self._choose(trainer, pl_module))
        self._is_restored = False
        if self.chosen == "bf16-mixed":
            self._before = plugin
            trainer.strategy.precision_plugin = MixedPrecision("bf16-mixed", pl_module.device.type)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What follows is the Trainer's own again."""
        self._give_back(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As after training."""
        self._give_back(trainer)

    def _give_back(self, trainer: Trainer) -> None:
        if self._before is not None:
            trainer.strategy.precision_plugin, self._before = self._before, None

    def state_dict(self) -> dict[str, Any]:
        """What was chosen."""
        return {"chosen": self.chosen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A run goes on as it began."""
        self.chosen = state_dict["chosen"]
        self._is_restored = self.chosen is not None

    def _choose(self, trainer: Trainer, gan: GAN) -> str:
        rows = getattr(getattr(trainer, "datamodule", None), "batch_size", None) or _ROWS
        with aside(gan.seed, "choice of the precision", gan.device):
            single, mixed = _least(self._seconds, gan, rows)
        chosen = "bf16-mixed" if mixed * _GAIN < single else "32-true"
        gan.print(
            f"lit-gan: trains in {chosen}: a pass of both networks takes {1e3 * single:.3g} ms in float32 and "
            f"{1e3 * mixed:.3g} ms in bf16-mixed."
        )
        return chosen


def _least(seconds: Callable[[GAN, int, bool], float], gan: GAN, rows: int) -> tuple[float, float]:
    """Of a few passes of each kind; where the second ones leave no doubt, of these: in the first, kernels are made."""
    for _ in range(2):
        single, mixed = (seconds(gan, rows, lowered) for lowered in (False, True))
    if mixed > 3 * single:
        return single, mixed
    single = mixed = math.inf
    for _ in range(_MEASURED):
        single = min(single, seconds(gan, rows, False))
        mixed = min(mixed, seconds(gan, rows, True))
    return single, mixed


def seconds_of_a_pass(gan: GAN, rows: int, lowered: bool) -> float:
    """What copies of both networks take over a minibatch of samples, forward and backward."""
    generator, discriminator = copy.deepcopy(gan.generator).train(), copy.deepcopy(gan.discriminator).train()
    z, condition = gan.latent.sample(rows).to(gan.device), gan.sample_condition(rows)
    given: tuple[Tensor, ...] = () if condition is None else (condition.to(gan.device),)
    _wait(gan.device)
    # Of one thread its own time: other work on the machine hardly counts in it.
    alone = gan.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    began = clock()
    with torch.enable_grad(), torch.autocast(gan.device.type, torch.bfloat16, enabled=lowered):
        logits = discriminator(generator(z, *given), *given)
    logits.float().mean().backward()
    _wait(gan.device)
    return clock() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
