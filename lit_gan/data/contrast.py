"""Global contrast normalisation, the preprocessing of the paper's CIFAR-10 experiments."""

import torch
from torch import Tensor

MIN_NORM = 1e-8  # pylearn2's `min_divisor`: the image of a wall is left at zero, not divided by it


def global_contrast_normalize(images: Tensor, scale: float = 55.0) -> Tensor:
    r"""Puts every image on a sphere: its mean is taken away, its L2 norm becomes ``scale``.

    .. math:: x \mapsto scale \cdot (x - \bar x) / \lVert x - \bar x \rVert_2

    Mean and norm run over all channels and pixels of one image. Where the norm is below 1e-8 (an image of one
    colour) the division is by 1.

    Args:
        images: Shape (N, C, H, W), any real type. The unit does not matter: bytes and [0, 1] give the same.
        scale: The norm afterwards. The paper's experiments used 55.

    Returns:
        Shape (N, C, H, W), float32.

    Example:
        >>> images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
        >>> global_contrast_normalize(images, scale=2.0).flatten()
        tensor([-1.4142,  1.4142])

    Source: the published configuration of the paper's experiments (pylearn2's ``GlobalContrastNormalization``
        with
    ``scale: 55``); see section 5 of the paper.
    """
    images = images.to(torch.float32)
    centred = images - images.mean(dim=(1, 2, 3), keepdim=True)
    norm = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
    return centred.mul_(scale / torch.where(norm < MIN_NORM, 1.0, norm))
