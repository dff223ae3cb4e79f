"""What is kept beside the runs for later ones: files of tensors and plain data, whole or not there."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.torch_files import load_whole

#: Where the command keeps what real data score, and what metrics know of them.
KEPT = Path("runs") / "baselines"


def write_kept(path: Path, value: Any) -> None:
    """Writes a file at once; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")  # other runs may be writing the same
    try:
        torch.save(value, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
