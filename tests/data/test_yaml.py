"""Every data module can be written down in YAML, as the command line reads it."""

import pytest
from jsonargparse import auto_cli
from lightning.pytorch import LightningDataModule

from lit_gan import data
from lit_gan.data.mixtures import Grid

CONFIGS = {
    "DigitsDataModule": "{value_range: [-1, 1], batch_size: 64}",
    "MNISTDataModule": "{root: data, dataset: kmnist, num_validation: 5000}",
    "TFDDataModule": "{root: data, fold: 3, train_on: train}",
    "CIFAR10DataModule": "{contrast_scale: null, value_range: [-1, 1]}",
    "ImageFolderDataModule": "{root: pictures, image_size: [32, 48], fractions: [0.5, 0.25, 0.25]}",
    "ToyDataModule": "{mixture: {class_path: lit_gan.data.mixtures.Grid, init_args: {side: 3}}}",
}


def build(module: LightningDataModule):
    return module


def from_yaml(name):
    config = f"{{class_path: lit_gan.data.{name}, init_args: {CONFIGS[name]}}}"
    return auto_cli(build, args=[f"--module={config}"], as_positional=False)


@pytest.mark.parametrize("name", CONFIGS)
def test_module_is_built_from_yaml(name):
    module = from_yaml(name)
    assert isinstance(module, getattr(data, name))
    assert len(module.image_shape) == 3


def test_mixture_is_given_by_class_path():
    mixture = from_yaml("ToyDataModule").mixture
    assert isinstance(mixture, Grid)
    assert len(mixture.means) == 9
