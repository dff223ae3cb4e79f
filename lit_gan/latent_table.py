"""Latents by row number: the same whoever asks for them, in whatever pieces."""

import torch
from torch import Tensor

from lit_gan.latents import Latent
from lit_gan.randomness import stream

_BLOCK = 1000  # rows of one stream: few enough to be drawn for the sake of one, enough to be drawn seldom


class LatentTable:
    """An endless table of latents whose row ``i`` is a function of the seed, the position and ``i``.

    Rows are drawn by the block, on the CPU, so that all devices agree. The last block is kept: whoever goes through
    the table in order draws each block once.

    Args:
        latent: :math:`p_z`.
        dtype: Type of the numbers.
        seed: The seed of the run.
        *position: What the latents are for.

    Example:
        >>> from lit_gan.latents import Uniform
        >>> table = LatentTable(Uniform(4), torch.float32, 0, "val", 0)
        >>> torch.equal(table.rows(range(990, 1010))[5::2], table.rows(range(995, 1010, 2)))
        True
    """

    def __init__(self, latent: Latent, dtype: torch.dtype, seed: int, *position: int | str) -> None:
        self._latent = latent
        self._dtype = dtype
        self._seed = seed
        self._position = position
        self._last: tuple[int, Tensor] | None = None

    def rows(self, places: range) -> Tensor:
        """Rows of the table.

        Args:
            places: Their numbers, ascending.

        Returns:
            A tensor ``(len(places), latent_size)`` on the CPU.
        """
        pieces = [torch.empty(0, self._latent.size, dtype=self._dtype)]
        while places:
            number = places[0] // _BLOCK
            start, step = number * _BLOCK, places.step
            inside = -(-(start + _BLOCK - places[0]) // step)  # how many of the places lie in this block
            pieces.append(self._block(number)[[place - start for place in places[:inside]]])
            places = places[inside:]
        return torch.cat(pieces)

    def _block(self, number: int) -> Tensor:
        if self._last is None or self._last[0] != number:
            generator = stream(self._seed, "latents", *self._position, number)
            self._last = number, self._latent.sample(_BLOCK, generator=generator, dtype=self._dtype)
        return self._last[1]
