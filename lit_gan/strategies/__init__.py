"""Training on several devices: the strategy ``ddp_gan``, registered with Lightning by importing this package."""

from lit_gan.strategies.ddp_gan import DDPGANStrategy as DDPGANStrategy
