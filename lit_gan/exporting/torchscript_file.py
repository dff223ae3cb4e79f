"""TorchScript: what torch, in Python or in C++, computes without the code that it was traced from."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lit_gan.exporting.file_format import KEY, FileFormat, reason
from lit_gan.exporting.generator import ExportedGenerator, Inputs


class TorchScriptFile(FileFormat):
    """By a trace; checked by torch, from the file alone.

    Example:
        >>> TorchScriptFile().name  # after --format
        'torchscript'
    """

    name = "torchscript"
    suffixes = (".pt", ".ts")
    checked_by = "torch"

    def content(self, generator: ExportedGenerator, inputs: Inputs, description: str) -> bytes:
        """See :meth:`FileFormat.content`."""
        file = io.BytesIO()
        try:
            with _no_advice(), torch.no_grad():
                script = torch.jit.trace(generator, tuple(inputs.values()), check_trace=False)  # type: ignore[no-untyped-call]
                torch.jit.save(script, file, _extra_files={f"{KEY}.json": description})
        except Exception as error:  # any network at all may be given, and torch may raise anything
            raise self.refusal(f"torch cannot trace it ({reason(error)})") from error
        return file.getvalue()

    def images(self, content: bytes, generator: ExportedGenerator, inputs: Inputs) -> Tensor:
        """See :meth:`FileFormat.images`."""
        with _no_advice(), torch.no_grad():
            loaded: Any = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
            images: Tensor = loaded(*inputs.values())
        return images


@contextmanager
def _no_advice() -> Iterator[None]:
    """Without two warnings that help nobody who has asked for TorchScript."""
    with warnings.catch_warnings():
        # From torch 2.9 on, of each function: TorchScript as a whole is maintained no more.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is (deprecated|not supported)")
        # Of each shape that a network looks at: whether the trace is right for other numbers of rows is checked.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # public
        yield
