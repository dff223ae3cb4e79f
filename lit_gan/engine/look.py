"""What the contracts are looking at, and how closely: one object that all of them share."""

from dataclasses import dataclass
from typing import Any

from lit_gan.engine.value_ranges import Range


@dataclass
class Look:
    """A look at users' parts.

    Args:
        data: The data module, or ``None``.
        output_range: The range that G says its samples have, if it says one.
        split: What comes is of this split: ``training``, ``validation`` or ``test``.
        closely: Whether values are looked at, and what a network raises is told in one line.
    """

    data: Any = None
    output_range: Range | None = None
    split: str = "training"
    closely: bool = False
