"""Every network can be written in YAML, as the shipped configurations do."""

import warnings

import pytest
import yaml
from jsonargparse import ArgumentParser
from torch import nn

from lit_gan.networks import MaxoutConvDiscriminator, MLPDiscriminator, MLPGenerator, StackedGenerator


def instantiate(text: str) -> nn.Module:
    parser = ArgumentParser(parser_mode="omegaconf+", exit_on_error=False)
    parser.add_argument("--network", type=nn.Module)
    parsed = parser.parse_object({"network": yaml.safe_load(text)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # renamed in jsonargparse 4.49; the pin allows 4.41
        return parser.instantiate_classes(parsed).network


def test_initialisers_are_written_as_numbers_or_classes() -> None:
    generator = instantiate("""
        class_path: lit_gan.networks.MLPGenerator
        init_args:
          image_shape: [1, 4, 4]
          latent_size: 10
          hidden: [200, 8]
          activations: [relu, sigmoid]
          weight_init: [0.5, {class_path: lit_gan.networks.SparseWeights, init_args: {nonzeros: 3}}, 1]
          bias_init: [0, -2, 0]
          max_norm: 1.9365
    """)
    assert isinstance(generator, MLPGenerator)
    assert generator.hidden[3].weight.count_nonzero(dim=1).unique().tolist() == [3]
    assert 0.4 < generator.hidden[0].weight.abs().max() <= 0.5


def test_one_class_is_meant_for_all_layers() -> None:
    discriminator = instantiate("""
        class_path: lit_gan.networks.MaxoutConvDiscriminator
        init_args:
          image_shape: [1, 8, 8]
          channels: [2, 2, 2]
          paddings: [4, 3, 3]
          pool_strides: 2
          dense: [5]
          hidden_keep: [0.5, 0.5, 0.5, 1]
          weight_init: {class_path: lit_gan.networks.NormalWeights, init_args: {std: 0}}
    """)
    assert isinstance(discriminator, MaxoutConvDiscriminator)
    assert not any(layer.weight.any() for layer in discriminator.modules() if isinstance(layer, nn.Linear | nn.Conv2d))


def test_the_recipe_of_mnist_can_be_written() -> None:
    generator = instantiate("""
        class_path: lit_gan.networks.MLPGenerator
        init_args:
          image_shape: [1, 28, 28]
          latent_size: 64
          hidden: [512, 512]
          batch_norm: true
          pixel_mean_bias: true
          pixel_mean_clip: 0.001
          weight_init:
            - {class_path: lit_gan.networks.KaimingWeights}
            - {class_path: lit_gan.networks.KaimingWeights}
            - {class_path: lit_gan.networks.KaimingWeights, init_args: {negative_slope: 1}}
    """)
    assert isinstance(generator, MLPGenerator)
    assert generator.output.weight.std().item() == pytest.approx(512**-0.5, rel=0.01)
    discriminator = instantiate("""
        class_path: lit_gan.networks.MLPDiscriminator
        init_args: {image_shape: [1, 28, 28], batch_norm: true}
    """)
    assert isinstance(discriminator, MLPDiscriminator)


@pytest.mark.parametrize("checkpoint", ["null", "runs/tfd_pretrain/1/checkpoints/last.ckpt"])
def test_a_generator_is_nested_in_a_generator(checkpoint: str) -> None:
    generator = instantiate(f"""
        class_path: lit_gan.networks.StackedGenerator
        init_args:
          hidden: [8]
          pretrained_checkpoint: {checkpoint}
          pretrained:
            class_path: lit_gan.networks.MLPGenerator
            init_args: {{image_shape: [1, 4, 4], latent_size: 6, hidden: [7]}}
    """)
    assert isinstance(generator, StackedGenerator)
    assert generator.latent.out_features == 6
