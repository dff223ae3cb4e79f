"""The shipped games, built as the command builds them: on their own data, or on noise of the same shapes."""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lit_gan import GAN
from lit_gan.cli.quiet import silence_what_users_cannot_mend
from lit_gan.cli.trainer.command import Command
from lit_gan.data import DigitsDataModule
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import UserError

#: Where Lightning's ``accelerator="auto"`` trains, too.
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Noise(InMemoryDataModule):
    """Bytes at random in the shapes of another data module, whose files need not be there.

    Args:
        like: The other one.
        rows: How many training examples.
    """

    def __init__(self, like: InMemoryDataModule, rows: int) -> None:
        super().__init__(batch_size=like.batch_size, eval_batch_size=like.eval_batch_size, seed=like.seed)
        self._image_shape, self._rows = like.image_shape, rows
        self._num_classes, self._value_range = 0, (0.0, 1.0)
        with suppress(UserError):  # where the files say so, G fits any range
            self._num_classes, self._value_range = like.num_classes, like.value_range

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The other's."""
        return self._image_shape

    @property
    def num_classes(self) -> int:
        """The other's."""
        return self._num_classes

    @property
    def value_range(self) -> tuple[float, float]:
        """The other's, so that G fits."""
        return self._value_range

    def load(self) -> Mapping[Split, ImageDataset]:
        """The same each time."""
        rng = torch.Generator().manual_seed(0)
        levels = torch.randint(256, (self._rows, *self.image_shape), dtype=torch.uint8, generator=rng)
        labels = torch.arange(self._rows) % self.num_classes if self.num_classes else None
        rows = ImageDataset(levels, labels, LinearScaling(255, self._value_range))
        return dict.fromkeys(("train", "val", "test"), rows)


@dataclass(frozen=True)
class Game:
    """A GAN and what it trains on.

    Attributes:
        gan: Built, and not yet trained.
        data: As the configuration names it, or noise.
        trainer: What the configuration says of the Trainer.
        start: The weights that it was built with.
    """

    gan: GAN
    data: InMemoryDataModule
    trainer: Mapping[str, Any]
    start: Mapping[str, Tensor]

    def begin_anew(self) -> GAN:
        """The GAN as it was built; what it would take from its data first is left out, for those may be noise."""
        self.gan.load_state_dict(self.start)
        self.gan.has_begun = True
        return self.gan.to(DEVICE)


def shipped(config: str, *options: str, root: Path | None = None, rows: int = 10_000) -> Game:
    """A shipped configuration.

    Args:
        config: Its name.
        *options: Further options of ``lit-gan fit``.
        root: The folder of its data; noise takes their place if ``None``, but for the digits, which are at hand.
        rows: How many examples of noise there are.
    """
    silence_what_users_cannot_mend()
    with tempfile.TemporaryDirectory() as pictures:
        Image.new("RGB", (64, 64)).save(Path(pictures, "one.png"))
        own = [f"--data.init_args.root={pictures}"] if config.startswith("images") else []
        real = own if root is None else [f"--data.init_args.root={root}"]
        command = Command("fit", ["--config", config, *real, *options])
        command.build()
        gan, data = command.model, command.built.data
        if not isinstance(gan, GAN) or not isinstance(data, InMemoryDataModule):
            raise SystemExit(f"--config {config}: expected a GAN on data in memory.")
        if root is None and not isinstance(data, DigitsDataModule):
            data = Noise(data, rows)
    start = {name: value.clone() for name, value in gan.state_dict().items()}
    return Game(gan, data, command.trainer, start)
