"""The paper's evaluation as a torchmetrics metric: the negative Parzen-window log-likelihood of test data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors

from lit_gan.errors import UserError
from lit_gan.functional.arrays import Values, as_tensor, widest_float
from lit_gan.functional.distinct_rows import distinct_rows, row_fingerprints
from lit_gan.functional.parzen import PAPER_SIGMAS, positive_sigma, standard_error
from lit_gan.functional.parzen_windows import SHARD, ParzenWindows, mean
from lit_gan.metrics.parzen_warnings import warn_of_collapse, warn_of_copies, warn_of_edge
from lit_gan.metrics.sample_file import SampleFile, ShardsOnDisk, shard_rows

_RANGE_TOLERANCE = 1e-3  # of the range's width: what rounding and interpolation may add


class ParzenNLL(Metric):
    """Negative log-likelihood of test data under Gaussian windows on generated samples, in nats.

    The defaults are the paper's protocol (section 5, and the authors' ``parzen_ll.py``): sigma from
    ``logspace(-1, 0, 10)`` by the validation rows, the mean over the test rows, its standard error (ddof 0).
    Feed it like FID::

        metric.update(val_images, real=True, split="val")   # chooses sigma; the paper takes the first 1,000
        metric.update(test_images, real=True)               # is scored
        metric.update(generator(z), real=False)             # centres of the windows; the paper takes 10,000
        metric.compute()                                    # {"nll", "se", "sigma", "num_centres"}

    The result has the same bits for every batch size, order and number of processes. It depends on the number
    of samples and on the units of the data, rewards blur above truth, and hardly notices a lost mode: compare
    models under one protocol only, and by :func:`~lit_gan.functional.parzen.paired_standard_error` of their
    ``log_likelihoods``.

    Args:
        sigma: The width of the windows: None for the paper's grid, a number, a grid to choose from on the
            validation rows, or ``"em"`` for the continuous optimum on them.
        reset_real_features: Whether ``reset()`` forgets the validation and test rows too.
        data_range: Range of the values of float images, checked; bytes are mapped onto it. None checks
            nothing.
        scratch_dir: A folder for the generated samples. With it each process keeps its samples on disk and
            sends none of them: all processes score the same rows, each against its own samples, a shard at a
            time, and exchange sums. So memory does not grow with the number of samples. Where windows are so
            wide that hundreds of samples share a row, bits then depend on the processes, at 1e-12 nats.
        **kwargs: Those of ``torchmetrics.Metric``.

    Raises:
        UserError: If ``sigma``, ``data_range`` or ``scratch_dir`` cannot be used.

    Example:
        >>> metric = ParzenNLL(sigma=0.5)
        >>> metric.update(torch.tensor([[0.2], [0.6]]), real=False)
        >>> metric.update(torch.tensor([[0.1], [0.5], [0.9]]), real=True)
        >>> {name: round(value.item(), 4) for name, value in metric.compute().items()}
        {'nll': 0.5026, 'se': 0.0973, 'sigma': 0.5, 'num_centres': 2.0}
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    val: list[Tensor]
    test: list[Tensor]
    generated: list[Tensor]
    num_features: Tensor

    def __init__(
        self,
        sigma: float | Sequence[float] | Literal["em"] | None = None,
        reset_real_features: bool = True,
        data_range: tuple[float, float] | None = (0.0, 1.0),
        scratch_dir: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sigmas = _widths(sigma)
        if data_range is not None and not data_range[0] < data_range[1]:
            raise UserError(f"data_range = {tuple(data_range)}: expected (low, high) with low < high, or None.")
        self.data_range = None if data_range is None else (float(data_range[0]), float(data_range[1]))
        self.reset_real_features = reset_real_features
        self._samples = None if scratch_dir is None else SampleFile(Path(scratch_dir))
        self._log_likelihoods: Tensor | None = None
        # Flat float32: what torchmetrics joins the gather with where a rank has no data is empty and 1-D.
        for name in ("val", "test", "generated"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("num_features", torch.tensor(0), dist_reduce_fx=None)

    def update(self, images: Values, real: bool, split: Literal["val", "test"] = "test") -> None:
        """Takes in a batch.

        Args:
            images: ``(N, ...)`` floats in ``data_range``, or uint8; N may be 0. A tensor, or anything that NumPy takes
                for an array.
            real: Whether they are data, or the generator's.
            split: What real images are for: ``"test"`` is scored, ``"val"`` chooses sigma.

        Raises:
            UserError: If the values or the sizes are not what was said.
        """
        if split not in ("val", "test"):
            raise UserError(f"split = {split!r}: expected 'val' or 'test'.")
        images = as_tensor("images", images)
        if images.ndim < 2:
            raise UserError(f"images have shape {tuple(images.shape)}: expected a batch, (N, ...).")
        if images.shape[0] == 0:
            return
        rows = self._checked_rows(images.detach().flatten(1), "real" if real else "generated")
        expected = int(self.num_features)
        if expected not in (0, rows.shape[1]):
            raise UserError(f"images have {rows.shape[1]} values each: expected {expected}, as in the batches before.")
        self.num_features = torch.tensor(rows.shape[1], device=self.device)
        if not real and self._samples is not None:
            self._samples.append(rows)
        else:
            getattr(self, split if real else "generated").append(rows.reshape(-1))

    def _checked_rows(self, images: Tensor, kind: str) -> Tensor:
        low, high = self.data_range or (0.0, 1.0)
        if images.dtype == torch.uint8:
            return images.to(self.device, torch.float32).div_(255.0).mul_(high - low).add_(low)
        if not images.is_floating_point():
            raise UserError(f"{kind} images have dtype {images.dtype}: expected floats or uint8.")
        # A copy: the caller may go on writing to the batch.
        rows = images.to(self.device, torch.float32, copy=True)
        least, greatest = (float(value) for value in torch.aminmax(rows))
        if not abs(least) + abs(greatest) < float("inf"):
            raise UserError(f"{kind} images hold values that are not finite (NaN or inf): expected finite values.")
        tolerance = _RANGE_TOLERANCE * (high - low)
        if self.data_range is not None and (least < low - tolerance or greatest > high + tolerance):
            raise UserError(
                f"{kind} images span [{least:.4g}, {greatest:.4g}]: expected values within data_range"
                f" = {self.data_range}. Rescale them, or pass the data_range that they have."
            )
        return rows

    def compute(self) -> dict[str, Tensor]:
        """The result, the same on every process.

        Returns:
            float64 scalars: ``nll`` (mean over the test rows), ``se`` (its standard error over the test
            rows), ``sigma`` and ``num_centres``.

        Raises:
            UserError: If generated, test or (for the choice of sigma) validation images are missing.
        """
        depth = self._depth()
        val, test = self._canonical_rows("val", depth), self._canonical_rows("test", depth)
        if test.shape[0] == 0:
            raise UserError("no test images: expected update(images, real=True) before compute().")
        if val.shape[0] == 0 and len(self.sigmas) != 1:
            raise UserError(
                "no validation images to choose sigma on: expected update(images, real=True, split='val')"
                " before compute(), or a single sigma."
            )
        windows, num_centres = self._windows(val, test, depth)
        sigma = windows.select_sigma(val, self.sigmas) if self.sigmas else windows.fit_sigma(val)
        warn_of_edge(sigma, self.sigmas)
        scores = windows.log_likelihood(test, [sigma])[:, 0]
        self._log_likelihoods = scores
        result = {
            "nll": -mean(scores),
            "se": standard_error(scores),
            "sigma": sigma,
            "num_centres": num_centres,
        }
        dtype = widest_float(self.device)
        return {name: torch.tensor(value, dtype=dtype, device=self.device) for name, value in result.items()}

    @property
    def log_likelihoods(self) -> Tensor:
        """``(N,)`` float64, one per test row, after ``compute()``.

        Their order depends on the test rows alone, so those of two models on the same data go together.

        Raises:
            UserError: Before ``compute()``.
        """
        if self._log_likelihoods is None:
            raise UserError("log_likelihoods are not known yet: expected compute() first.")
        return self._log_likelihoods

    def _depth(self) -> int:
        sizes = torch.unique(self.num_features)
        sizes = sizes[sizes > 0]
        if sizes.numel() > 1:
            raise UserError(f"images have {sizes.tolist()} values each on different ranks: expected one size.")
        return int(sizes) if sizes.numel() else 1

    def _canonical_rows(self, name: str, depth: int) -> Tensor:
        """A state's rows over all processes, in an order that depends on the set of rows alone."""
        rows = self._rows(name, depth)
        rows = rows[row_fingerprints(rows).argsort(stable=True)]
        if len(rows) and not self._is_synced and rows.device == self.device:  # in place of the others, not beside them
            setattr(self, name, [rows.reshape(-1)])
        return rows

    def _rows(self, name: str, depth: int) -> Tensor:
        """A state's rows over all processes, in the order of arrival."""
        state = getattr(self, name)
        if len(state) == 0:
            return torch.empty(0, depth)
        joined = dim_zero_cat(state)
        if isinstance(state, list):  # in place of the batches, not beside them
            setattr(self, name, [joined])
        rows = joined.reshape(-1, depth).float()
        if rows.device.type == "mps":  # it has no float64
            rows = rows.cpu()
        return rows

    def _windows(self, val: Tensor, test: Tensor, depth: int) -> tuple[ParzenWindows, int]:
        if self._samples is not None:
            return self._windows_on_disk(self._samples, test, depth)
        generated = self._rows("generated", depth)
        num_centres = generated.shape[0]
        if num_centres == 0:
            raise UserError("no generated images: expected update(images, real=False) before compute().")
        distinct = members, _ = distinct_rows(generated)
        warn_of_copies(1 - members.numel() / num_centres)
        warn_of_collapse(generated, members, test)
        ranges = torch.stack([torch.stack(torch.aminmax(x)) for x in (generated, test, val) if x.shape[0]])
        return ParzenWindows.around(generated, float(ranges.min()), float(ranges.max()), distinct), num_centres

    def _windows_on_disk(self, samples: SampleFile, test: Tensor, depth: int) -> tuple[ParzenWindows, int]:
        num_centres = int(self._gathered(torch.tensor([len(samples)], device=test.device)).sum())
        if num_centres == 0:
            raise UserError("no generated images: expected update(images, real=False) before compute().")
        # Copies are looked for in one shard of each process: enough for a share, and for ranks with the same
        # seed.
        shard = next(samples.shards(shard_rows(depth, SHARD)), torch.empty(0, depth)).to(test.device)
        prints = self._gathered(row_fingerprints(shard))
        warn_of_copies(1 - torch.unique(prints).numel() / prints.numel())
        warn_of_collapse(shard, distinct_rows(shard)[0], test)
        shards = ShardsOnDisk(samples, test)
        return ParzenWindows(shards, num_centres, depth, self._gathered), num_centres

    def _gathered(self, values: Tensor) -> Tensor:
        """``values`` of all processes, one after the other."""
        if not self._is_synced:
            return values
        return torch.cat(gather_all_tensors(values.to(self.device), self.process_group)).to(values.device)

    def reset(self) -> None:
        """Forgets the generated samples and, with ``reset_real_features``, the real rows."""
        # Lists of their own: Metric.reset() empties the lists in place.
        kept = None if self.reset_real_features else (list(self.val), list(self.test), self.num_features)
        super().reset()
        if kept is not None:
            self.val, self.test, self.num_features = kept
        if self._samples is not None:
            self._samples.clear()
        self._log_likelihoods = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Not for this metric: a batch is real or generated, and no value follows from one alone.

        Raises:
            UserError: Always.
        """
        raise UserError("ParzenNLL has no value for a single batch: call update(...) for every batch, then compute().")

    def plot(self, val: dict[str, Tensor] | Sequence[dict[str, Tensor]] | None = None, ax: Any = None) -> Any:
        """Plots the negative log-likelihood.

        Args:
            val: A result of ``compute()``, or several of them; by default the present one.
            ax: A matplotlib axis to draw on.

        Returns:
            A figure and its axis.
        """
        results = self.compute() if val is None else val
        return self._plot(results["nll"] if isinstance(results, dict) else [result["nll"] for result in results], ax)


def _widths(sigma: float | Sequence[float] | str | None) -> tuple[float, ...]:
    """The grid; a single width is a grid of one, and ``"em"`` has none."""
    if sigma is None:
        return PAPER_SIGMAS
    if isinstance(sigma, str):
        if sigma != "em":
            raise UserError(
                f"sigma = {sigma!r}: expected a number, a list of numbers, 'em' or None (the paper's grid)."
            )
        return ()
    widths = tuple(positive_sigma(s) for s in ([sigma] if isinstance(sigma, int | float) else sigma))
    if not widths:
        raise UserError("sigma is an empty list: expected at least one width, or None for the paper's grid.")
    return widths
