"""What a file format is to an export: content of a generator, and what comes out of that content again."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar

from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.exporting.generator import ExportedGenerator, Inputs, as_given
from lit_gan.installation import install_command

#: How far an image of a file may be from that of ``lit-gan sample``, which lies in [0, 1].
TOLERANCE = 1e-5
#: Where the description of a generator stands in a file.
KEY = "lit_gan"
_LONGEST = 200


class FileFormat(ABC):
    """A file format; one that is not there says which package brings it.

    Example:
        >>> from lit_gan.exporting import SafetensorsFile
        >>> isinstance(SafetensorsFile(), FileFormat)
        True
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]  # the first one is that of a file without a name
    packages: ClassVar[tuple[str, ...]] = ()  # beside torch, to write and to check
    checked_by: ClassVar[str]

    @abstractmethod
    def content(self, generator: ExportedGenerator, inputs: Inputs, description: str) -> bytes:
        """The file.

        Args:
            generator: What it is of.
            inputs: Two rows, to call it with.
            description: What it says of itself: JSON.

        Raises:
            UserError: If the format cannot hold this generator.
        """

    @abstractmethod
    def images(self, content: bytes, generator: ExportedGenerator, inputs: Inputs) -> Tensor:
        """What comes out of a file for inputs, without the generator but where the format holds no computation.

        Args:
            content: The file.
            generator: What it is of.
            inputs: What it is called with, by name, a row for each image.
        """

    def difference(
        self, content: bytes, generator: ExportedGenerator, inputs: Inputs, expected: Sequence[Tensor]
    ) -> float:
        """How far the images of a file are from those expected at most, for inputs of several numbers of rows.

        Args:
            content: The file.
            generator: What it is of.
            inputs: What it is called with; of each number of rows, the first ones.
            expected: The images of so many rows, each time.

        Raises:
            UserError: If it is more than rounding, or there are none.
        """
        largest = 0.0
        for wanted in expected:
            rows = as_given({name: value[: len(wanted)] for name, value in inputs.items()})
            try:
                images = self.images(content, generator, rows)
            except Exception as error:  # ONNX Runtime has a family of its own
                raise self.refusal(f"the file gives no images of {len(wanted)} latents ({reason(error)})") from error
            if images.shape != wanted.shape:
                raise self.refusal(f"for {len(wanted)} latents the file gives {tuple(images.shape)}")
            largest = max(largest, float((images.double() - wanted.double()).abs().max()))
        if not largest <= TOLERANCE:
            raise self.refusal(
                f"its images differ from those of `lit-gan sample` by {largest:.2g}, more than {TOLERANCE:g}"
            )
        return largest

    def refusal(self, fault: str) -> UserError:
        """Why nothing was written.

        Args:
            fault: What is wrong with the generator or the file, in words.
        """
        other = "" if self.name == "safetensors" else "; --format safetensors holds the weights of any network"
        return UserError(
            f"--format {self.name}: {fault}: nothing was written. Expected a generator that does the same operations "
            f"whatever its input, with the number of rows from z.shape[0] and no random numbers of its own{other}."
        )

    def check_installed(self) -> None:
        """Refuses a format whose packages are not there.

        Raises:
            UserError: With what installs them.
        """
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            are = "packages" if len(missing) > 1 else "package"
            raise UserError(f"--format {self.name} needs the {are} {', '.join(missing)}: {install_command('export')}.")


def reason(error: BaseException) -> str:
    """What an error comes from, in one short line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
