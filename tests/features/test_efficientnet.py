"""The image network whose weights come with a package."""

import re

import pytest
import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.features import EfficientNetLite0, efficientnet
from lit_gan.installation import install_command


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0(size=64)


def picture(side: int = 64) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    return torch.stack([x, y, (x * y * 9) % 1])[None]


def test_it_sees_what_the_authors_network_sees(network: EfficientNetLite0) -> None:
    # By efficientnet-lite-pytorch 0.1.0, of the same weights; the two agree to the bit.
    found = network(torch.cat([picture(), picture().flip(1)]))
    expected = torch.tensor([4.60216, 0.0, 0.55051, 0.28087, 0.0, 0.0, 1.6109, 6.0])
    assert torch.allclose(found[0, :8], expected, atol=1e-4)
    assert found.sum(1).tolist() == pytest.approx([1127.9868, 1113.7893], rel=1e-5)


def test_grey_pictures_bytes_and_other_sizes_are_pictures_too(network: EfficientNetLite0) -> None:
    grey = picture()[:, :1]
    assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))
    levels = (picture() * 255).round().to(torch.uint8)
    assert torch.equal(network(levels), network(levels / 255))
    large = network(picture(150))
    assert torch.nn.functional.cosine_similarity(large, network(picture())).item() > 0.8
    assert network(picture()[:0]).shape == (0, 1280)


def test_it_stays_in_evaluation_mode_and_learns_nothing(network: EfficientNetLite0) -> None:
    assert not network.train().training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_what_it_cannot_read_is_told(network: EfficientNetLite0) -> None:
    with pytest.raises(UserError, match=r"got images of shape \(1, 2, 8, 8\): expected \(N, 1, H, W\) or"):
        network(torch.zeros(1, 2, 8, 8))
    with pytest.raises(UserError, match="EfficientNetLite0 size = 16: expected at least 32 pixels"):
        EfficientNetLite0(size=16)


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "_PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=re.escape(install_command("features"))):
        EfficientNetLite0()


def test_weights_of_another_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "_weights", lambda: {"_conv_stem.weight": torch.zeros(8, 3, 3, 3)})
    with pytest.raises(UserError, match=r"is not of EfficientNet-Lite0: expected version 0\.1\.0 of the package"):
        EfficientNetLite0()
