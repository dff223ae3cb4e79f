"""Networks as they are evaluated, whoever trains them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(device: torch.device, *networks: nn.Module) -> Iterator[None]:
    """Within this context the networks are in evaluation mode, outside autocast.

    Args:
        device: Where they are.
        *networks: What is evaluated.
    """
    were_training = [module for network in networks for module in network.modules() if module.training]
    for network in networks:
        network.eval()
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for module in were_training:  # not train(): it would wake the parts that the user keeps in evaluation mode
            module.training = True
