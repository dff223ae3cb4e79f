"""The half of a GAN that stays after training: a generator, the latents that feed it, and its samples."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.jit import is_scripting  # type: ignore[attr-defined]  # it is public

from lit_gan.engine.batch_norm import BATCH_ROWS, batch_norms, batch_statistics, rows_needed
from lit_gan.engine.batches import num_rows
from lit_gan.engine.compilation import leave_uncompiled
from lit_gan.engine.contracts import Contracts
from lit_gan.engine.evaluation_mode import evaluating
from lit_gan.engine.loading import LoadableModule
from lit_gan.engine.value_ranges import check_same_range
from lit_gan.errors import UserError
from lit_gan.functional.display import to_display_range
from lit_gan.latents import Latent, LatentTable, Uniform
from lit_gan.networks.parameter_names import plain_buffers, plain_name, plain_parameters, unwrap
from lit_gan.randomness import aside, stream

# Bounds the memory of sample(): a layer of 8,000 units takes 32 MB at this size.
_SAMPLES_PER_FORWARD = 1000


class GenerativeModule(LoadableModule):
    """A generator with its latent distribution: draws samples, and knows the seed of its run and the range of its data.

    What is shown is what is given. Where a callback keeps an average of G's weights (:class:`GeneratorEMA`), it is in
    ``gan(z)``, :meth:`sample`, :meth:`decode`, :meth:`predict_step`, :meth:`to_onnx`, :meth:`to_torchscript` and
    :meth:`for_export`; elsewhere they have the weights. :meth:`generate` and ``gan.generator(z)`` are the network as it
    is being trained, except within ``with gan.averaged():``.

    Args:
        generator: G, from latents ``(N, latent_size)`` to data ``(N, C, H, W)``.
        latent: :math:`p_z`; ``None`` is ``Uniform`` of the generator's ``latent_size``.

    Raises:
        UserError: If the latent's size is not the generator's.

    Example:
        >>> from lit_gan.networks import MLPGenerator
        >>> module = GenerativeModule(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)))
        >>> module.sample(3, rng=0).shape
        torch.Size([3, 1, 8, 8])
    """

    # What TorchScript would compile although it is not called.
    __jit_unused_properties__ = [*LoadableModule.__jit_unused_properties__, "_float_dtype"]  # noqa: RUF012
    known_as = "GAN"

    def __init__(self, generator: nn.Module, latent: Latent | None = None) -> None:
        super().__init__()
        self.save_construction()
        self.generator = generator
        self.latent = _latent_for(generator, latent)
        self._contracts = Contracts(generator)
        self.has_begun = False
        self.value_range: tuple[float, float] | None = getattr(generator, "output_range", None)
        self.class_names: tuple[str, ...] = ()  # of what the model is conditioned on, where the data say them
        # An average of the generator's weights by parameter name, where a callback keeps one; never trained on.
        self.generator_average: dict[str, Tensor] | None = None
        # Of G's batch norms under that average: their statistics by buffer name, and those that have to be taken first.
        self.average_statistics: dict[str, Tensor] = {}
        self.statistics_due: tuple[str, ...] = ()
        self._has_its_average = False  # within averaged()
        #: Set by a callback's ``on_fit_start``: it keeps the average. One that no callback keeps is dropped there.
        self.keeps_average = False

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """G's samples, in data space.

        Args:
            z: Latents, ``(N, latent_size)``.
            condition: What the samples are generated under, ``(N, ...)``, or ``None``.

        Returns:
            A tensor ``(N, C, H, W)``.
        """
        return self.generator(z) if condition is None else self.generator(z, condition)  # type: ignore[no-any-return]

    def sample_condition(self, num: int) -> Tensor | None:
        """The conditions that samples are drawn under where none are given.

        Args:
            num: How many samples.

        Returns:
            One condition per sample, or ``None`` for a model that is not conditional.
        """
        return None

    def statistics_condition(self, num: int) -> Tensor | None:
        """The conditions that an average's batch-norm statistics are taken under: in each part of them, of all kinds.

        Args:
            num: How many.

        Returns:
            One condition per row; ``None``, where training has conditions, leaves the statistics as they are.
        """
        return self.sample_condition(num)

    def forward(self, z: Tensor) -> Tensor:
        """G's samples for the latents ``z``, in data space, with G's average weights where there are any.

        As for any module, G is in the mode it is in, and gradients flow: into ``z`` and, where no average is kept, into
        G's weights. Training is not disturbed, nor does it use this: it calls :meth:`generate`.

        Args:
            z: Latents, ``(N, latent_size)``.

        Returns:
            A tensor ``(N, C, H, W)``.
        """
        condition = self.sample_condition(len(z))
        if not is_scripting():  # a script is made of what has its average for good
            return self._generated_as_shown(z, condition)
        return self.generate(z, condition)

    def _generated_as_shown(self, z: Tensor, condition: Tensor | None) -> Tensor:
        if self.generator_average is None or self._has_its_average:
            return self.generate(z, condition)
        shown: Tensor = self._generated_by_average(z, condition)
        return shown

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _generated_by_average(self, z: Tensor, condition: Tensor | None) -> Tensor:
        # Not by averaged(): a gradient would be taken at the weights that are back by then.
        generated: Tensor = functional_call(_Generation(self), self._averages_by_path(), (z, condition))
        return generated

    @torch.no_grad()
    def sample(self, num: int, *, rng: int | torch.Generator | None = None, condition: Tensor | None = None) -> Tensor:
        """Draws samples for showing: G in evaluation mode, with its average weights where there are any, in [0, 1].

        Args:
            num: How many.
            rng: A seed or a generator; torch's global one if ``None``. Equal seeds give equal samples.
            condition: One per sample, ``(num, ...)``, for a conditional GAN; :meth:`sample_condition` where ``None``.

        Returns:
            A tensor ``(num, C, H, W)`` on the GAN's device.

        Raises:
            UserError: If ``num`` is below 1 or there is not one condition per sample.
        """
        return to_display_range(self.sample_data(num, rng=rng, condition=condition), self.value_range)

    @torch.no_grad()
    def sample_data(
        self, num: int, *, rng: int | torch.Generator | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Draws samples as :meth:`sample` does, but leaves them in data space, where metrics compare them.

        Args:
            num: How many, at least 1.
            rng: As :meth:`sample`'s.
            condition: As :meth:`sample`'s, ``(num, ...)``.

        Returns:
            A tensor ``(num, C, H, W)``.

        Raises:
            UserError: If ``num`` is less than 1, or the condition has another number of rows.
        """
        if num < 1:
            raise UserError(f"num = {num}: expected at least 1 sample.")
        condition = self.sample_condition(num) if condition is None else condition
        if condition is not None and len(condition) != num:
            raise UserError(f"condition has {len(condition)} rows: expected one for each of the num = {num} samples.")
        generator = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        z = self.latent.sample(num, generator=generator, device=self.device, dtype=self._float_dtype)
        return self._generated_for_showing(z, condition)

    @torch.no_grad()
    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """What G makes of given latents, shown as :meth:`sample` shows its draws.

        Args:
            z: Latents, ``(N, latent_size)``, on any device.
            condition: One for each, ``(N, ...)``, for a conditional GAN; :meth:`sample_condition` where ``None``.

        Returns:
            A tensor ``(N, C, H, W)`` in [0, 1] on the GAN's device.
        """
        condition = self.sample_condition(len(z)) if condition is None else condition
        data = self._generated_for_showing(z.to(self.device, self._float_dtype), condition)
        return to_display_range(data, self.value_range)

    def _generated_for_showing(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """G's output in evaluation mode, with its average weights where there are any, outside autocast."""
        starts = range(0, len(z), _SAMPLES_PER_FORWARD)
        pieces = [slice(start, start + _SAMPLES_PER_FORWARD) for start in starts]
        with self._showing(), self.averaged():
            return torch.cat([self._shown(z[i], None if condition is None else condition[i]) for i in pieces])

    def _showing(self) -> AbstractContextManager[None]:
        return evaluating(self.device, self.generator)

    def _shown(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self._contracts.generated(self.generate, z, condition)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this context G has its average weights, where a callback keeps an average; no weight is copied.

        Its batch norms have the statistics of these weights. Contexts may be nested. A gradient that is wanted is taken
        within the context, too. What G changes of its buffers in training mode is forgotten at the end.

        Example:
            ``with gan.averaged(): torch.save(gan.generator.state_dict(), "g.pt")`` saves what :meth:`sample` shows.
        """
        if self._has_its_average:
            yield
            return
        self._swap_weights()
        self._has_its_average = True
        try:
            with self._own_buffers():
                yield
        finally:
            self._has_its_average = False
            self._swap_weights()

    @contextmanager
    def _own_buffers(self) -> Iterator[None]:
        """The average's own buffers in the place of the live ones: copies, but for the statistics."""
        buffers = {} if self.generator_average is None else plain_buffers(self.generator)
        live = {name: buffer.data for name, buffer in buffers.items()}
        try:
            with torch.inference_mode(False):  # what is kept may meet a gradient later
                for buffer in buffers.values():
                    buffer.data = buffer.data.clone()
                if buffers and self.statistics_due:
                    self._take_statistics()
                for name in self.average_statistics.keys() & buffers.keys():
                    buffers[name].data.copy_(self.average_statistics[name])
            yield
        finally:
            for name, value in live.items():
                buffers[name].data = value

    def _take_statistics(self) -> None:
        """Those that are due, within :meth:`averaged`: over latents that are a function of the seed alone."""
        norms = {name: norm for name, norm in batch_norms(self.generator).items() if name in self.statistics_due}
        rows = rows_needed(norms.values())
        batches = rows // BATCH_ROWS
        latents, condition = self.latent_table("ema statistics"), self.statistics_condition(rows)

        def passes() -> Iterator[Tensor]:
            for number in range(batches):
                z = latents.rows(range(number * BATCH_ROWS, (number + 1) * BATCH_ROWS)).to(self.device)
                # Each batch has its share of all conditions, which come in order.
                yield self._shown(z, None if condition is None else condition[number::batches])

        # Nothing compiled is run: it would not call what observes the norms.
        with self._showing(), torch.compiler.set_stance("force_eager"), aside(self.seed, "ema statistics", self.device):
            self.average_statistics = batch_statistics(norms, passes())
        self.statistics_due = ()

    def _complete_average(self) -> None:
        """Takes what statistics are due, for whoever reads the average outside :meth:`averaged`."""
        if self.statistics_due:
            with self.averaged():
                pass

    def check_average(self) -> None:
        """Refuses an average, loaded from a checkpoint, that is not one of this G's weights.

        Raises:
            UserError: If names or shapes are others.
        """
        if self.generator_average is None:
            return
        buffers = plain_buffers(self.generator)
        statistics = self.average_statistics.keys() & buffers.keys()
        own = plain_parameters(self.generator) | {name: buffers[name] for name in statistics}
        kept = self.generator_average | {name: self.average_statistics[name] for name in statistics}
        unfit = [name for name in own.keys() | kept.keys() if _shape_of(own.get(name)) != _shape_of(kept.get(name))]
        if unfit:
            raise UserError(
                f"the checkpoint's average of G does not fit this G at {min(unfit)}: expected the names and shapes of "
                "its own weights; give the checkpoint that its run has written."
            )

    def _swap_weights(self) -> None:
        for parameter, average in self._weights_with_averages():
            parameter.data, average.data = average.data, parameter.data

    def _weights_with_averages(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        averages = self.generator_average or {}
        parameters = plain_parameters(self.generator) if averages else {}
        self.check_average()
        for name, average in averages.items():
            parameter = parameters[name]
            # The average is no part of the module, and has not moved to another device or type with it.
            averages[name] = average.to(parameter.device, parameter.dtype)
            yield parameter, averages[name]

    def _averages_by_path(self) -> dict[str, Tensor]:
        self._complete_average()
        paths = {id(parameter): name for name, parameter in self.generator.named_parameters()}
        averages = {paths[id(each)]: average for each, average in self._weights_with_averages()}
        for path, buffer in self.generator.named_buffers():  # copies: in training mode G would change them
            averages[path] = self.average_statistics.get(plain_name(path), buffer).to(buffer, copy=True)
        return {f"gan.generator.{path}": value for path, value in averages.items()}

    def for_export(self) -> Self:
        """A copy for a file format or a compiler: its weights are the average, where there is one; nothing is wrapped.

        Returns:
            The copy, in evaluation mode; its ``forward`` is from latents to data space.

        Example:
            ``torch.export.export(gan.for_export(), (torch.rand(1, 100),))`` captures what :meth:`sample` shows.
        """
        with self.averaged():
            exported = deepcopy(self)
        exported.generator_average, exported._has_its_average = None, False  # noqa: SLF001 -- of this class
        unwrap(exported)
        for module in exported.modules():
            leave_uncompiled(module)
        return exported.eval()

    def __prepare_scriptable__(self) -> Self:
        """What ``torch.jit.script`` compiles in place of this module."""
        return self if self.generator_average is None or self._has_its_average else self.for_export()

    def to_torchscript(
        self,
        file_path: str | Path | None = None,
        method: str | None = "script",
        example_inputs: Any = None,
        **kwargs: Any,
    ) -> Any:
        """As Lightning's, from latents to data space in evaluation mode, with G's average weights where there are any.

        Args:
            file_path: Where it is saved, if anywhere.
            method: ``"trace"``, for which any generator is good, or ``"script"``.
            example_inputs: Latents, ``(N, latent_size)``, to trace with.
            **kwargs: Of ``torch.jit.script`` or ``torch.jit.trace``.

        Returns:
            The script module.

        Raises:
            UserError: If the generator, or a method of this module, is none that TorchScript can compile.
        """
        try:
            return super(GenerativeModule, self.for_export()).to_torchscript(
                file_path, method, example_inputs, **kwargs
            )
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            if method != "script":
                raise
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f"to_torchscript(method='script'): TorchScript cannot compile this {type(self).__name__} ({reason}): "
                "use method='trace' with example_inputs = latents of shape (N, latent_size)."
            ) from error

    def to_onnx(self, file_path: Any = None, input_sample: Any = None, **kwargs: Any) -> Any:
        """As Lightning's, from latents to data space, with G's average weights where there are any.

        Args:
            file_path: Where it is saved, if anywhere.
            input_sample: Latents, ``(N, latent_size)``.
            **kwargs: Of ``torch.onnx.export``.

        Returns:
            What ``torch.onnx.export`` returns.
        """
        return super(GenerativeModule, self.for_export()).to_onnx(file_path, input_sample, **kwargs)

    def take_value_range(self, data_range: tuple[float, float] | None) -> None:
        """Shows samples in the range of the data from now on.

        Args:
            data_range: Smallest and largest value of the data; ``None`` where nobody knows them.

        Raises:
            UserError: If the generator says that it has another range.
        """
        if data_range is None:
            return
        check_same_range(self.generator, (float(data_range[0]), float(data_range[1])))
        self.value_range = (float(data_range[0]), float(data_range[1]))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """As many samples as the batch has rows, a function of the seed and of the batch's place."""
        rng = stream(self.seed, "predict", batch_idx, self.global_rank)
        return self.sample(num_rows(batch), rng=rng)

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        """Latents that are a function of the seed, of what they are for, of the position and of the rank.

        Args:
            num: How many.
            purpose: What they are for, say ``"training"``.
            *position: Where: the round and the turn.

        Returns:
            A tensor ``(num, latent_size)`` on the GAN's device.
        """
        generator = stream(self.seed, "latents", purpose, *position, self.global_rank, device=self.device)
        return self.latent.sample(num, generator=generator, dtype=self._float_dtype)

    def latent_table(self, purpose: str, *position: int) -> LatentTable:
        """Latents by row number, a function of the seed, of what they are for and of the number alone: of no rank.

        Args:
            purpose: What they are for, say ``"val"``.
            *position: Where: the number of the loader.

        Returns:
            A table of any number of rows.
        """
        return LatentTable(self.latent, self._float_dtype, self.seed, purpose, *position)

    @property
    def _float_dtype(self) -> torch.dtype:
        dtype = self.dtype
        return dtype if isinstance(dtype, torch.dtype) else torch.get_default_dtype()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what a GAN needs beside its weights: its run's seed, how to show samples, the average of G, whole."""
        self._complete_average()
        super().on_save_checkpoint(checkpoint)
        checkpoint["lit_gan"] |= {
            "value_range": self.value_range,
            "class_names": self.class_names,
            "has_begun": self.has_begun,
            "generator_average": self.generator_average,
            "average_statistics": self.average_statistics,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes back what :meth:`on_save_checkpoint` added, before the weights are loaded."""
        super().on_load_checkpoint(checkpoint)
        saved = checkpoint.get("lit_gan", {})
        self.has_begun = saved.get("has_begun", True)
        average = saved.get("generator_average")
        self.generator_average = None if average is None else {plain_name(name): average[name] for name in average}
        self.average_statistics, self.statistics_due = dict(saved.get("average_statistics", {})), ()
        self.class_names = tuple(saved.get("class_names", self.class_names))
        value_range = saved.get("value_range")
        self.value_range = self.value_range if value_range is None else tuple(value_range)


class _Generation(nn.Module):
    """The one method of a GAN that generates, as a module: so torch can call it with other weights."""

    def __init__(self, gan: GenerativeModule) -> None:
        super().__init__()
        self.gan = gan

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.gan.generate(z, condition)


def _shape_of(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _latent_for(generator: nn.Module, latent: Latent | None) -> Latent:
    size = getattr(generator, "latent_size", None)
    latent = Uniform() if latent is None else latent
    if size is not None:
        latent = latent.sized(int(size))
        if latent.size != size:
            raise UserError(
                f"latent size = {latent.size} but the generator's latent_size = {size}: expected the same number."
            )
    try:
        latent.size  # noqa: B018 -- it raises where there is none
    except UserError as error:
        raise UserError(
            f"latent = {type(latent).__name__} needs the generator's latent_size, which {type(generator).__name__} "
            "does not have: give it that attribute or pass a latent with a size, say lit_gan.latents.Uniform(size=100)."
        ) from error
    return latent
