"""Generators, discriminators and encoders: plain ``nn.Module``s, tensors in and out; how their weights are drawn."""

from lit_gan.networks.conv import ConvGenerator as ConvGenerator
from lit_gan.networks.conv import MaxoutConvDiscriminator as MaxoutConvDiscriminator
from lit_gan.networks.dcgan import DCGANDiscriminator as DCGANDiscriminator
from lit_gan.networks.dcgan import DCGANGenerator as DCGANGenerator
from lit_gan.networks.encoder import MLPEncoder as MLPEncoder
from lit_gan.networks.initialization import KaimingWeights as KaimingWeights
from lit_gan.networks.initialization import NormalWeights as NormalWeights
from lit_gan.networks.initialization import SparseWeights as SparseWeights
from lit_gan.networks.initialization import UniformWeights as UniformWeights
from lit_gan.networks.initialization import WeightInit as WeightInit
from lit_gan.networks.initialization import XavierWeights as XavierWeights
from lit_gan.networks.maxout import Maxout as Maxout
from lit_gan.networks.maxout import MaxoutConv2d as MaxoutConv2d
from lit_gan.networks.mixture import MixtureMLPGenerator as MixtureMLPGenerator
from lit_gan.networks.mlp import MaxoutDiscriminator as MaxoutDiscriminator
from lit_gan.networks.mlp import MLPDiscriminator as MLPDiscriminator
from lit_gan.networks.mlp import MLPGenerator as MLPGenerator
from lit_gan.networks.noisy_mlp import NoisyMLPDiscriminator as NoisyMLPDiscriminator
from lit_gan.networks.r3gan import R3GANDiscriminator as R3GANDiscriminator
from lit_gan.networks.r3gan import R3GANGenerator as R3GANGenerator
from lit_gan.networks.resnet import ResNetDiscriminator as ResNetDiscriminator
from lit_gan.networks.resnet import ResNetGenerator as ResNetGenerator
from lit_gan.networks.stacked import StackedGenerator as StackedGenerator
