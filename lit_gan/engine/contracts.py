"""What users' parts are held to: a batch, what G makes, what D says; told in one line before anything has moved."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import Any

import torch
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.utilities.memory import is_oom_error
from torch import Tensor, nn

from lit_gan.engine.batches import described
from lit_gan.engine.value_ranges import (
    ContractWarning,
    Range,
    declared_range,
    last_layer,
    name_of,
    output_range,
    warn,
)
from lit_gan.errors import RunError, RunStopped, UserError
from lit_gan.strategies.rank_loss import may_be_a_consequence

__all__ = ["ContractWarning", "Contracts", "warn_of_probabilities"]

_PROBABILITIES = (nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Softmax, nn.Softmax2d, nn.LogSoftmax)
_HALVES = (torch.float16, torch.bfloat16)
_ROUNDING = 1e-3  # of a range: what scaling and a resize may go beyond it
_BOX = 0.05  # the same, where the range is no pixels' but a box that a distribution seldom leaves
_FAR = 0.05  # what is certainly no rounding, where nobody has declared a range
_HARDLY_USED = 0.02  # of the declared range: as if 255 had been divided by twice
_ENOUGH = 100  # numbers in a batch from which on their range says something
_LONGEST = 400  # characters of somebody else's message; a compiler's hold pages
_SETTLED = 20  # rounds after which a D's logits say something of it
#: Names of torch's graph: what changes the form of a tensor or its type, and no value.
_PASSING = tuple(
    f"{name}Backward"
    for name in (
        *("View", "UnsafeView", "ReshapeAlias", "Alias", "Squeeze", "Unsqueeze", "Expand", "Permute", "Transpose", "T"),
        *("Slice", "Select", "Clone", "ToCopy", "_DDPSink"),
    )
)
_PROBABLE = ("Sigmoid", "Hardsigmoid", "Softmax", "LogSoftmax", "LogSigmoid")
_UNBOUNDED = ("Addmm", "Mm", "Mv", "Bmm", "Baddbmm", "Addbmm", "Convolution", "Add", "Sub")
_OURS = ("torch", "lightning", "lightning_utilities", __name__.partition(".")[0])


class Contracts:
    """Holds the parts of a game to what they have to be.

    Forms (types, shapes, numbers of rows) are looked at always: that is free. Values are read from the device, which is
    a wait, so only in the first round of each training and on the first batch of each held-out split. Nothing is
    computed for it that the round does not compute anyway: no network is called a further time.

    Args:
        generator: G.
        discriminator: D, where there is one.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module | None = None) -> None:
        self.generator = f"the generator ({name_of(generator)})"
        self.discriminator = f"the discriminator ({name_of(discriminator)})"
        self._generator = generator
        self._output_range = output_range(generator)
        self._wants_maps = isinstance(next(_with_weights(generator), None), (nn.ConvTranspose2d, nn.Conv2d))
        self._data: Any = None
        self._passed: set[str] = set()
        self._told_of_probabilities = discriminator is not None and ends_in_probabilities(discriminator)
        self._where = "training"
        #: Whether values are looked at, and what a network raises is told in one line.
        self.closely = False

    # -- When -------------------------------------------------------------------------------------------------------

    def begin(self, data: Any) -> None:
        """A training or an evaluation begins: everything is looked at anew.

        Args:
            data: The data module, or ``None``.
        """
        self._data = data
        self._output_range = output_range(self._generator)
        self._passed = set()

    def look_at(self, split: str) -> None:
        """What comes is of this split.

        Args:
            split: ``training``, ``validation`` or ``test``.
        """
        self._where = split
        self.closely = split not in self._passed

    def passed(self) -> None:
        """All is well with the first batch of the split."""
        self._passed.add(self._where)
        self.closely = False

    @contextmanager
    def agreed(self, strategy: Strategy) -> Iterator[None]:
        """What is wrong on one rank within this context is wrong on all: none waits for one that has left.

        Args:
            strategy: The trainer's; all its ranks come here together.

        Raises:
            UserError: The first rank's that has one, on every rank.
        """
        fault: UserError | None = None
        try:
            yield
        except UserError as error:
            fault = error
        if self.closely and not strategy.reduce_boolean_decision(fault is None):
            told = _first_told(fault)
            raise fault if fault is not None and str(fault) == told else UserError(told)
        if fault is not None:
            raise fault

    def tell(self, error: Exception, who: str, given: str, *, always: bool = False) -> None:
        """Tells in one line what a part of the user's has raised, where it is seen for the first time.

        Args:
            error: What it raised.
            who: Which part.
            given: What it was given.
            always: Whether it is no matter that it has been seen before.

        Raises:
            UserError: From the error; not for what has told itself, nor for a full memory or a lost rank.
        """
        known = (UserError, RunError, RunStopped, torch.AcceleratorError)
        if (
            not (self.closely or always)
            or isinstance(error, known)
            or is_oom_error(error)
            or may_be_a_consequence(error)
        ):
            return
        text = " ".join(str(error).split())
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        raise UserError(
            f"{who} fails on {given}: {type(error).__name__}: {text}{_place(error)}{self._hint(who, error)}."
        ) from error

    def _hint(self, who: str, error: Exception) -> str:
        if who == self.generator and self._wants_maps and isinstance(error, (RuntimeError, ValueError)):
            return (
                "; latents are (N, latent_size): where the network begins with a convolution over (N, nz, 1, 1), let "
                "its first layer be nn.Unflatten(1, (nz, 1, 1))"
            )
        if who == self.discriminator and isinstance(error, RuntimeError):
            return (
                "; expected a network for such data: with image_shape among the arguments of its __init__, the command "
                "line tells it the data's"
            )
        return ""

    # -- The batch --------------------------------------------------------------------------------------------------

    def check_parts(self, parts: Any, whose: str) -> tuple[Tensor, Tensor | None]:
        """What ``split_batch`` has given: the examples, and what they are conditioned on.

        Args:
            parts: That.
            whose: The class that it is a method of.

        Raises:
            UserError: If it is no such pair.
        """
        pair = isinstance(parts, (tuple, list)) and len(parts) == 2
        if not (pair and isinstance(parts[0], Tensor) and isinstance(parts[1], Tensor | None)):
            raise UserError(
                f"{whose}.split_batch gives {described(parts)}: expected two things, the examples as a tensor and what "
                "they are conditioned on as a tensor or None, as in `return batch[0], None`."
            )
        x, condition = parts
        if condition is not None and (not condition.ndim or not x.ndim or len(condition) != len(x)):
            raise UserError(
                f"a batch of the {self._where} data has {described(x)} as examples and {described(condition)} as their "
                "condition: expected one row of it for each example."
            )
        return x, condition

    def check_classes(self, condition: Tensor | None, num_classes: int | None) -> None:
        """What class numbers must be; a condition of another kind is the subclass's own.

        Args:
            condition: What the examples are conditioned on.
            num_classes: How many classes the GAN knows, if it knows any.

        Raises:
            UserError: If a class is none of them.
        """
        if condition is None or num_classes is None or not self.closely:
            return
        if condition.ndim != 1 or condition.is_floating_point() or not len(condition):
            return
        low, high = torch.stack(condition.aminmax()).tolist()
        if low < 0 or high >= num_classes:
            raise UserError(
                f"the labels of a batch of the {self._where} data run from {low} to {high}: expected 0 to "
                f"{num_classes - 1}, for num_classes = {num_classes}."
            )

    def check_examples(self, x: Tensor, dtype: torch.dtype) -> None:
        """What a batch must be for the networks.

        Args:
            x: The examples.
            dtype: What the networks compute in.

        Raises:
            UserError: If it is not that.
        """
        if x.ndim < 2:
            raise UserError(
                f"the examples of the {self._where} data are {described(x)}: expected rows of data, (N, C, H, W) for "
                "images."
            )
        if x.dtype != dtype:
            raise UserError(f"the examples of the {self._where} data are {self._of_another_type(x, dtype)}.")
        if x.requires_grad:
            raise UserError(
                f"the examples of the {self._where} data require a gradient: expected plain data; .detach() them in "
                "the loader or in split_batch."
            )
        if self.closely and x.numel():
            self._check_shape(x)
            self._check_values(x)

    def _of_another_type(self, x: Tensor, dtype: torch.dtype) -> str:
        low, high = declared_range(self._data) or self._output_range or (0.0, 1.0)
        wanted = f"expected {dtype} in [{low}, {high}]"
        kind = str(x.dtype)
        if x.dtype == torch.uint8:
            formula = {(0.0, 1.0): "x.float() / 255", (-1.0, 1.0): "x.float() / 127.5 - 1"}.get((low, high))
            how = f"scale them in the data set, {formula or 'from 0..255 to that range'}"
            return f"bytes ({kind}), 0 to 255: {wanted}: {how}"
        if x.is_complex():
            return f"complex ({kind}): {wanted}: give real and imaginary part as channels (torch.view_as_real)"
        if not x.is_floating_point():
            numbers = "truth values" if x.dtype == torch.bool else "whole numbers"
            return f"{numbers} ({kind}): {wanted}: scale them in the data set, .float() first"
        bits = {torch.float64: "64-true", torch.float32: "32-true", torch.float16: "16-true"}.get(x.dtype, "bf16-true")
        to = {torch.float32: ".float()", torch.float64: ".double()"}.get(dtype, f".to({dtype})")
        return (
            f"{kind} and the networks {dtype}: expected one type: {to} in the data set, or a training in the data's "
            f"(--trainer.precision {bits})"
        )

    def _check_shape(self, x: Tensor) -> None:
        shape = getattr(self._data, "image_shape", None)
        if shape is not None and tuple(shape) != tuple(x.shape[1:]):
            raise UserError(
                f"the examples of the {self._where} data have the shape {tuple(x.shape[1:])} but "
                f"{name_of(self._data)}.image_shape = {tuple(shape)}: expected the same"
                f"{_how_to_turn(tuple(x.shape[1:]), tuple(shape))}."
            )

    def _check_values(self, x: Tensor) -> None:
        seen = _extent(x)
        if seen is None:
            raise UserError(
                f"the first batch of the {self._where} data holds values that are not finite (NaN or inf): expected "
                "numbers; look for a division by zero or a damaged file."
            )
        declared = declared_range(self._data)
        if declared is not None:
            self._compare_with_declared(seen, declared, x)
        elif self._output_range is not None:
            self._compare_with_generator(seen, self._output_range)

    def _compare_with_declared(self, seen: Range, declared: Range, x: Tensor) -> None:
        low, high = declared
        share = _ROUNDING if getattr(self._data, "in_pixel_range", True) else _BOX
        slack = (high - low) * max(share, 4 * torch.finfo(x.dtype).eps)
        whose = f"the first batch of the {self._where} data has values from {seen[0]:.4g} to {seen[1]:.4g}"
        declares = f"{name_of(self._data)} declares value_range = [{low}, {high}]"
        if seen[0] < low - slack or seen[1] > high + slack:
            raise UserError(f"{whose}, but {declares}: scale the data to it, or declare what they are.")
        if x.numel() < _ENOUGH or self._where != "training":
            return
        if low < 0 <= seen[0]:
            warn(f"{whose}, the upper part alone of what is declared ({declares}): are they scaled as declared?")
        elif seen[1] - seen[0] < _HARDLY_USED * (high - low):
            warn(f"{whose}, next to nothing of what is declared ({declares}): have they been scaled twice?")

    def _compare_with_generator(self, seen: Range, given: Range) -> None:
        low, high = given
        slack = _FAR * (high - low)
        whose = f"the first batch of the {self._where} data has values from {seen[0]:.4g} to {seen[1]:.4g}"
        if seen[0] < low - slack or seen[1] > high + slack:
            raise UserError(
                f"{whose}, but {self.generator} gives [{low}, {high}]: expected the same range: scale the data, or "
                "change what the generator ends in and its output_range."
            )
        if low < 0 <= seen[0] and self._where == "training":
            warn(
                f"{whose}, but {self.generator} gives [{low}, {high}]: are the data scaled to that? Say so by an "
                "attribute value_range of the data module."
            )

    # -- What G makes -----------------------------------------------------------------------------------------------

    def check_samples(self, generated: Any, rows: int, x: Tensor | None = None) -> None:
        """What G must have made of its latents.

        Args:
            generated: That.
            rows: How many latents there were.
            x: The examples that D will see beside the samples; ``None`` where samples are only shown.

        Raises:
            UserError: If it is not that.
        """
        if not isinstance(generated, Tensor):
            raise UserError(
                f"{self.generator} gives {described(generated)}: expected one tensor of samples; where the network "
                "gives more, let the method generate of a subclass of the GAN return the samples alone."
            )
        if not generated.ndim or len(generated) != rows:
            raise UserError(
                f"{self.generator} gives {described(generated)} for {rows} latents: expected {rows} rows, one sample "
                "for each."
            )
        if not generated.is_floating_point():
            raise UserError(
                f"{self.generator} gives {described(generated)}: expected floating-point samples, through which "
                "gradients flow."
            )
        if x is not None:
            self._compare_with_examples(generated, x)
        if self.closely:
            self._check_samples_closely(generated)

    def _compare_with_examples(self, generated: Tensor, x: Tensor) -> None:
        made, wanted = tuple(generated.shape[1:]), tuple(x.shape[1:])
        if made != wanted:
            raise UserError(
                f"{self.generator} makes samples of shape {made} but the examples of the {self._where} data have the "
                f"shape {wanted}: expected the same{_how_to_turn(wanted, made) or self._how_to_fit(made, wanted)}."
            )
        lowered = generated.dtype in _HALVES and torch.is_autocast_enabled(generated.device.type)
        if generated.dtype != x.dtype and not lowered:
            raise UserError(
                f"{self.generator} gives {generated.dtype} and the examples are {x.dtype}: expected one type; let the "
                "network keep that of its latents."
            )

    def _how_to_fit(self, made: tuple[int, ...], wanted: tuple[int, ...]) -> str:
        taken = getattr(type(self._data).__init__, "__annotations__", {})
        sides = made[-1] == made[-2] if len(made) == len(wanted) == 3 else False
        way = "; with image_shape among the arguments of the network's __init__, the command line tells it the data's"
        if sides and made[0] == wanted[0] and "image_size" in taken:
            return f"{way}; or --data.init_args.image_size {made[-1]} brings the data to its size"
        if sides and made[0] == 1 and made[1:] == wanted[1:] and "grey" in taken:
            return f"{way}; or --data.init_args.grey true makes the data grey"
        return way

    def _check_samples_closely(self, generated: Tensor) -> None:
        if torch.is_grad_enabled() and not generated.requires_grad:
            raise UserError(
                f"{self.generator} gives samples that do not depend on its weights: no gradient can reach them; look "
                "for no_grad, detach, .data, argmax or rounding in it."
            )
        seen = _extent(generated)
        if seen is None and self._where != "training":  # an evaluation reports what there is
            return
        if seen is None:
            raise UserError(
                f"{self.generator} gives samples that are not finite (NaN or inf) before anything is trained: look at "
                "its initial weights, or the checkpoint that they come from."
            )
        if self._output_range is not None:
            low, high = self._output_range
            slack = _FAR * (high - low)
            if seen[0] < low - slack or seen[1] > high + slack:
                warn(
                    f"{self.generator} gives values from {seen[0]:.4g} to {seen[1]:.4g}, but declares output_range = "
                    f"[{low}, {high}]: samples are shown by what is declared."
                )

    # -- What D says ------------------------------------------------------------------------------------------------

    def check_logits(self, logits: Any, rows: int) -> None:
        """What D must say.

        Args:
            logits: That.
            rows: How many examples and samples it was shown.

        Raises:
            UserError: If it is not that.
        """
        if not isinstance(logits, Tensor):
            raise UserError(
                f"{self.discriminator} gives {described(logits)}: expected one tensor of logits, a row for each "
                "example; where the network gives more, let the method discriminate of a subclass of the GAN bring it "
                "down to one, say by `torch.cat([each.flatten(1) for each in ...], dim=1)`."
            )
        if not logits.ndim or len(logits) != rows:
            raise UserError(
                f"{self.discriminator} gives {described(logits)} for {rows} images: expected {rows} rows, (N, 1), (N,) "
                "or a map (N, 1, h, w); look for a mean over the batch or a reshape that mixes rows."
            )
        if not logits.is_floating_point():
            raise UserError(
                f"{self.discriminator} gives {described(logits)}: expected floating-point logits, through which "
                "gradients flow."
            )
        if self.closely:
            self._check_logits_closely(logits)

    def _check_logits_closely(self, logits: Tensor) -> None:
        if torch.is_grad_enabled() and not logits.requires_grad:
            raise UserError(
                f"{self.discriminator} gives logits that no gradient flows through, neither to its weights nor to G's: "
                "look for no_grad, detach, .data, argmax or rounding in it."
            )
        if self._where == "training" and _extent(logits) is None:
            raise UserError(
                f"{self.discriminator} gives logits that are not finite (NaN or inf) before anything is trained: look "
                "at its initial weights, or the checkpoint that they come from."
            )

    def check_loss(self, loss: Any, whose: str) -> None:
        """What an objective must give.

        Args:
            loss: That.
            whose: Which of its methods gave it.

        Raises:
            UserError: If it is no scalar.
        """
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise UserError(f"{whose} gives {described(loss)}: expected a scalar, as by .mean().")

    def look_for_a_sigmoid(self, logits: Tensor) -> None:
        """Warns, once, of a D whose last operation makes probabilities: by the graph, at no cost and without a wait.

        Args:
            logits: What D has said.
        """
        operation = _last_operation(logits)
        if operation in _PROBABLE and not self._told_of_probabilities:
            warn(_expected_logits(self.discriminator, operation))
        # What ends in a sum or a product of matrices is bounded by nothing: its values need not be looked at.
        self._told_of_probabilities |= operation in _PROBABLE or operation in _UNBOUNDED

    def look_for_probabilities(self, real_logits: Tensor, fake_logits: Tensor, rounds: int) -> None:
        """Warns, once, of a D all of whose logits lie in [0, 1]; in a round that is logged, for it reads them.

        Args:
            real_logits: On examples.
            fake_logits: On samples.
            rounds: How many there have been. Small logits of an untrained D may all be positive: it is given some time.
        """
        if self._told_of_probabilities or rounds < _SETTLED:
            return
        self._told_of_probabilities = True
        lows, highs = zip(real_logits.aminmax(), fake_logits.aminmax(), strict=True)
        low, high = torch.stack([torch.stack(lows).min(), torch.stack(highs).max()]).tolist()
        if low >= 0 and high <= 1:
            warn(
                f"all logits of {self.discriminator} lie in [0, 1] after {rounds} rounds, as probabilities do: "
                "expected logits; leave out what makes probabilities of them, for the objectives apply the sigmoid "
                "themselves."
            )


# -- Of a discriminator, before anything runs -------------------------------------------------------------------------


def ends_in_probabilities(discriminator: nn.Module) -> bool:
    """Whether a network's last layer makes probabilities of logits, by the looks of it.

    Args:
        discriminator: Any module.

    Example:
        >>> ends_in_probabilities(nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()))
        True
    """
    return isinstance(last_layer(discriminator), _PROBABILITIES)


def warn_of_probabilities(discriminator: nn.Module) -> None:
    """Warns of a discriminator that ends in a sigmoid, a softmax, or the logarithm of one.

    Args:
        discriminator: D.
    """
    if ends_in_probabilities(discriminator):
        warn(
            _expected_logits(f"the discriminator ({name_of(discriminator)})", type(last_layer(discriminator)).__name__)
        )


# -- Words ------------------------------------------------------------------------------------------------------------


def _expected_logits(who: str, last: str) -> str:
    way = f"leave the {last} out, for the objectives apply the sigmoid themselves"
    return f"{who} ends in a {last}: expected logits; {way}."


def _last_operation(logits: Tensor) -> str:
    """The last operation in torch's graph, where there is a graph; what only changes the form is passed over."""
    node = logits.grad_fn
    while node is not None and node.name().rstrip("0123456789") in _PASSING and node.next_functions:
        node = node.next_functions[0][0]
    return "" if node is None else node.name().rstrip("0123456789").removesuffix("Backward").lstrip("_")


def _extent(x: Tensor) -> Range | None:
    """The least and the greatest value; ``None`` where one is not finite."""
    if not x.numel():
        return 0.0, 0.0
    low, high = torch.stack(x.detach().aminmax()).tolist()
    return (low, high) if abs(low) + abs(high) < float("inf") else None


def _with_weights(network: nn.Module) -> Iterator[nn.Module]:
    return (layer for layer in network.modules() if next(layer.parameters(recurse=False), None) is not None)


def _how_to_turn(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """The way from one shape to the other, where it is a turn or an axis."""
    if len(shape) == len(wanted) == 3 and (shape[2], *shape[:2]) == wanted != shape:
        return "; channels come first: x.permute(0, 3, 1, 2) in the data set"
    if (1, *shape) == wanted:
        return "; the axis of the channels is missing: x.unsqueeze(1) in the data set"
    return ""


def _place(error: BaseException) -> str:
    """The last line of the user's own in a traceback."""
    own = [
        (frame, line)
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _OURS
    ]
    if not own:
        return ""
    frame, line = own[-1]
    return f" ({Path(frame.f_code.co_filename).name}, line {line})"


def _first_told(fault: UserError | None) -> str:
    """What the first rank that has a fault says of it; all ranks call this together."""
    if not torch.distributed.is_initialized():
        return str(fault)
    told: list[str | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(told, None if fault is None else str(fault))
    return next(text for text in told if text is not None)
