"""What is kept beside the runs for later ones: files of tensors and plain data, whole or not there."""

import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_gan.errors import UserError, in_short
from lit_gan.runs.atomic_write import replace_atomically
from lit_gan.torch_files import load_whole

#: Where the command keeps what real data score, and what metrics know of them.
KEPT = Path("runs") / "baselines"


def write_kept(path: Path, value: Any) -> None:
    """Writes a file, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(descriptor: int) -> None:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            torch.save(value, file)

    replace_atomically(path, write)


def keep_for_others(path: Path, value: Any) -> None:
    """Writes what a run has found and goes on with: where that cannot be, it is told, and others find it anew."""
    try:
        write_kept(path, value)
    except Exception as error:  # a training is worth more than the time of the next one
        warnings.warn(f"{path} is not kept for other runs ({type(error).__name__}: {in_short(error)}).", stacklevel=2)


def raw_bytes(tensor: Tensor) -> Any:
    """The bytes of a tensor, for the fingerprint by which a file is kept.

    Example:
        >>> bytes(raw_bytes(torch.tensor([[103], [97]], dtype=torch.uint8)))
        b'ga'
    """
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()


def read_kept(path: Path) -> Any:
    """What :func:`write_kept` wrote, ``None`` where there is no such file."""
    if not path.is_file():
        return None
    try:
        return load_whole(path)
    except Exception as error:  # damaged bytes make the reader raise anything at all
        raise UserError(f"{path} cannot be read ({type(error).__name__}): delete it.") from error
