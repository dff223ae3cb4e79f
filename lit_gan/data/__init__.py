"""Data: LightningDataModules that hold their images in memory and serve every round its fresh minibatches."""

from lit_gan.data.cifar10 import CIFAR10DataModule as CIFAR10DataModule
from lit_gan.data.digits import DigitsDataModule as DigitsDataModule
from lit_gan.data.image_folder import ImageFolderDataModule as ImageFolderDataModule
from lit_gan.data.mnist import MNISTDataModule as MNISTDataModule
from lit_gan.data.no_data import NoData as NoData
from lit_gan.data.tfd import TFDDataModule as TFDDataModule
from lit_gan.data.toy import ToyDataModule as ToyDataModule
