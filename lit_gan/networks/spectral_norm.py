"""Spectral normalisation of a whole network: each layer's matrix has the largest singular value 1."""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def normalize_spectra(network: nn.Module) -> None:
    """Normalises every layer of a network that has a matrix, by one power iteration in each forward pass of training.

    The matrix of a convolution has a row for each output channel. Layers within a conditional batch normalisation are
    left as they are: theirs are 0 at first, and 0 has no direction.

    Reference:
        Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, section 2.1 and algorithm 1.
    """
    for layer in network.children():
        if getattr(layer, "has_no_spectrum", False):
            continue
        if isinstance(layer, _LAYERS):
            spectral_norm(layer)
        else:
            normalize_spectra(layer)
