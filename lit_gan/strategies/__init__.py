"""How a GAN trains on several devices and machines."""
