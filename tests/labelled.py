"""Small labelled data in memory: bright images are of one class, dark ones of the other."""

from collections.abc import Mapping

import torch

from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.scaling import LinearScaling


class Labelled(InMemoryDataModule):
    """80 images each in the training and the test set, of two classes that anybody tells apart."""

    image_shape, num_classes, value_range = (1, 8, 8), 2, (0.0, 1.0)

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 8, 8),
        value_range: tuple[float, float] = (0.0, 1.0),
        labelled: bool = True,
        shift: int = 0,
    ) -> None:
        super().__init__(batch_size=20)
        self.image_shape, self.value_range, self.num_classes = image_shape, value_range, 2 * labelled
        self._shift = shift

    def load(self) -> Mapping[Split, ImageDataset]:
        """Noise, brighter in the second class."""
        labels = torch.arange(80) % 2
        noise = torch.randint(100, (80, *self.image_shape), generator=torch.Generator().manual_seed(self._shift))
        levels = (noise + 150 * labels[:, None, None, None]).to(torch.uint8)
        rows = ImageDataset(levels, labels if self.num_classes else None, LinearScaling(255, self.value_range))
        return dict.fromkeys(("train", "val", "test"), rows)
